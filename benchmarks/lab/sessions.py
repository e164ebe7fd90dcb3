"""Test speech joined into sessions, and when each of its words and utterances ends.

Word times are Whisper's: its decoder reads the transcript, and a monotonic path through its cross-attention gives the times (to
about a tenth of a second). An utterance ends with its last 20 ms that are within 35 dB of its loudest.
Knows corpora and PyTorch. Knows no captioner.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.export.modules.whisper import FRAMES_PER_SECOND, Whisper
from unmask.speech.log_mel import SAMPLE_RATE_HZ, log_mel
from unmask.speech.words import starts_word
from unmask.training.captions.align import attention_scores, monotonic_path
from unmask.training.captions.teacher import read, read_settings
from unmask.training.captions.whisper_weights import load_whisper
from unmask.training.corpus import Utterance, read_corpus, read_lines

FRAME = SAMPLE_RATE_HZ // 50
LOUD_DB = 35.0
LAST_TOKEN_S = 0.3  # attention extends a word's last token through the pause after it


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


class Aligner:
    """Times of words by Whisper."""

    def __init__(self, folder: Path) -> None:
        self.model: Whisper = load_whisper(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        _, self.heads = read_settings(folder)

    def words(self, utterance: Utterance) -> list[SpokenWord]:
        """Each word of the transcript, in seconds since the utterance's start."""
        padded = np.pad(utterance.samples, (0, SAMPLE_RATE_HZ))
        with torch.inference_mode():
            states = self.model.encoder(torch.from_numpy(log_mel(padded[: len(padded) // 320 * 320]))[None])[0]
        encoded = self.tokenizer.encode(" " + utterance.text, add_special_tokens=False)
        scores = attention_scores(read(self.model, states, encoded.ids, self.heads).attention)
        first = monotonic_path(scores) / FRAMES_PER_SECOND
        starts = [i for i, token in enumerate(encoded.tokens) if starts_word(token)]
        return [
            SpokenWord(text, float(first[start]), float(min(first[stop], first[stop - 1] + LAST_TOKEN_S)))
            for text, start, stop in zip(utterance.text.split(), starts, [*starts[1:], len(encoded.ids)], strict=True)
        ]


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


def read_sessions(data: Path, whisper: Path, names: tuple[str, ...] = ()) -> list[SpeechSession]:
    """The sessions with the times of their words."""
    aligner = Aligner(whisper)
    return [timed(*session, aligner) for session in session_utterances(data, names)]


def timed(name: str, utterances: list[Utterance], gap: NDArray[np.float32], aligner: Aligner) -> SpeechSession:
    words, ends_s, at_s = list[SpokenWord](), [], 0.0
    for u in utterances:
        words += [SpokenWord(w.text, at_s + w.start_s, at_s + w.end_s) for w in aligner.words(u)]
        ends_s.append(at_s + speech_end_s(u.samples))
        at_s += (len(u.samples) + len(gap)) / SAMPLE_RATE_HZ
    return SpeechSession(name, joined(utterances, gap), tuple(words), tuple(ends_s))


def speech_end_s(samples: NDArray[np.float32]) -> float:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    power = (frames.astype(np.float64) ** 2).mean(1)
    return float(np.flatnonzero(power >= power.max() / 10 ** (LOUD_DB / 10))[-1] + 1) / 50
