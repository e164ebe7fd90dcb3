"""Batches of training: canvases of which a part is masked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from unmask.apps.ui.filler import row_count
from unmask.apps.ui.prompt import Encode, prompt_of
from unmask.apps.ui.slots import FIELDS, MASK_ID, ROWS, WORDS, Slots
from unmask.training.denoiser import Sequences
from unmask.training.ui.grammar.examples import draw
from unmask.training.ui.grammar.sketch import Example
from unmask.training.ui.hint import Hint, told
from unmask.training.ui.model import NO_PLACE
from unmask.training.ui.varied import varied

WIDTH = len(FIELDS)
ALL_MASKED = 0.3  # share of canvases of which all is masked
WHOLE = 0.3  # share of canvases with all rows that a fill has; others end after any row, so that their length tells nothing
FEWEST = 3  # rows of a canvas of training
IN_ORDER = 0.35  # share of canvases of which the first rows are known, and the others are masked
POOL = 8  # batches that are drawn together, so that canvases of one batch have one length


@dataclass(frozen=True)
class Batch:
    canvas: Sequences
    at: Tensor  # (M, 2) rows and columns of what is masked
    wanted: Tensor  # (M,) ids
    said: Tensor  # (K, 2) rows and columns of the request's pieces
    told: Tensor  # (K, 3) what each stands for: see `hint`


@dataclass(frozen=True)
class Laid:
    """One canvas."""

    ids: list[int]
    places: list[int]
    prompt: int
    wanted: dict[int, int]  # position in the list -> id
    told: list[Hint] = field(default_factory=list)  # of the first positions, which are pieces of the request


class Batches:
    def __init__(self, encode: Encode, size: int, seed: int) -> None:
        self._encode, self._size, self._seed = encode, size, seed
        self._pool: list[list[Laid]] = []
        self._number = -1

    def batch(self, step: int) -> Batch:
        number, own = divmod(step, POOL)
        if number != self._number:
            rng = np.random.default_rng([self._seed, number])
            made = sorted(
                (laid(varied(draw(rng), rng), self._encode, rng) for _ in range(POOL * self._size)),
                key=lambda each: len(each.ids),
            )
            order = rng.permutation(POOL)
            self._pool = [made[i * self._size : (i + 1) * self._size] for i in order]
            self._number = number
        return stacked(self._pool[own])


def laid(example: Example, encode: Encode, rng: np.random.Generator) -> Laid:
    """A canvas of training, of which a part is masked. Which slots it has depends on the request alone, as in a fill: from a
    canvas that leaves out what is empty, a model reads what to answer."""
    ids, places = prompt_of(example.words, example.panel, encode)
    prompt, rows = len(ids), row_count(len(example.words))
    if rng.random() >= WHOLE:
        rows = int(rng.integers(FEWEST, rows + 1))
    answer = replace_rows(example, rows)
    masked = hidden(len(answer), min(rows, len(example.filled.rows)), rng)
    masked[rng.integers(len(answer))] = True
    wanted = {prompt + at: answer[at] for at in np.flatnonzero(masked).tolist()}
    ids = ids + np.where(masked, MASK_ID, answer).tolist()
    places = places + list(range(WORDS + ROWS, WORDS + ROWS + len(answer)))
    hints = told(example)
    said = [hints[place] for place in places[:prompt] if place < WORDS]
    return Laid(ids, places, prompt, wanted, said)


def hidden(slots: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Which of the slots are masked: all, a random share, or all after the first rows with a share of the next one."""
    kind = rng.random()
    if kind < ALL_MASKED:
        return np.ones(slots, bool)
    if kind < ALL_MASKED + IN_ORDER and rows:
        at = np.arange(slots)
        row, known = (at - 1) // WIDTH, rng.integers(rows + 1)
        return (row > known) | ((row == known) & (rng.random(slots) < rng.random())) & (at > 0)
    return rng.random(slots) < rng.random()


def replace_rows(example: Example, rows: int) -> list[int]:
    """Ids of the answer's first rows, so many."""
    filled = example.filled
    return filled._replace(rows=(*filled.rows, *[Slots()] * rows)[:rows]).ids


def stacked(made: Sequence[Laid]) -> Batch:
    longest = max(len(each.ids) for each in made)

    def padded(name: str, fill: int) -> Tensor:
        return torch.tensor([getattr(each, name) + [fill] * (longest - len(each.ids)) for each in made])

    canvas = Sequences(
        padded("ids", 0),
        padded("places", NO_PLACE),
        torch.arange(longest).repeat(len(made), 1),
        torch.tensor([each.prompt for each in made]),
        torch.tensor([len(each.ids) for each in made]),
    )
    at = torch.tensor([(i, position) for i, each in enumerate(made) for position in each.wanted])
    wanted = torch.tensor([id for each in made for id in each.wanted.values()])
    said = torch.tensor([(i, position) for i, each in enumerate(made) for position in range(len(each.told))])
    hints = torch.tensor([hint for each in made for hint in each.told])
    return Batch(canvas, at, wanted, said, hints)
