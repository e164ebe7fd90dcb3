"""From labeled recordings to training samples: augmented and cut audio, a canvas with masks, a text with errors.

Knows only NumPy arrays. Every random choice comes from the generator that is passed in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.speech.log_mel import SAMPLE_RATE_HZ, log_mel
from unmask.speech.words import starts_word
from unmask.training.augment import Augment, change_speed, draw_speed, hide, spoil
from unmask.training.captions.align import place
from unmask.training.captions.prepare import FRAME_SAMPLES, SOFT
from unmask.training.corpus import read_lines
from unmask.training.recordings import Recordings

BLANK = 0


@dataclass(frozen=True)
class Spelling:
    """A text in the verifier's tokens, where rare words are whole that the canvas spells in pieces."""

    ids: NDArray[np.int64]  # (M,)
    words: NDArray[np.int64]  # (M,) the number of the word that each token belongs to
    soft_ids: NDArray[np.int64]  # (M, SOFT) the teacher's most probable tokens, zeros in words that are spelled otherwise


@dataclass(frozen=True)
class Label:
    """The text of a recording and its times. Frames are those of encoder states, at normal speed."""

    id: str
    text: str
    frames: int
    ids: NDArray[np.int64]  # (N,)
    words: NDArray[np.int64]  # (N,) the number of the word that each token belongs to
    center: NDArray[np.float64] | None  # (N,) frames; None when no times are known: such a recording is never cut
    soft_ids: NDArray[np.int64]  # (N, SOFT) the teacher's most probable tokens ...
    soft: NDArray[np.float32]  # (N, SOFT) ... and their probabilities, zeros when it was not asked
    spelling: Spelling


@dataclass(frozen=True)
class Sample:
    mel: NDArray[np.float32]  # (mels, 2 * S * frames_per_slot)
    target: NDArray[np.int64]  # (S,) tokens and blanks; all blank when no times are known
    soft_ids: NDArray[np.int64]  # (S, SOFT)
    soft: NDArray[np.float32]  # (S, SOFT), all zero at blanks
    shown: NDArray[np.int64]  # (S,) the model's input: target, mask or a wrong token
    masked: NDArray[np.bool_]  # (S,) where the loss counts
    timed: bool
    tokens: NDArray[np.int64]  # (N,) the text
    before: NDArray[np.int64]  # (M,) the verifier's input: the text in its own spelling, perhaps with errors
    after: NDArray[np.int64]  # (M + 1,) the correct next token after the prompt and after each of these; BLANK ends the text


@dataclass(frozen=True)
class Masking:
    """Shares of samples, and rates. `full` matters most, since decoding in few passes starts from a full mask."""

    full: float = 0.65
    span: float = 0.15  # one stretch masked, the rest visible
    corrupt: float = 0.15  # samples whose visible tokens are wrong at a rate of up to 0.2
    crop: float = 0.35  # samples cut at both ends, as live captions cut them ...
    cut_silence: float = 0.5  # ... and the share of those with digital silence after the cut, as in the runtime's padding
    errors: float = 0.5  # texts that the verifier reads with errors ...
    error_rate: float = 0.15  # ... of at most this rate
    augment: Augment = field(default_factory=Augment)


