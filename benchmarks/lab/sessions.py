"""Test speech joined into sessions, and when each of its words and utterances ends.

Word times are a forced alignment of the transcript by hama's phonemes (`benchmarks.lab.words.phonemes`). An utterance ends with
its last 20 ms that are within 35 dB of its loudest.
Knows corpora. Knows no captioner.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.words.phonemes import PhonemeAligner
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.corpus import Utterance, read_corpus, read_lines

FRAME = SAMPLE_RATE_HZ // 50
LOUD_DB = 35.0


@dataclass(frozen=True)
class SpokenWord:
    """A word and when it was spoken."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class SpeechSession:
    name: str
    samples: NDArray[np.float32]
    words: tuple[SpokenWord, ...]
    ends_s: tuple[float, ...]  # of each utterance's speech


def spoken_words(utterance: Utterance, aligner: PhonemeAligner) -> list[SpokenWord]:
    """Each word of the transcript, in seconds since the utterance's start."""
    spans = aligner.spans(utterance.samples, utterance.text)
    return [SpokenWord(text, start_s, end_s) for text, (start_s, end_s) in zip(utterance.text.split(), spans, strict=True)]


def session_utterances(data: Path, names: tuple[str, ...] = ()) -> Iterator[tuple[str, list[Utterance], NDArray[np.float32]]]:
    """Yield each session's name, its utterances, and the silence after each of them."""
    rows = [row for row in read_lines(data / "test" / "sessions.jsonl") if not names or row["id"] in names]
    if not rows:
        raise ValueError(f"{data}/test/sessions.jsonl has no session {', '.join(names)}")
    utterances = {Path(u.id).stem: u for u in read_corpus(data / "test" / "librispeech")}
    for row in rows:
        gap = np.zeros(round(row["gap_seconds"] * SAMPLE_RATE_HZ), np.float32)
        yield row["id"], [utterances[Path(file).stem] for file in row["files"]], gap


def joined(utterances: list[Utterance], gap: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([part for u in utterances for part in (u.samples, gap)])


def read_sessions(data: Path, names: tuple[str, ...] = ()) -> list[SpeechSession]:
    """The sessions with the times of their words."""
    aligner = PhonemeAligner()
    return [timed(*session, aligner) for session in session_utterances(data, names)]


def timed(name: str, utterances: list[Utterance], gap: NDArray[np.float32], aligner: PhonemeAligner) -> SpeechSession:
    words, ends_s, at_s = list[SpokenWord](), [], 0.0
    for u in utterances:
        words += [SpokenWord(w.text, at_s + w.start_s, at_s + w.end_s) for w in spoken_words(u, aligner)]
        ends_s.append(at_s + speech_end_s(u.samples))
        at_s += (len(u.samples) + len(gap)) / SAMPLE_RATE_HZ
    return SpeechSession(name, joined(utterances, gap), tuple(words), tuple(ends_s))


def speech_end_s(samples: NDArray[np.float32]) -> float:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    power = (frames.astype(np.float64) ** 2).mean(1)
    return float(np.flatnonzero(power >= power.max() / 10 ** (LOUD_DB / 10))[-1] + 1) / 50
