"""From corpora to what training reads: encoder states on disk and labelled timelines.

    python -m unmask.training.prepare --data DATA --whisper WHISPER --cache CACHE

writes into CACHE `tokenizer.json`, `labels.jsonl` and, for each variant of the audio, `states-VARIANT.f16` with
`states-VARIANT.jsonl`. What is there already is kept, so a stopped run goes on where it was.
"""

import difflib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from whisper_normalizer.english import EnglishTextNormalizer

from unmask.export.whisper import Whisper, load_whisper
from unmask.mel import HOP_SAMPLES, SAMPLE_RATE_HZ, log_mel
from unmask.training.align import attention_scores, monotonic_path
from unmask.training.corpus import Utterance, read_corpus, read_lines
from unmask.training.teacher import greedy, read, read_settings
from unmask.training.vocabulary import source_ids, trim_tokenizer

TAIL_SAMPLES = SAMPLE_RATE_HZ  # silence behind the speech: the encoder was trained with it
FRAME_SAMPLES = 2 * HOP_SAMPLES
BATCH = 16
SOFT = 8  # teacher probabilities kept per token


@dataclass(frozen=True)
class Variant:
    """One rendering of the audio; speed changes pitch and tempo together."""

    name: str
    speed: float = 1.0
    noisy: float = 0.0  # share of utterances with noise at 5 to 25 dB


VARIANTS = (Variant("clean"), Variant("slow", 0.9, 0.5), Variant("fast", 1.1, 0.5), Variant("noisy", 1.0, 1.0))


@dataclass(frozen=True)
class Prepare:
    data: Path
    """Folder with `train/NAME.{jsonl,tar}`, `noise/noise.{jsonl,tar}` and `text/*.txt`."""
    whisper: Path
    """Whisper's folder, CTranslate2 or Hugging Face."""
    cache: Path
    """Where to write."""
    corpora: tuple[str, ...] = ("librispeech", "librispeech_asr", "ljspeech", "speechocean762", "an4", "picovoice")
    vocabulary: int = 12_288
    """Tokens kept, blank included."""
    seed: int = 0


def main(options: Annotated[Prepare, cyclopts.Parameter(name="*")]) -> None:
    options.cache.mkdir(parents=True, exist_ok=True)
    utterances = [u for name in options.corpora for u in read_corpus(options.data / "train" / name)]
    utterances = sorted((u for u in utterances if len(u.samples) < 28 * SAMPLE_RATE_HZ), key=lambda u: len(u.samples))
    model = load_whisper(options.whisper)
    noises = [u.samples for u in read_corpus_split(options.data / "noise" / "noise", "train")]
    for variant in VARIANTS:
        if not (options.cache / f"states-{variant.name}.jsonl").exists():
            encode(model, utterances, variant, noises, options)
        if not (options.cache / "labels.jsonl").exists():  # needs the clean states
            label(model, utterances, options)


def read_corpus_split(path: Path, split: str) -> Iterator[Utterance]:
    """The noise manifest holds both splits; only the one for training may be mixed in."""
    wanted = {row["id"] for row in read_lines(path.with_name(f"{path.name}.jsonl")) if row["split"] == split}
    return (u for u in read_corpus(path) if u.id in wanted)


# ---- encoder states


