"""Batches of training: requests as a recognizer may hear them, and canvases of which a part is masked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from unmask.apps.ui.prompt import Encode, prompt_of
from unmask.apps.ui.slots import FIELDS, MASK_ID, NONE_ID, POINTERS, ROWS, WORDS, Slots
from unmask.apps.ui.words import Word, words_of
from unmask.training.denoiser import Sequences
from unmask.training.ui.grammar.examples import draw
from unmask.training.ui.grammar.names import invented
from unmask.training.ui.grammar.sketch import Example
from unmask.training.ui.model import NO_PLACE

WIDTH = len(FIELDS)
ALL_MASKED = 0.5  # share of canvases of which all is masked
EMPTY_WEIGHT = 0.2  # of slots that say nothing
DROPPED = 0.5  # share of the empty slots of the last four fields that a canvas of training leaves out
HEARD = 0.35  # share of requests in which words are misheard
MISHEARD = {
    **{"to": "two", "for": "four", "from": "form", "and": "an", "a": "the", "the": "a", "with": "which", "slider": "glider"},
    **{"switch": "which", "show": "so", "timer": "time", "set": "said", "button": "but an", "between": "be twin", "add": "at"},
    **{"list": "least", "one": "won", "make": "may", "picker": "pick her", "field": "filled", "called": "cold", "max": "macs"},
}
POOL = 8  # batches that are drawn together, so that canvases of one batch have one length


@dataclass(frozen=True)
class Batch:
    canvas: Sequences
    at: Tensor  # (M, 2) rows and columns of what is masked
    wanted: Tensor  # (M,) ids
    weights: Tensor  # (M,)


@dataclass(frozen=True)
class Laid:
    """One canvas."""

    ids: list[int]
    places: list[int]
    positions: list[int]
    prompt: int
    wanted: dict[int, int]  # position in the list -> id


class Batches:
    def __init__(self, encode: Encode, size: int, seed: int) -> None:
        self._encode, self._size, self._seed = encode, size, seed
        self._pool: list[list[Laid]] = []
        self._number = -1

    def batch(self, step: int) -> Batch:
        number, own = divmod(step, POOL)
        if number != self._number:
            rng = np.random.default_rng([self._seed, number])
            made = sorted((laid(draw(rng), self._encode, rng) for _ in range(POOL * self._size)), key=lambda each: len(each.ids))
            order = rng.permutation(POOL)
            self._pool = [made[i * self._size : (i + 1) * self._size] for i in order]
            self._number = number
        return stacked(self._pool[own])


def laid(example: Example, encode: Encode, rng: np.random.Generator) -> Laid:
    """A canvas of training: rows after the answer's are partly left out, and a part of the rest is masked."""
    words = heard(example, rng) if rng.random() < HEARD else example.words
    ids, places = prompt_of(words, example.panel, encode)
    prompt = len(ids)
    rows = min(ROWS, len(example.filled.rows) + int(rng.choice((1, 1, 1, 1, 2, 3, 4, 10))))
    answer = np.array(replace_rows(example, rows), np.int64)
    at = np.arange(len(answer))
    optional = (answer == NONE_ID) & (at > 0) & ((at - 1) % WIDTH >= WIDTH - 4)
    kept = at[~(optional & (rng.random(len(answer)) < DROPPED))]
    share = 1.0 if rng.random() < ALL_MASKED else rng.random()
    masked = rng.random(len(kept)) < share
    masked[rng.integers(len(kept))] = True
    wanted = {prompt + i: int(answer[k]) for i, (k, hidden) in enumerate(zip(kept, masked, strict=True)) if hidden}
    ids = ids + np.where(masked, MASK_ID, answer[kept]).tolist()
    places = places + (WORDS + ROWS + kept).tolist()
    return Laid(ids, places, [*range(prompt), *(prompt + kept).tolist()], prompt, wanted)


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
    return Batch(canvas, at, wanted, torch.where(wanted == NONE_ID, EMPTY_WEIGHT, 1.0))


def heard(example: Example, rng: np.random.Generator) -> list[Word]:
    """The words with some of those that the answer does not point to misheard."""
    pointed = set()
    for row in example.filled.rows:
        first = POINTERS.index(row.start) if row.start in POINTERS else None
        last = POINTERS.index(row.end) if row.end in POINTERS else first
        if first is not None and last is not None:
            pointed |= set(range(first, last + 1))
        pointed |= {POINTERS.index(token) for token in (row.low, row.high, row.value) if token in POINTERS}
    return [word if i in pointed or rng.random() > 0.15 else _misheard(word, rng) for i, word in enumerate(example.words)]


def _misheard(word: Word, rng: np.random.Generator) -> Word:
    if word.number is not None or word.time is not None or word.text == ",":
        return word
    if word.text in MISHEARD and rng.random() < 0.7:
        return words_of(MISHEARD[word.text])[0]
    if len(word.text) < 3:
        return word
    if rng.random() < 0.4:
        text = invented(rng).split(" ")[0]  # a word that it does not know
        return replace(word, text=text, shown=text)
    at = int(rng.integers(len(word.text)))
    letter = "abcdefghijklmnopqrstuvwxyz"[rng.integers(26)]
    kind = rng.integers(3)
    text = word.text[:at] + ("" if kind == 0 else letter) + word.text[at + (kind != 1) :]
    return replace(word, text=text, shown=text)
