"""Labelled utterances to training canvases: slots, masks, corruption, crops, and batches of like length.

Knows NumPy arrays only; every random choice comes from the generator that is passed in.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.training.align import place
from unmask.training.corpus import read_lines
from unmask.training.prepare import SOFT, VARIANTS, States

BLANK = 0


@dataclass(frozen=True)
class Label:
    """An utterance's tokens and the first encoder frame of each, at normal speed."""

    id: str
    text: str
    ids: NDArray[np.int64]  # (N,)
    centre: NDArray[np.float64]  # (N,) frames
    soft_ids: NDArray[np.int64]  # (N, SOFT) the teacher's likeliest tokens ...
    soft: NDArray[np.float32]  # (N, SOFT) ... and their probabilities


@dataclass(frozen=True)
class Sample:
    states: NDArray[np.float16]  # (S * frames_per_slot, d)
    target: NDArray[np.int64]  # (S,) tokens and blanks
    soft_ids: NDArray[np.int64]  # (S, SOFT)
    soft: NDArray[np.float32]  # (S, SOFT), all zero at blanks
    shown: NDArray[np.int64]  # (S,) what the model sees: target, mask or a wrong token
    masked: NDArray[np.bool_]  # (S,) where the loss counts


@dataclass(frozen=True)
class Masking:
    """Shares of samples and rates; `full` matters most, since decoding in few passes starts there."""

    full: float = 0.5
    span: float = 0.15  # one stretch masked, the rest visible
    corrupt: float = 0.15  # visible tokens of these samples are wrong at a rate of up to 0.2
    crop: float = 0.3  # windows cut at both ends, as live captions cut them
    hide: float = 0.3  # stretches of encoder states set to zero


def read_labels(cache: Path) -> list[Label]:
    """Labels with the times of `centres.json` where it is there (`realign`), else the teacher's."""
    path = cache / "centres.json"
    better = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    out = []
    for row in read_lines(cache / "labels.jsonl"):
        first = np.asarray(row["first"], dtype=np.float64)
        # The teacher lets a token's span run on through the pause behind it: the first 0.2 s hold the sound.
        centre = np.asarray(better.get(row["id"], first[:-1] + np.minimum(np.diff(first), 10.0) / 2))
        arrays = (np.asarray(row["soft_ids"], dtype=np.int64), np.asarray(row["soft"], dtype=np.float32))
        out.append(Label(row["id"], row["text"], np.asarray(row["ids"], dtype=np.int64), centre, *arrays))
    return out


class Timeline:
    """Makes samples of labels and the mapped encoder states."""

    def __init__(self, cache: Path, width: int, frames_per_slot: int, mask: int, masking: Masking) -> None:
        self.variants = [States(cache, v.name, width) for v in VARIANTS if (cache / f"states-{v.name}.jsonl").exists()]
        self.frames_per_slot, self.mask, self.masking = frames_per_slot, mask, masking

    def full(self, label: Label) -> NDArray[np.float16]:
        """Clean states of the whole utterance, cut to whole slots."""
        states = self.variants[0][label.id]
        return states[: len(states) // self.frames_per_slot * self.frames_per_slot]

    def sample(self, label: Label, rng: np.random.Generator) -> Sample | None:
        """One random view of an utterance; None when its tokens do not fit its slots."""
        variant = self.variants[rng.integers(len(self.variants))]
        states, centre = variant[label.id], label.centre / variant.rows[label.id]["speed"]
        # Slots never start at the same place twice, and the silence behind the speech varies.
        start, end = rng.integers(self.frames_per_slot), len(states) - rng.integers(40)
        if rng.random() < self.masking.crop and end - start > 150:
            start, end = start + rng.integers((end - start) // 3), end - rng.integers((end - start) // 3)
        slots = (end - start) // self.frames_per_slot
        states = states[start : start + slots * self.frames_per_slot]
        kept = (centre >= start) & (centre < start + len(states))
        at = place(centre[kept] - start, self.frames_per_slot, slots)
        if at is None:
            return None
        target = np.full(slots, BLANK, dtype=np.int64)
        target[at] = label.ids[kept]
        soft_ids, soft = np.zeros((slots, SOFT), dtype=np.int64), np.zeros((slots, SOFT), dtype=np.float32)
        soft_ids[at], soft[at] = label.soft_ids[kept], label.soft[kept]
        shown, counted = self._mask(target, soft_ids, rng)
        return Sample(self._hide(states, rng), target, soft_ids, soft, shown, counted)

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

    def _hide(self, states: NDArray[np.float16], rng: np.random.Generator) -> NDArray[np.float16]:
        if rng.random() >= self.masking.hide:
            return states
        states = states.copy()
        for _ in range(rng.integers(1, 4)):
            begin = rng.integers(len(states))
            states[begin : begin + rng.integers(4, 24)] = 0
        return states


def batches(labels: list[Label], frames_per_batch: int, rng: np.random.Generator) -> Iterator[list[Label]]:
    """One epoch in random order: batches of like length that fill about `frames_per_batch` encoder frames, padding included."""
    order = sorted(labels, key=lambda label: label.centre[-1] * rng.uniform(0.9, 1.1))
    groups: list[list[Label]] = []
    group: list[Label] = []
    for label in order:
        longest = max(other.centre[-1] for other in (*group, label)) + 50  # the silence behind the speech
        if group and longest * (len(group) + 1) > frames_per_batch:
            groups.append(group)
            group = []
        group.append(label)
    groups.append(group)
    for i in rng.permutation(len(groups)):
        yield groups[i]
