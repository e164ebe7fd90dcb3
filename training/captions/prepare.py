"""From corpora to what training reads: audio on disk and labeled timelines.

    python -m unmask.training.captions.prepare --data DATA --whisper WHISPER --cache CACHE

writes into CACHE `audio` and `noise` (.i16 and .jsonl), `states` (Whisper's encoder over what the teacher is asked about),
`teacher.json`, `tokenizer.json` and `labels.jsonl`. Files that exist are kept, so a stopped run resumes where it was.
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
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.benchmarks.measure.word_errors import normalize
from unmask.export.modules.whisper import Whisper
from unmask.speech.log_mel import HOP_SAMPLES, SAMPLE_RATE_HZ, log_mel
from unmask.training.augment import babble, colored, tones
from unmask.training.captions.align import attention_scores, monotonic_path
from unmask.training.captions.teacher import DecoderPrompt, greedy, read, read_settings
from unmask.training.captions.vocabulary import source_ids, trim_tokenizer
from unmask.training.captions.whisper_weights import load_whisper
from unmask.training.corpus import Utterance, read_corpus, read_corpus_split, read_lines
from unmask.training.recordings import write_lines, write_recordings

TAIL_SAMPLES = SAMPLE_RATE_HZ  # silence after the speech, which the encoder was trained with
FRAME_SAMPLES = 2 * HOP_SAMPLES  # of an encoder state
BATCH = 16
SOFT = 8  # teacher probabilities kept per token


@dataclass(frozen=True)
class Prepare:
    data: Path
    """Folder with `train/NAME.{jsonl,tar}`, `noise/noise.{jsonl,tar}` and `text/*.txt`."""
    whisper: Path
    """Whisper's folder, CTranslate2 or Hugging Face."""
    cache: Path
    """Where to write."""
    corpora: tuple[str, ...] = ("librispeech", "librispeech_asr", "ljspeech", "speechocean762", "an4", "picovoice")
    synthetic: tuple[Path, ...] = ()
    """More corpora, as `synthesize` writes them, by their paths without `.jsonl`."""
    vocabulary: int = 12_288
    """Tokens kept, blank included."""
    seed: int = 0


def main(options: Annotated[Prepare, cyclopts.Parameter(name="*")]) -> None:
    options.cache.mkdir(parents=True, exist_ok=True)
    paths = [*(options.data / "train" / name for name in options.corpora), *options.synthetic]
    utterances = [u for path in paths for u in read_corpus(path) if len(u.samples) < 28 * SAMPLE_RATE_HZ]
    utterances.sort(key=lambda u: len(u.samples))
    if not (options.cache / "audio.jsonl").exists():
        write_recordings(options.cache / "audio", ((u.id, u.samples) for u in utterances))
    if not (options.cache / "noise.jsonl").exists():
        write_recordings(options.cache / "noise", wordless_sounds(utterances, options))
    model = load_whisper(options.whisper)
    asked = [u for u in utterances if not u.written]
    if not (options.cache / "states.jsonl").exists():
        encode(model, asked, options.cache)
    if not (options.cache / "labels.jsonl").exists():
        label(model, utterances, options)


