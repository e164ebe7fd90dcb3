"""From recordings to what drafts are learned from: the encoder's states, the decoder's own text, and where each token is heard.

    python -m unmask.training.drafting.prepare --data DATA --moonshine MOONSHINE --cache CACHE

No transcript is needed: the decoder's greedy text is the target. Each version of a recording is spoiled differently (version 0
is as recorded) and written in shards, CACHE/VERSION-NUMBER.npz; shards that exist are kept, so a stopped run resumes.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import torch
from numpy.typing import NDArray

from unmask.export.modules.moonshine import END, SAMPLES_PER_STATE, START, KeysValues, Moonshine, Rows
from unmask.export.modules.transcript import heard_at
from unmask.export.moonshine_weights import load_moonshine
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.augment import Audio, Augment, change_speed, colored, draw_speed, spoil
from unmask.training.corpus import read_corpus, read_corpus_split
from unmask.training.recordings import Recordings, write_recordings

CORPORA = ("librispeech", "librispeech_asr", "ljspeech", "speechocean762", "an4", "picovoice", "librilight", "commonvoice")
BATCH = 16
TOKENS_PER_SECOND = 6.5  # a text with more is a loop, as Moonshine's own runtime takes it
SHORTEST_SAMPLES = SAMPLE_RATE_HZ // 2


@dataclass(frozen=True)
class Prepare:
    data: Path
    """Folder with `train/NAME.{jsonl,tar}` and `noise/noise.{jsonl,tar}`."""
    moonshine: Path
    """A Moonshine checkpoint."""
    cache: Path
    """Where to write."""
    corpora: tuple[str, ...] = CORPORA
    synthetic: tuple[Path, ...] = ()
    """More corpora, as `synthesize` writes them, by their paths without `.jsonl`."""
    versions: int = 4
    cut_share: float = 0.35
    """Share of the recordings, after version 0, that are cut at both ends, also inside words."""
    augment: Augment = field(default_factory=lambda: Augment(gain_db=(-12.0, 3.0)))
    shard: int = 128
    """Recordings of a shard: a stopped run loses at most so many."""
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Heard:
    """One recording as the model hears it."""

    states: NDArray[np.float16]  # (S, d)
    ids: NDArray[np.int32]  # (N + 1,) START, the text, END
    places: NDArray[np.float32]  # (N,) of each token after START: where it is heard, in encoder states


def main(options: Annotated[Prepare, cyclopts.Parameter(name="*")]) -> None:
    options.cache.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    recordings, noises = read_audio(options)
    names = sorted(recordings, key=lambda name: np.random.default_rng([options.seed, *name.encode()]).random())
    model = load_moonshine(options.moonshine)
    began = time.monotonic()
    for version in range(options.versions):
        for number, start in enumerate(range(0, len(names), options.shard)):
            shard = options.cache / f"{version}-{number:03}.npz"
            if shard.exists():
                continue
            part = names[start : start + options.shard]
            audio = (spoiled(recordings[name], noises, options, version, name) for name in part)
            heard = list(listen(model, [a for a in audio if len(a) >= SHORTEST_SAMPLES]))
            write_shard(shard, heard)
            print(f"{shard.name}: {len(heard)} recordings, {(time.monotonic() - began) / 60:.1f} min", flush=True)


def read_audio(options: Prepare) -> tuple[Recordings, list[Audio]]:
    """All recordings, decoded once into CACHE/audio, and the noises to train with."""
    path = options.cache / "audio"
    if not path.with_suffix(".jsonl").exists():
        paths = [*(options.data / "train" / name for name in options.corpora), *options.synthetic]
        write_recordings(path, ((f"{p.name}/{u.id}", u.samples) for p in paths for u in read_corpus(p)))
    noises = [u.samples for u in read_corpus_split(options.data / "noise/noise", "train")]
    rng = np.random.default_rng(options.seed)
    return Recordings(path), [*noises, *(colored(20.0, slope, rng) for slope in (0.0, 0.5, 1.0, 1.5, 2.0))]


def spoiled(samples: Audio, noises: list[Audio], options: Prepare, version: int, name: str) -> Audio:
    """A version of a recording: its own speed, cut, room, noise, gain and silence around it. Version 0 is the recording."""
    if version == 0:
        return samples
    rng = np.random.default_rng([options.seed, version, *name.encode()])
    samples = change_speed(samples, draw_speed(options.augment, rng))
    if rng.random() < options.cut_share and len(samples) > 2 * SAMPLE_RATE_HZ:
        start, end = np.sort(rng.uniform(0, len(samples), 2).astype(int))
        samples = samples[start : max(end, start + SAMPLE_RATE_HZ)]
    before, after = rng.integers(0, SAMPLE_RATE_HZ, 2) * (rng.random(2) < 0.5)
    return spoil(np.pad(samples, (before, after)), noises, options.augment, rng)


def listen(model: Moonshine, recordings: list[Audio]) -> Iterator[Heard]:
    """What the model hears and writes; recordings whose text runs into a loop, or is empty, are left out."""
    recordings = sorted(recordings, key=len)
    for start in range(0, len(recordings), BATCH):
        with torch.no_grad():
            states = [model.encoder(torch.from_numpy(samples)[None])[0] for samples in recordings[start : start + BATCH]]
            yield from write(model, states)


def write(model: Moonshine, states: list[torch.Tensor]) -> Iterator[Heard]:
    """The greedy texts of a batch, and the places of their tokens."""
    padded = torch.nn.utils.rnn.pad_sequence(states, batch_first=True)
    lengths = torch.tensor([len(s) for s in states])
    heard = (torch.arange(padded.shape[1]) < lengths[:, None])[:, None, None]
    cross = model.decoder.cross(padded)
    longest = int(TOKENS_PER_SECOND * int(lengths.max()) * SAMPLES_PER_STATE / SAMPLE_RATE_HZ) + 2
    ids, places = greedy(model, cross, heard, longest)
    for row, text, where in zip(states, ids, places, strict=True):
        end = int((text == END).nonzero()[0]) if (text == END).any() else 0
        limit = TOKENS_PER_SECOND * len(row) * SAMPLES_PER_STATE / SAMPLE_RATE_HZ + 2
        if 1 < end <= limit:
            yield Heard(row.half().numpy(), text[: end + 1].int().numpy(), where[:end].float().clamp(max=len(row) - 1).numpy())


def greedy(model: Moonshine, cross: list[KeysValues], heard: torch.Tensor, longest: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (B, N + 1) from START on, END repeated after the end, and places (B, N)."""
    batch = heard.shape[0]
    ids, places, past = torch.full((batch, 1), START), [], None
    while ids.shape[1] <= longest and not bool((ids[:, -1] == END).all()):
        n = ids.shape[1]
        rows = Rows(
            model.decoder.embed_tokens(ids[:, -1:]), torch.full((batch, 1), n - 1), torch.ones(1, 1, 1, n, dtype=torch.bool)
        )
        hidden, past, asked = model.decoder(rows, cross, heard, past)
        best = model.decoder.logits(hidden)[:, -1].argmax(-1, keepdim=True)
        ids = torch.cat((ids, torch.where(ids[:, -1:] == END, END, best)), 1)
        places.append(heard_at(model.config, asked, cross, heard))
    return ids, torch.cat(places, 1)


def write_shard(path: Path, heard: list[Heard]) -> None:
    part = path.with_name(f"{path.name}.part")
    with open(part, "wb") as file:
        np.savez(
            file,
            states=np.concatenate([h.states for h in heard] or [np.zeros((0, 1), np.float16)]),
            ids=np.concatenate([h.ids for h in heard] or [np.zeros(0, np.int32)]),
            places=np.concatenate([h.places for h in heard] or [np.zeros(0, np.float32)]),
            state_counts=np.array([len(h.states) for h in heard]),
            id_counts=np.array([len(h.ids) for h in heard]),
        )
    part.replace(path)


if __name__ == "__main__":
    cyclopts.run(main)
