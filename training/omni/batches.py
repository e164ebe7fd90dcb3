"""Batches of the tasks: scenes at random, laid out as prompts and answers, with masks. Knows the codec. Knows no model."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from unmask.export.modules.sticker_codec import StickerCodec, codes_of, digits_of
from unmask.training.omni.model import NO_PLACE, Sequences
from unmask.training.omni.pictures import Pixels, render
from unmask.training.omni.scene import Scene, draw_scene
from unmask.training.omni.vocabulary import ANSWER, DRAW, END, IMAGE, LONGEST, PICTURE, SIDE_CODES, TELL
from unmask.training.omni.words import describe, draw_question, draw_wording

WHOLLY_MASKED = 0.5
"""Share of the canvases that are masked all over, as every fill begins."""
NO_CONDITION = 0.1
"""Share of the pictures without their text, for guidance."""
LEFT_OUT = 0.08
"""How often a description leaves out each of its parts."""
PADDING_WEIGHT = 0.1
"""Weight of an end after the first, in the loss."""
ANSWER_LENGTH = 4
THINNED = 0.75
"""How often pictures to draw are learned without most of their bare ground, which is more than half of them."""
GROUND_KEPT = 0.15
PARTS = 2
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """A prompt, and the answer that belongs to it."""

    prompt: Ids
    prompt_places: Ids
    answer: Ids
    answer_places: Ids


@dataclass(frozen=True)
class Batch:
    canvas: Sequences
    at: Tensor  # (M, 2) row and position of what is masked
    wanted: Tensor  # (M,) ids
    weights: Tensor  # (M,)


class Examples:
    """Makes examples of tasks."""

    def __init__(self, codec: StickerCodec, tokenizer: Tokenizer) -> None:
        self._codec, self._tokenizer = codec, tokenizer
        self._end = tokenizer.token_to_id(END)

    def words(self, text: str) -> Ids:
        return np.array(self._tokenizer.encode(text).ids, np.int64)

    def text(self, ids: Ids) -> str:
        """The words before the first end."""
        ends = np.flatnonzero(ids == self._end)
        text: str = self._tokenizer.decode(ids[: ends[0] if ends.size else None].tolist())
        return text.strip()

    @torch.no_grad()
    def codes(self, pictures: list[Pixels]) -> Ids:
        """(B, PICTURE) ids."""
        pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
        return (codes_of(self._codec.levels(pixels)).flatten(1) + IMAGE).numpy()

    @torch.no_grad()
    def pictures(self, ids: Ids) -> list[Pixels]:
        """(B, PICTURE) ids -> pictures."""
        levels = digits_of(torch.from_numpy(ids - IMAGE).reshape(-1, SIDE_CODES, SIDE_CODES))
        made = ((self._codec.pixels(levels).clamp(-1, 1) + 1) * 127.5).round().byte()
        return list(made.permute(0, 2, 3, 1).numpy())

    def draw(self, text: str, picture: Ids) -> Example:
        """Text to picture. text: empty for a picture without a condition."""
        prompt = self.words(DRAW + text)
        return Example(prompt, np.full(len(prompt), NO_PLACE), picture, np.arange(PICTURE))

    def tell(self, picture: Ids, text: str) -> Example:
        """Picture to text."""
        return self._said(self.words(TELL), picture, text, LONGEST)

    def answer(self, picture: Ids, question: str, text: str) -> Example:
        """A question on a picture."""
        return self._said(self.words(ANSWER + question), picture, text, ANSWER_LENGTH)

    def _said(self, before: Ids, picture: Ids, text: str, length: int) -> Example:
        words = self.words(text)
        answer = np.concatenate([words, np.full(length - len(words), self._end)])
        places = np.concatenate([np.full(len(before), NO_PLACE), np.arange(PICTURE)])
        return Example(np.concatenate([before, picture]), places, answer, PICTURE + np.arange(length))


def drawn(examples: Examples, scenes: list[Scene], rng: np.random.Generator) -> list[Example]:
    codes = examples.codes([render(scene) for scene in scenes])
    texts = [
        "" if rng.random() < NO_CONDITION else describe(scene, draw_wording(rng), rng, LEFT_OUT if rng.random() < 0.5 else 0.0)
        for scene in scenes
    ]
    return [examples.draw(text, picture) for text, picture in zip(texts, codes, strict=True)]


def told(examples: Examples, scenes: list[Scene], rng: np.random.Generator) -> list[Example]:
    codes = examples.codes([render(scene) for scene in scenes])
    return [examples.tell(picture, describe(scene)) for scene, picture in zip(scenes, codes, strict=True)]


def answered(examples: Examples, scenes: list[Scene], rng: np.random.Generator) -> list[Example]:
    codes = examples.codes([render(scene) for scene in scenes])
    asked = [draw_question(scene, rng) for scene in scenes]
    return [examples.answer(picture, q.text, q.answer) for picture, q in zip(codes, asked, strict=True)]


TASKS: dict[str, Callable[[Examples, list[Scene], np.random.Generator], list[Example]]] = {
    "draw": drawn,
    "tell": told,
    "answer": answered,
}


def task_batches(task: str, examples: Examples, size: int, rng: np.random.Generator, mask_id: int, end_id: int) -> list[Batch]:
    """So many examples of one task, in PARTS of like length."""
    made = TASKS[task](examples, [draw_scene(rng) for _ in range(size)], rng)
    if rng.random() < THINNED:
        made = [thinned(example, rng) for example in made]
    made.sort(key=lambda example: len(example.prompt) + len(example.answer))
    parts = np.array_split(np.arange(size), min(PARTS, size))
    return [masked([made[i] for i in part], rng, mask_id, end_id) for part in parts]


def masked(made: list[Example], rng: np.random.Generator, mask_id: int, end_id: int) -> Batch:
    """Examples with parts of their answers masked: one share a canvas."""
    canvas = laid_out(made)
    ids, at, weights = canvas.ids.clone(), list[tuple[int, int]](), list[float]()
    for row, example in enumerate(made):
        count = len(example.answer)
        share = 1.0 if rng.random() < WHOLLY_MASKED else rng.uniform(0.05, 1)
        hidden = rng.permutation(count)[: max(1, round(share * count))]
        ends = np.flatnonzero(example.answer == end_id)
        last = ends[0] if ends.size else count
        at += [(row, len(example.prompt) + int(i)) for i in hidden]
        weights += [PADDING_WEIGHT if i > last else 1.0 for i in hidden]
    where = torch.tensor(at)
    wanted = ids[where[:, 0], where[:, 1]]
    ids[where[:, 0], where[:, 1]] = mask_id
    return Batch(replace(canvas, ids=ids), where, wanted, torch.tensor(weights))


def thinned(example: Example, rng: np.random.Generator) -> Example:
    """A picture to draw without most of its bare ground, which is learned in minutes; other examples as they are."""
    if example.answer[0] < IMAGE:
        return example
    codes, counts = np.unique(example.answer, return_counts=True)
    bare = example.answer == codes[counts.argmax()]
    kept = np.flatnonzero(~bare | (rng.random(len(bare)) < GROUND_KEPT))
    return replace(example, answer=example.answer[kept], answer_places=example.answer_places[kept]) if len(kept) else example


def laid_out(made: list[Example]) -> Sequences:
    """Examples side by side, nothing masked."""
    columns = [
        [np.concatenate([e.prompt, e.answer]) for e in made],
        [np.concatenate([e.prompt_places, e.answer_places]) for e in made],
        [np.concatenate([np.arange(len(e.prompt)), len(e.prompt) + e.answer_places % PICTURE]) for e in made],
    ]
    pad = torch.nn.utils.rnn.pad_sequence
    ids, places, positions = (
        pad([torch.from_numpy(row) for row in rows], True, fill) for rows, fill in zip(columns, (0, NO_PLACE, 0), strict=True)
    )
    lengths = torch.tensor([len(row) for row in columns[0]])
    return Sequences(ids, places, positions, torch.tensor([len(e.prompt) for e in made]), lengths)