def read_labels(cache: Path, tokenizer: Tokenizer) -> list[Label]:
    """The recordings with text in a cache that `prepare` wrote."""
    recordings = Recordings(cache / "audio")
    return [
        label_of(row, -(-recordings.samples(row["id"]) // FRAME_SAMPLES), tokenizer) for row in read_lines(cache / "labels.jsonl")
    ]


def label_of(row: dict[str, object], frames: int, tokenizer: Tokenizer) -> Label:
    ids = np.asarray(row["ids"], dtype=np.int64)
    words = word_numbers(ids, tokenizer)
    center = None
    if row["first"] is not None:
        first = np.asarray(row["first"], dtype=np.float64)
        # The teacher extends the span of a token through the pause after it: the sound is in the first 0.2 s.
        center = first[:-1] + np.minimum(np.diff(first), 10.0) / 2
    soft_ids = np.asarray(row["soft_ids"] or np.zeros((len(ids), SOFT)), dtype=np.int64)
    soft = np.asarray(row["soft"] or np.zeros((len(ids), SOFT)), dtype=np.float32)
    spelling = spell(ids, words, soft_ids, tokenizer)
    return Label(str(row["id"]), str(row["text"]), frames, ids, words, center, soft_ids, soft, spelling)


def word_numbers(ids: NDArray[np.int64], tokenizer: Tokenizer) -> NDArray[np.int64]:
    """(N,): the number of the word that each token belongs to, from 0."""
    starts = [i == 0 or starts_word(tokenizer.id_to_token(int(token))) for i, token in enumerate(ids)]
    return np.cumsum(starts, dtype=np.int64) - 1


def spell(ids: NDArray[np.int64], words: NDArray[np.int64], soft_ids: NDArray[np.int64], tokenizer: Tokenizer) -> Spelling:
    """The text of a canvas's tokens as `tokenizer` spells it."""
    whole = np.asarray(tokenizer.encode(tokenizer.decode(ids.tolist()), add_special_tokens=False).ids, dtype=np.int64)
    numbers, soft = word_numbers(whole, tokenizer), np.zeros((len(whole), soft_ids.shape[1]), dtype=np.int64)
    for word in np.unique(numbers):
        ours, theirs = numbers == word, words == word
        if np.array_equal(whole[ours], ids[theirs]):
            soft[ours] = soft_ids[theirs]
    return Spelling(whole, numbers, soft)


def wordless(cache: Path) -> list[Label]:
    """The recordings without words: noise, which must give an empty text."""
    noise = Recordings(cache / "noise")
    nothing = np.zeros(0, dtype=np.int64)
    tables = np.zeros((0, SOFT), dtype=np.int64), np.zeros((0, SOFT), dtype=np.float32)
    spelling = Spelling(nothing, nothing, tables[0])
    return [
        Label(name, "", -(-noise.samples(name) // FRAME_SAMPLES), nothing, nothing, nothing.astype(np.float64), *tables, spelling)
        for name in noise
    ]


class SampleMaker:
    """Makes training samples from labels."""

    def __init__(self, cache: Path, frames_per_slot: int, mask: int, masking: Masking) -> None:
        self.audio, self.noise = Recordings(cache / "audio"), Recordings(cache / "noise")
        self.noises = [self.noise[name] for name in self.noise]
        self.frames_per_slot, self.mask, self.masking = frames_per_slot, mask, masking

    def clean(self, label: Label) -> NDArray[np.float32]:
        """Log-mel (mels, F) of the full recording and a second of silence, padded to full slots."""
        samples = self.audio[label.id]
        slot = self.frames_per_slot * FRAME_SAMPLES
        slots = -(-(len(samples) + SAMPLE_RATE_HZ) // slot)
        return log_mel(np.pad(samples, (0, slots * slot - len(samples))))

    def sample(self, label: Label, rng: np.random.Generator) -> Sample | None:
        """One random view of a recording; None when its tokens do not fit its slots."""
        speed = draw_speed(self.masking.augment, rng)
        source = self.audio if label.id in self.audio.rows else self.noise
        samples = change_speed(source[label.id], speed)
        # Where slots begin varies, and so does the silence after the speech.
        start, end = int(rng.integers(self.frames_per_slot)), len(samples) // FRAME_SAMPLES + int(rng.integers(4, 60))
        silent = 0  # slots after a cut
        if label.center is not None and rng.random() < self.masking.crop and end - start > 150:
            start, end = start + int(rng.integers((end - start) // 3)), end - int(rng.integers((end - start) // 3))
            silent = int(rng.integers(5, 8)) if rng.random() < self.masking.cut_silence else 0
        slots = (end - start) // self.frames_per_slot
        end, silent = start + slots * self.frames_per_slot, min(silent, slots // 2)
        kept, at = self._inside(label, speed, start, slots - silent)
        if at is None:
            return None
        piece = samples[start * FRAME_SAMPLES : end * FRAME_SAMPLES]
        piece = np.pad(piece, (0, (end - start) * FRAME_SAMPLES - len(piece)))
        heard = spoil(piece, self.noises, self.masking.augment, rng)
        heard[len(heard) - silent * self.frames_per_slot * FRAME_SAMPLES :] = 0
        mel = hide(log_mel(heard), self.masking.augment, rng)
        target = np.full(slots, BLANK, dtype=np.int64)
        soft_ids, soft = np.zeros((slots, SOFT), dtype=np.int64), np.zeros((slots, SOFT), dtype=np.float32)
        if label.center is not None:
            target[at], soft_ids[at], soft[at] = label.ids[kept], label.soft_ids[kept], label.soft[kept]
            shown, counted = self._mask(target, soft_ids, rng)
        else:
            shown, counted = np.full(slots, self.mask), np.ones(slots, dtype=bool)
        heard_words = np.isin(label.spelling.words, label.words[kept])
        before, after = self._errors(label.spelling.ids[heard_words], label.spelling.soft_ids[heard_words], rng)
        return Sample(mel, target, soft_ids, soft, shown, counted, label.center is not None, label.ids[kept], before, after)

    def _inside(self, label: Label, speed: float, start: int, slots: int) -> tuple[NDArray[np.bool_], NDArray[np.int64] | None]:
        """Tokens of the words whose middle is in the window, and their slots (None when they do not fit)."""
        if label.center is None:
            fits = len(label.ids) + np.count_nonzero(np.diff(label.ids) == 0) <= slots  # CTC separates equal tokens by a blank
            return np.ones(len(label.ids), dtype=bool), label.ids if fits else None
        center = label.center / speed - start
        if not len(center):
            return np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64)
        sums = np.bincount(label.words, center) / np.bincount(label.words)
        middle = sums[label.words]
        kept = (middle >= 0) & (middle < slots * self.frames_per_slot)
        return kept, place(center[kept], self.frames_per_slot, slots)

    def _mask(
        self, target: NDArray[np.int64], soft_ids: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        slots, dice = len(target), rng.random()
        if dice < self.masking.full:
            masked = np.ones(slots, dtype=bool)
        elif dice < self.masking.full + self.masking.span:
            length = rng.integers(1, max(2, slots // 2))
            begin = rng.integers(max(1, slots - length))
            masked = (np.arange(slots) >= begin) & (np.arange(slots) < begin + length)
        else:
            masked = rng.random(slots) < rng.uniform(0.1, 1.0)
        shown = np.where(masked, self.mask, target)
        if rng.random() < self.masking.corrupt:
            wrong = ~masked & (target != BLANK) & (rng.random(slots) < rng.uniform(0, 0.2))
            plausible = soft_ids[np.arange(slots), rng.integers(1, soft_ids.shape[1], slots)]
            wrong &= plausible != target
            shown = np.where(wrong, plausible, shown)
            masked = masked | wrong
        return shown, masked

    def _errors(
        self, tokens: NDArray[np.int64], soft_ids: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """A draft of the text with tokens changed, lost and added, and the correct next token after each of its tokens."""
        rate = rng.uniform(0, self.masking.error_rate) if rng.random() < self.masking.errors else 0.0
        before, after, i = [], [], 0
        while i < len(tokens):
            after.append(tokens[i])
            kind = rng.integers(3) if rng.random() < rate else 3
            wrong = soft_ids[i, rng.integers(soft_ids.shape[1])] or tokens[rng.integers(len(tokens))]
            if kind == 0 and i + 1 < len(tokens) and tokens[i + 1] != tokens[i]:  # lost: the next token takes its place
                before.append(tokens[i + 1])
                i += 2
            elif kind == 1 and wrong != tokens[i]:  # added
                before.append(wrong)
            else:
                before.append(wrong if kind == 2 else tokens[i])
                i += 1
        return np.asarray(before, dtype=np.int64), np.asarray([*after, BLANK], dtype=np.int64)


def batches(labels: list[Label], frames_per_batch: int, rng: np.random.Generator) -> Iterator[list[Label]]:
    """One epoch in random order: batches of similar lengths, of about `frames_per_batch` encoder frames with padding."""
    order = sorted(labels, key=lambda label: label.frames * rng.uniform(0.9, 1.1))
    groups: list[list[Label]] = []
    group: list[Label] = []
    for label in order:
        longest = max(other.frames for other in (*group, label)) + 30  # the silence after the speech
        if group and longest * (len(group) + 1) > frames_per_batch:
            groups.append(group)
            group = []
        group.append(label)
    if group:
        groups.append(group)
    for i in rng.permutation(len(groups)):
        yield groups[i]
