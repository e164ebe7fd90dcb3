"""Batches of training: canvases of which a part is masked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from unmask.apps.ui.filler import row_count
from unmask.apps.ui.prompt import Encode, prompt_of
from unmask.apps.ui.slots import FIELDS, MASK_ID, NONE_ID, ROWS, WORDS, Slots
from unmask.training.denoiser import Sequences
from unmask.training.ui.grammar.examples import draw
from unmask.training.ui.grammar.sketch import Example
from unmask.training.ui.hint import Hint, told
from unmask.training.ui.model import NO_PLACE
from unmask.training.ui.varied import varied

WIDTH = len(FIELDS)
ALL_MASKED = 0.3  # share of canvases of which all is masked
EMPTY_WEIGHT = 0.2  # of slots that say nothing, but for types: those decide whether there is a row
WHOLE = 0.5  # share of canvases with all rows that a fill has
DROPPED = 0.6  # share of the empty slots of the last four fields that a canvas of training leaves out
FAR_DROPPED = 0.7  # and of the slots, but for the type, of rows after the first empty one
IN_ORDER = 0.35  # share of canvases of which the first rows are known, and the others are masked
EASY, EASY_LEFT_OUT = 2, 0.35  # rows of an answer that is learned soon, and the share of those that are left out
POOL = 8  # batches that are drawn together, so that canvases of one batch have one length


@dataclass(frozen=True)
class Batch:
    canvas: Sequences
    at: Tensor  # (M, 2) rows and columns of what is masked
    wanted: Tensor  # (M,) ids
    weights: Tensor  # (M,)
    said: Tensor  # (K, 2) rows and columns of the request's pieces
    told: Tensor  # (K, 3) what each stands for: see `hint`


@dataclass(frozen=True)
class Laid:
    """One canvas."""

    ids: list[int]
    places: list[int]
    positions: list[int]
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
                (laid(varied(drawn(rng), rng), self._encode, rng) for _ in range(POOL * self._size)),
                key=lambda each: len(each.ids),
            )
            order = rng.permutation(POOL)
            self._pool = [made[i * self._size : (i + 1) * self._size] for i in order]
            self._number = number
        return stacked(self._pool[own])


def drawn(rng: np.random.Generator) -> Example:
    """An example of training."""
    while True:
        example = draw(rng)
        if not 0 < len(example.filled.rows) <= EASY or rng.random() >= EASY_LEFT_OUT:
            return example


def laid(example: Example, encode: Encode, rng: np.random.Generator) -> Laid:
    """A canvas of training: rows after the answer's are partly left out, and a part of the rest is masked."""
    ids, places = prompt_of(example.words, example.panel, encode)
    prompt, given = len(ids), len(example.filled.rows)
    whole = rng.random() < WHOLE
    rows = max(given, row_count(len(example.words))) if whole else min(ROWS, given + int(rng.integers(1, 3)))
    answer = np.array(replace_rows(example, rows), np.int64)
    at = np.arange(len(answer))
    row, field_ = (at - 1) // WIDTH, (at - 1) % WIDTH
    optional = (answer == NONE_ID) & (at > 0) & (field_ >= WIDTH - 4) & (rng.random(len(answer)) < DROPPED)
    far = (row > given) & (field_ > 0) & (rng.random(len(answer)) < FAR_DROPPED)
    kept = at[~(optional | far)]
    masked = hidden(kept, given, rng)
    masked[rng.integers(len(kept))] = True
    wanted = {prompt + i: int(answer[k]) for i, (k, mask) in enumerate(zip(kept, masked, strict=True)) if mask}
    ids = ids + np.where(masked, MASK_ID, answer[kept]).tolist()
    places = places + (WORDS + ROWS + kept).tolist()
    hints = told(example.filled)
    said = [hints[place] for place in places[:prompt] if place < WORDS]
    return Laid(ids, places, [*range(prompt), *(prompt + kept).tolist()], prompt, wanted, said)


def hidden(kept: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Which of the slots are masked: all, a random share, or all after the first rows with a share of the next one."""
    kind = rng.random()
    if kind < ALL_MASKED:
        return np.ones(len(kept), bool)
    if kind < ALL_MASKED + IN_ORDER and rows:
        row = (kept - 1) // WIDTH
        known = rng.integers(rows + 1)
        return (row > known) | ((row == known) & (rng.random(len(kept)) < rng.random())) & (kept > 0)
    return rng.random(len(kept)) < rng.random()


def replace_rows(example: Example, rows: int) -> list[int]:
    """Ids of the answer with so many rows."""
    filled = example.filled
    return filled._replace(rows=(*filled.rows, *[Slots()] * (rows - len(filled.rows)))).ids


def stacked(made: Sequence[Laid]) -> Batch:
    longest = max(len(each.ids) for each in made)

    def padded(name: str, fill: int) -> Tensor:
        return torch.tensor([getattr(each, name) + [fill] * (longest - len(each.ids)) for each in made])

    canvas = Sequences(
        padded("ids", 0),
        padded("places", NO_PLACE),
        padded("positions", 0),
        torch.tensor([each.prompt for each in made]),
        torch.tensor([len(each.ids) for each in made]),
    )
    at = torch.tensor([(i, position) for i, each in enumerate(made) for position in each.wanted])
    wanted = torch.tensor([id for each in made for id in each.wanted.values()])
    said = torch.tensor([(i, position) for i, each in enumerate(made) for position in range(len(each.told))])
    hints = torch.tensor([hint for each in made for hint in each.told])
    places = canvas.places[at[:, 0], at[:, 1]] - (WORDS + ROWS)
    light = (wanted == NONE_ID) & (places % WIDTH != 1)  # types follow the kind of the answer and then each other by WIDTH
    return Batch(canvas, at, wanted, torch.where(light, EMPTY_WEIGHT, 1.0), said, hints)