def wordless_sounds(utterances: list[Utterance], options: Prepare) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Sounds without words: the training split of the noise corpus, colored noise, music-like tones, babble."""
    rng = np.random.default_rng([options.seed, 1])
    for u in read_corpus_split(options.data / "noise" / "noise", "train"):
        yield u.id, u.samples
    speech = [u.samples for u in utterances if len(u.samples) > 4 * SAMPLE_RATE_HZ]
    for i in range(12):
        yield f"colored-{i}", colored(12.0, rng.uniform(0, 2), rng)
        yield f"tones-{i}", tones(12.0, rng)
        if speech:
            yield f"babble-{i}", babble(speech, 12.0, rng)


# ---- encoder states


@torch.inference_mode()
def encode(model: Whisper, utterances: list[Utterance], cache: Path) -> None:
    rows, offset, began = [], 0, time.monotonic()
    with open(cache / "states.f16", "wb") as out:
        for start in range(0, len(utterances), BATCH):
            batch = utterances[start : start + BATCH]
            frames = [-(-(len(u.samples) + TAIL_SAMPLES) // FRAME_SAMPLES) for u in batch]
            padded = [np.pad(u.samples, (0, max(frames) * FRAME_SAMPLES - len(u.samples))) for u in batch]
            states = model.encoder(torch.from_numpy(np.stack([log_mel(a) for a in padded]))).numpy()
            for u, state, count in zip(batch, states, frames, strict=True):
                state[:count].astype(np.float16).tofile(out)
                rows.append({"id": u.id, "offset": offset, "frames": count})
                offset += count
            if start // BATCH % 20 == 0:
                print(f"states: {start}/{len(utterances)} {time.monotonic() - began:.0f} s", flush=True)
    write_lines(cache / "states.jsonl", rows)


class States:
    """Encoder states mapped from disk."""

    def __init__(self, cache: Path, width: int) -> None:
        self.rows = {row["id"]: row for row in read_lines(cache / "states.jsonl")}
        file = cache / "states.f16"
        data = np.memmap(file, np.float16, "r") if file.stat().st_size else np.zeros(0, np.float16)
        self.data = data.reshape(-1, width)

    def __getitem__(self, utterance: str) -> NDArray[np.float16]:  # (T, d), with the silence after the speech
        row = self.rows[utterance]
        return self.data[row["offset"] : row["offset"] + row["frames"]]


# ---- labels


def label(model: Whisper, utterances: list[Utterance], options: Prepare) -> None:
    source = Tokenizer.from_file(str(options.whisper / "tokenizer.json"))
    suppress, heads = read_settings(options.whisper)
    states = States(options.cache, model.config.width)
    asked = [u for u in utterances if not u.written]
    if not (options.cache / "teacher.json").exists():
        write_lines(options.cache / "teacher.json", [list(transcribe(model, asked, states, source, suppress))])
    said = json.loads((options.cache / "teacher.json").read_text(encoding="utf-8"))
    texts = [written(u.text, text) for u, text in zip(asked, said, strict=True)]
    if not (options.cache / "tokenizer.json").exists():
        counted = (*texts, *texts, *text_lines(options.data / "text"))
        trim_tokenizer(options.whisper / "tokenizer.json", counted, options.vocabulary).save(
            str(options.cache / "tokenizer.json")
        )
    tokenizer = Tokenizer.from_file(str(options.cache / "tokenizer.json"))
    ours = np.array(source_ids(tokenizer, source))
    rows = []
    for u, text, teacher in zip(asked, texts, said, strict=True):
        ids = tokenizer.encode(" " + text).ids
        own = torch.from_numpy(states[u.id].astype(np.float32))
        if not text or not 0 < len(ids) < min(200, len(own)):
            continue
        reading = read(model, own, ours[ids].tolist(), heads)
        first = monotonic_path(attention_scores(reading.attention))
        probability, top = torch.softmax(torch.from_numpy(reading.logits[:, ours[1:]]), -1).topk(SOFT)
        soft = [[round(p, 4) for p in row] for row in probability.tolist()]
        rows.append(
            {
                "id": u.id,
                "text": text,
                "teacher": teacher,
                "ids": ids,
                "first": first.tolist(),
                "soft_ids": (top + 1).tolist(),
                "soft": soft,
            }
        )
    rows += [untimed(u, tokenizer) for u in utterances if u.written]
    write_lines(options.cache / "labels.jsonl", rows)


def untimed(utterance: Utterance, tokenizer: Tokenizer) -> dict[str, object]:
    """A label with text only, for speech whose written form is known: the teacher is not asked, and CTC finds the times."""
    ids = tokenizer.encode(" " + utterance.written).ids
    return {"id": utterance.id, "text": utterance.written, "ids": ids, "first": None, "soft_ids": None, "soft": None}


def transcribe(
    model: Whisper, utterances: list[Utterance], states_of: States, source: Tokenizer, suppress: list[int]
) -> Iterator[str]:
    began, voice = time.monotonic(), DecoderPrompt.whisper(suppress, model.config.vocabulary)
    for start in range(0, len(utterances), 2 * BATCH):
        batch = [states_of[u.id].astype(np.float32) for u in utterances[start : start + 2 * BATCH]]
        lengths = [len(s) for s in batch]
        states = torch.zeros(len(batch), max(lengths), model.config.width)
        for row, state in zip(states, batch, strict=True):
            row[: len(state)] = torch.from_numpy(state)
        for ids in greedy(model.decoder, states, lengths, voice):
            yield source.decode(ids).strip()
        if start // BATCH % 20 == 0:
            print(f"teacher: {start}/{len(utterances)} {time.monotonic() - began:.0f} s", flush=True)


def written(transcript: str, teacher: str) -> str:
    """The transcript's words in the teacher's case and punctuation; the teacher's own text when there is no transcript."""
    if not transcript or normalize(transcript) == normalize(teacher):
        return teacher if not looped(teacher) else ""
    words, shown = transcript.split(), teacher.split()
    plain = [normalize(word) for word in shown]
    matcher = difflib.SequenceMatcher(a=[normalize(word) for word in words], b=plain, autojunk=False)
    out: list[str] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        same = kind == "equal" or normalize(" ".join(words[a:b])) == normalize(" ".join(shown[c:d]))
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


if __name__ == "__main__":
    cyclopts.run(main)
