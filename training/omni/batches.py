"""Batches of the tasks: scenes at random, laid out as prompts and answers, with masks. Knows the codec. Knows no model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from unmask.export.modules.sticker_codec import StickerCodec
from unmask.training.codecs.stickers import from_codes, to_codes
from unmask.training.omni.model import NO_PLACE, Sequences
from unmask.training.omni.vocabulary import ANSWER, DRAW, END_ID, IMAGE, LONGEST, MASK_ID, PICTURE, SIDE_CODES, TELL
from unmask.training.stickers.pictures import Pixels, render
from unmask.training.stickers.scene import Scene, draw_scene
from unmask.training.stickers.words import describe, draw_question, draw_wording

WHOLLY_MASKED = 0.5
"""Share of the canvases that are masked all over, as every fill begins."""
NO_CONDITION = 0.1
"""Share of the pictures without their text, for guidance."""
LEFT_OUT = 0.08
"""How often a description leaves out each of its parts."""
PADDING_WEIGHT = 0.1
"""Weight of an end after the first, in the loss."""
ANSWER_LENGTH = 4
TRAINED_GROUPS = (0.6, 0.25, 0.15)
"""How often a scene has one group, two, three: more simple scenes than in the exam, since they teach what a thing looks like."""
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
    weights: dict[str, Tensor]  # of each task (M,), 0 for what is of another


class Examples:
    """Makes examples of tasks."""

    def __init__(self, codec: StickerCodec, tokenizer: Tokenizer) -> None:
        self._codec, self._tokenizer = codec, tokenizer

    def words(self, text: str) -> Ids:
        return np.array(self._tokenizer.encode(text).ids, np.int64)

    def text(self, ids: Ids) -> str:
        """The words before the first end."""
        ends = np.flatnonzero(ids == END_ID)
        text: str = self._tokenizer.decode(ids[: ends[0] if ends.size else None].tolist())
        return text.strip()

    @torch.no_grad()
    def codes(self, pictures: list[Pixels]) -> Ids:
        """(B, PICTURE) ids."""
        return (to_codes(self._codec, pictures).flatten(1) + IMAGE).numpy()

    @torch.no_grad()
    def pictures(self, ids: Ids) -> list[Pixels]:
        """(B, PICTURE) ids -> pictures."""
        return from_codes(self._codec, torch.from_numpy(ids - IMAGE).unflatten(1, (SIDE_CODES, SIDE_CODES)))

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
        answer = np.concatenate([words, np.full(length - len(words), END_ID)])
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


def task_batches(examples: Examples, sizes: Mapping[str, int], rng: np.random.Generator) -> list[Batch]:
    """So many examples of each task, in PARTS of like length."""
    made: list[tuple[str, Example]] = []
    for task, size in sizes.items():
        scenes = [draw_scene(rng, groups=TRAINED_GROUPS) for _ in range(size)]
        made += [(task, example) for example in TASKS[task](examples, scenes, rng)] if size else []
    thin = rng.random() < THINNED
    made = [(task, thinned(example, rng) if thin else example) for task, example in made]
    made.sort(key=lambda pair: len(pair[1].prompt) + len(pair[1].answer))
    return [masked([made[i] for i in part], rng) for part in np.array_split(np.arange(len(made)), min(PARTS, len(made)))]


def masked(made: list[tuple[str, Example]], rng: np.random.Generator) -> Batch:
    """Examples of tasks with parts of their answers masked: one share a canvas."""
    canvas = laid_out([example for _, example in made])
    ids, at, weights, tasks = canvas.ids.clone(), list[tuple[int, int]](), list[float](), list[str]()
    for row, (task, example) in enumerate(made):
        count = len(example.answer)
        share = 1.0 if rng.random() < WHOLLY_MASKED else rng.uniform(0.05, 1)
        hidden = rng.permutation(count)[: max(1, round(share * count))]
        ends = np.flatnonzero(example.answer == END_ID)
        last = ends[0] if ends.size else count
        at += [(row, len(example.prompt) + int(i)) for i in hidden]
        weights += [PADDING_WEIGHT if i > last else 1.0 for i in hidden]
        tasks += [task] * len(hidden)
    where = torch.tensor(at)
    wanted = ids[where[:, 0], where[:, 1]]
    ids[where[:, 0], where[:, 1]] = MASK_ID
    names = np.array(tasks)
    return Batch(
        replace(canvas, ids=ids),
        where,
        wanted,
        {name: torch.tensor(weights) * torch.from_numpy(names == name) for name in dict.fromkeys(tasks)},
    )


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