@torch.inference_mode()
def encode(
    model: Whisper, utterances: list[Utterance], variant: Variant, noises: list[NDArray[np.float32]], options: Prepare
) -> None:
    rng = np.random.default_rng([options.seed, VARIANTS.index(variant)])
    rows, offset, began = [], 0, time.monotonic()
    with open(options.cache / f"states-{variant.name}.f16", "wb") as out:
        for start in range(0, len(utterances), BATCH):
            batch = utterances[start : start + BATCH]
            audio = [render(u.samples, variant, noises, rng) for u in batch]
            frames = [-(-(len(a) + TAIL_SAMPLES) // FRAME_SAMPLES) for a in audio]
            padded = [np.pad(a, (0, max(frames) * FRAME_SAMPLES - len(a))) for a in audio]
            states = model.encoder(torch.from_numpy(np.stack([log_mel(a) for a in padded]))).numpy()
            for u, state, count in zip(batch, states, frames, strict=True):
                state[:count].astype(np.float16).tofile(out)
                rows.append({"id": u.id, "offset": offset, "frames": count, "speed": variant.speed})
                offset += count
            if start // BATCH % 20 == 0:
                print(f"{variant.name}: {start}/{len(utterances)} {time.monotonic() - began:.0f} s", flush=True)
    write_lines(options.cache / f"states-{variant.name}.jsonl", rows)


def render(
    samples: NDArray[np.float32], variant: Variant, noises: list[NDArray[np.float32]], rng: np.random.Generator
) -> NDArray[np.float32]:
    audio = samples if variant.speed == 1.0 else soxr.resample(samples, variant.speed * SAMPLE_RATE_HZ, SAMPLE_RATE_HZ)
    if rng.random() < variant.noisy:
        noise = noises[rng.integers(len(noises))]
        noise = np.resize(np.roll(noise, rng.integers(len(noise))), len(audio))
        decibels = rng.uniform(5, 25)
        power = np.mean(audio**2) / (np.mean(noise**2) + 1e-9) / 10 ** (decibels / 10)
        audio = audio + noise * np.sqrt(power)
    return np.asarray(audio * 10 ** (rng.uniform(-10, 3) / 20), dtype=np.float32) if variant.noisy else audio


class States:
    """Encoder states of one variant, mapped from disk."""

    def __init__(self, cache: Path, variant: str, width: int) -> None:
        self.rows = {row["id"]: row for row in read_lines(cache / f"states-{variant}.jsonl")}
        self.data = np.memmap(cache / f"states-{variant}.f16", np.float16, "r").reshape(-1, width)

    def __getitem__(self, utterance: str) -> NDArray[np.float16]:  # (T, d), silence behind the speech included
        row = self.rows[utterance]
        return self.data[row["offset"] : row["offset"] + row["frames"]]


# ---- labels


def label(model: Whisper, utterances: list[Utterance], options: Prepare) -> None:
    source = Tokenizer.from_file(str(options.whisper / "tokenizer.json"))
    suppress, heads = read_settings(options.whisper)
    clean = States(options.cache, "clean", model.config.width)
    if not (options.cache / "teacher.json").exists():
        said = list(transcribe(model, utterances, clean, source, suppress))
        write_lines(options.cache / "teacher.json", [said])
    said = json.loads((options.cache / "teacher.json").read_text(encoding="utf-8"))
    texts = [written(u.text, text) for u, text in zip(utterances, said, strict=True)]
    tokenizer = trim_tokenizer(
        options.whisper / "tokenizer.json", (*texts, *texts, *text_lines(options.data / "text")), options.vocabulary
    )
    tokenizer.save(str(options.cache / "tokenizer.json"))
    ours = np.array(source_ids(tokenizer, source))
    rows = []
    for u, text, teacher in zip(utterances, texts, said, strict=True):
        ids = tokenizer.encode(" " + text).ids
        states = torch.from_numpy(clean[u.id].astype(np.float32))
        if not text or not 0 < len(ids) < min(200, len(states)):
            continue
        reading = read(model, states, ours[ids].tolist(), heads)
        first = monotonic_path(attention_scores(reading.attention))
        logits = torch.from_numpy(reading.logits[:, ours[1:]])
        probability, top = torch.softmax(logits, -1).topk(SOFT)
        rows.append(
            {
                "id": u.id,
                "text": text,
                "teacher": teacher,
                "ids": ids,
                "first": first.tolist(),
                "soft_ids": (top + 1).tolist(),
                "soft": [[round(p, 4) for p in row] for row in probability.tolist()],
            }
        )
    write_lines(options.cache / "labels.jsonl", rows)


def transcribe(
    model: Whisper, utterances: list[Utterance], clean: States, source: Tokenizer, suppress: list[int]
) -> Iterator[str]:
    began = time.monotonic()
    for start in range(0, len(utterances), 2 * BATCH):
        batch = [clean[u.id].astype(np.float32) for u in utterances[start : start + 2 * BATCH]]
        lengths = [len(s) for s in batch]
        states = torch.zeros(len(batch), max(lengths), model.config.width)
        for row, state in zip(states, batch, strict=True):
            row[: len(state)] = torch.from_numpy(state)
        for ids in greedy(model, states, lengths, suppress):
            yield source.decode(ids).strip()
        if start // BATCH % 20 == 0:
            print(f"teacher: {start}/{len(utterances)} {time.monotonic() - began:.0f} s", flush=True)


NORMAL = EnglishTextNormalizer()


def written(transcript: str, teacher: str) -> str:
    """The transcript's words in the teacher's case and punctuation; the teacher's own text when there is no transcript."""
    if not transcript or NORMAL(transcript) == NORMAL(teacher):
        return teacher if not looped(teacher) else ""
    words, shown = transcript.split(), teacher.split()
    plain = [NORMAL(word) for word in shown]
    matcher = difflib.SequenceMatcher(a=[NORMAL(word) for word in words], b=plain, autojunk=False)
    out: list[str] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        same = kind == "equal" or NORMAL(" ".join(words[a:b])) == NORMAL(" ".join(shown[c:d]))
        out += shown[c:d] if same else words[a:b]
    text = " ".join(out)
    return text[:1].upper() + text[1:]


def looped(text: str) -> bool:
    words = text.lower().split()
    return len(words) > 12 and len({tuple(words[i : i + 3]) for i in range(len(words) - 2)}) < 0.6 * len(words)


def text_lines(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield line if not line.isupper() else line.lower()


def write_lines(path: Path, rows: list[object]) -> None:
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    part.replace(path)  # a file that is there is whole


if __name__ == "__main__":
    cyclopts.run(main)
