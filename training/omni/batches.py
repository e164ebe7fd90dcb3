"""Batches of the tasks: scenes at random, laid out as prompts and answers, with masks. Knows the codec. Knows no model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from unmask.export.modules.sticker_codec import StickerCodec
from unmask.training.codecs.speech import SpeechCodec
from unmask.training.codecs.stickers import from_codes, to_codes
from unmask.training.denoiser import Sequences
from unmask.training.omni.model import IGNORED, NO_PLACE, SPOKEN
from unmask.training.omni.vocabulary import (
    ANSWER,
    ANSWER_LENGTH,
    DRAW,
    END,
    END_ID,
    IMAGE,
    LONGEST,
    MASK_ID,
    PICTURE,
    SAY,
    SIDE_CODES,
    SPEECH,
    TELL,
    TOKENS,
    WORDS,
)
from unmask.training.stickers.pictures import Pixels, drawn
from unmask.training.stickers.scene import Group, Scene, draw_scene
from unmask.training.stickers.things import BY_NAME, CELL, CODE, COLORS, GROUNDS, PLACES, SIZES, SPREAD, THINGS
from unmask.training.stickers.words import Question, describe, draw_question, draw_wording

WHOLLY_MASKED = 0.5
"""Share of the canvases that are masked all over, as every fill begins."""
SEEN = 0.75
"""Share of the questions that are answered after the whole caption, as they are in use; in the others any of both is masked."""
NO_CONDITION = 0.1
"""Share of the pictures without their text, for guidance."""
LEFT_OUT = 0.08
"""How often a description leaves out each of its parts."""
PADDING_WEIGHT = 0.1
"""Weight of an end after the first, in the loss."""
NO_PLACES = 0.2
"""Share of the descriptions that leave out where things are: such pictures have to be decided step by step."""
TRAINED_GROUPS = (0.6, 0.25, 0.15)
"""How often a scene has one group, two, three: more simple scenes than in the exam, since they teach what a thing looks like."""
ASKED_GROUPS = (0.1, 0.35, 0.55)
"""The same for questions: in a scene of one group nothing has to be found."""
TRAINED_QUESTIONS = {"place": 6.0, "count": 6.0, "there": 6.0, "color": 4.0, "thing": 2.0}
"""How often the kinds of questions are learned for one of each other kind: these need a group to be found."""
BETWEEN = (",", "▁and")  # the groups of a caption
BEHIND = 4  # words at the end of a caption: on a pink background
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
    shown: Ids
    """(N, 3) what the squares of prompt and answer show, IGNORED where there is no square."""
    asked: Ids = field(default_factory=lambda: np.zeros(0, np.int64))
    """(N,) 1 where an answer has to look, 0 elsewhere: at what the caption says of the group or the ground that is asked for; the
    task's mark for what is not there. Empty without a question."""


@dataclass(frozen=True)
class Batch:
    canvas: Sequences
    at: Tensor  # (M, 2) row and position of what is masked
    wanted: Tensor  # (M,) ids
    shown: Tensor  # (B, N, 3), see `Example`
    asked: Tensor  # (B, N)
    weights: dict[str, Tensor]  # of each task (M,), 0 for what is of another


@dataclass(frozen=True)
class Picture:
    codes: Ids  # (PICTURE,)
    shown: Ids  # (PICTURE, 3)


def shown_by(group: Group) -> Ids:
    """(CELL, CELL, 3) the thing, color and part that each square of its place shows."""
    shown = np.zeros((CELL, CELL, 3), np.int64)
    side = SIZES[group.size] // CODE
    what = [1 + THINGS.index(BY_NAME[group.thing]), 1 + list(COLORS).index(group.color) if group.color else 0]
    parts = np.arange(side**2).reshape(side, side) + (1 if side == CELL else 1 + CELL**2)
    for row, column in SPREAD[group.count] if side < CELL else ((0, 0),):
        square = shown[row : row + side, column : column + side]
        square[..., :2], square[..., 2] = what, parts
    return shown


class Examples:
    """Makes examples of tasks."""

    def __init__(self, codec: StickerCodec, tokenizer: Tokenizer, speech: SpeechCodec | None = None) -> None:
        """speech: None without the task `speak`."""
        self._codec, self._tokenizer, self.speech = codec, tokenizer, speech
        self.paces = np.array(
            [speech.pace.codes.get(token, 0) if speech else 0 for token in TOKENS] + [0] * (WORDS - len(TOKENS))
        )
        self._known: dict[tuple[str | int, ...], Ids] = {}

    def words(self, text: str) -> Ids:
        return np.array(self._tokenizer.encode(text).ids, np.int64)

    def text(self, ids: Ids) -> str:
        """The words before the first end."""
        ends = np.flatnonzero(ids == END_ID)
        text: str = self._tokenizer.decode(ids[: ends[0] if ends.size else None].tolist())
        return text.strip()

    def picture(self, scene: Scene) -> Picture:
        """The codes of a scene. Nothing is drawn: every square of its picture is coded alone, and things lie on squares."""
        codes = np.full((SIDE_CODES, SIDE_CODES), self._place(scene.ground)[0, 0])
        shown = np.zeros((SIDE_CODES, SIDE_CODES, 3), np.int64)
        for group in scene.groups:
            row, column = PLACES[group.place]
            codes[row : row + CELL, column : column + CELL] = self._place(scene.ground, group)
            shown[row : row + CELL, column : column + CELL] = shown_by(group)
        return Picture(codes.ravel(), shown.reshape(PICTURE, 3))

    def _place(self, ground: str, group: Group | None = None) -> Ids:
        """(CELL, CELL) ids of a place with a group, or (1, 1) of the bare ground."""
        kind = (ground,) if group is None else (ground, group.thing, group.color, group.size, group.count)
        if kind not in self._known:
            pixels = np.full((CODE, CODE, 3), GROUNDS[ground], np.uint8) if group is None else drawn(*kind)
            self._known[kind] = to_codes(self._codec, [pixels])[0].numpy() + IMAGE
        return self._known[kind]

    def pictures(self, ids: Ids) -> list[Pixels]:
        """(B, PICTURE) ids -> pictures."""
        return from_codes(self._codec, torch.from_numpy(ids - IMAGE).unflatten(1, (SIDE_CODES, SIDE_CODES)))

    def draw(self, text: str, picture: Picture) -> Example:
        """Text to picture. text: empty for a picture without a condition."""
        prompt = self.words(DRAW + text)
        shown = np.concatenate([_nothing(len(prompt)), picture.shown])
        return Example(prompt, np.full(len(prompt), NO_PLACE), picture.codes, np.arange(PICTURE), shown)

    def tell(self, picture: Picture, text: str) -> Example:
        """Picture to text."""
        return self._said(self.words(TELL), picture, (text, LONGEST))

    def answer(self, picture: Picture | None, scene: Scene, question: Question) -> Example:
        """A question on a picture. It is answered after the caption, from which an answer is easily read; None: from it alone."""
        texts = (describe(scene), LONGEST), (question.answer, ANSWER_LENGTH)
        made = self._said(self.words(ANSWER + question.text), picture, *texts)
        told = self._told(scene, question)
        asked = np.zeros(len(made.shown), np.int64)
        asked[len(made.prompt) : len(made.prompt) + len(told)] = told
        asked[0] = not told.any()
        return replace(made, asked=asked)

    def _told(self, scene: Scene, question: Question) -> Ids:
        """(N,) for each word of the caption, 1 if it is of what the question asks for: a group, or the ground."""
        words = self._tokenizer.encode(describe(scene)).tokens
        part = np.cumsum([word in BETWEEN for word in words])
        part[-BEHIND:] = len(scene.groups)
        wanted = len(scene.groups) if question.kind == "ground" else -1
        if question.group is not None:
            wanted = scene.groups.index(question.group)
        return (part == wanted).astype(np.int64)

    def speak(self, text: str, codes: Ids) -> Example:
        """Text to speech. codes: from 0, as many as the text's tokens have."""
        prompt = self.words(SAY + text + END)
        counts = self.paces[prompt]
        first = np.cumsum(self.paces) - self.paces
        in_token = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places = SPOKEN + np.repeat(first[prompt], counts) + in_token
        shown = _nothing(len(prompt) + len(codes))
        return Example(prompt, np.full(len(prompt), NO_PLACE), codes + SPEECH, places, shown)

    def _said(self, before: Ids, picture: Picture | None, *texts: tuple[str, int]) -> Example:
        """texts: each with the positions it has."""
        codes, squares = (picture.codes, picture.shown) if picture else (np.zeros(0, np.int64), _nothing(0))
        spans = [np.append(words := self.words(text), np.full(length - len(words), END_ID)) for text, length in texts]
        answer, length = np.concatenate(spans), sum(map(len, spans))
        places = np.concatenate([np.full(len(before), NO_PLACE), np.arange(len(codes))])
        shown = np.concatenate([_nothing(len(before)), squares, _nothing(length)])
        return Example(np.concatenate([before, codes]), places, answer, PICTURE + np.arange(length), shown)


def _order(places: Ids) -> Ids:
    """Where in its answer each place is."""
    return np.arange(len(places)) if places[0] >= SPOKEN else places % PICTURE


def _nothing(count: int) -> Ids:
    return np.full((count, 3), IGNORED)


def drawings(examples: Examples, scenes: list[Scene], rng: np.random.Generator) -> list[Example]:
    texts = ["" if rng.random() < NO_CONDITION else described(scene, rng) for scene in scenes]
    return [examples.draw(text, examples.picture(scene)) for text, scene in zip(texts, scenes, strict=True)]


def described(scene: Scene, rng: np.random.Generator) -> str:
    left_out = LEFT_OUT if rng.random() < 0.5 else 0.0
    return describe(scene, draw_wording(rng), rng, left_out, places=rng.random() >= NO_PLACES)


def captions(examples: Examples, scenes: list[Scene], rng: np.random.Generator) -> list[Example]:
    return [examples.tell(examples.picture(scene), describe(scene)) for scene in scenes]


def answers(examples: Examples, scenes: list[Scene], rng: np.random.Generator, seen: bool = True) -> list[Example]:
    """seen: with the pictures."""
    questions = [draw_question(scene, rng, shares=TRAINED_QUESTIONS) for scene in scenes]
    return [
        examples.answer(examples.picture(scene) if seen else None, scene, asked)
        for scene, asked in zip(scenes, questions, strict=True)
    ]


def readings(examples: Examples, scenes: list[Scene], rng: np.random.Generator) -> list[Example]:
    """Answers from captions alone, which have a quarter of the rows that they have with a picture."""
    return answers(examples, scenes, rng, seen=False)


def speeches(examples: Examples, scenes: list[Scene], rng: np.random.Generator) -> list[Example]:
    """As many sentences as scenes: what is said is made beforehand."""
    assert examples.speech is not None, "give the speech codec"
    said = examples.speech.train
    chosen = rng.integers(len(said.texts), size=len(scenes)).tolist()
    return [examples.speak(said.texts[i], said.codes[i]) for i in chosen]


TASKS: dict[str, Callable[[Examples, list[Scene], np.random.Generator], list[Example]]] = {
    "draw": drawings,
    "tell": captions,
    "answer": answers,
    "read": readings,
    "speak": speeches,
}


def task_batches(examples: Examples, sizes: Mapping[str, int], rng: np.random.Generator) -> list[Batch]:
    """So many examples of each task, in PARTS of like length."""
    made: list[tuple[str, Example]] = []
    for task, size in sizes.items():
        groups = ASKED_GROUPS if task in ("answer", "read") else TRAINED_GROUPS
        scenes = [draw_scene(rng, groups=groups) for _ in range(size)]
        made += [(task, example) for example in TASKS[task](examples, scenes, rng)] if size else []
    thin = rng.random() < THINNED
    made = [(task, thinned(example, rng) if thin else example) for task, example in made]
    made.sort(key=lambda pair: len(pair[1].prompt) + len(pair[1].answer))
    return [masked([made[i] for i in part], rng) for part in np.array_split(np.arange(len(made)), min(PARTS, len(made)))]


def masked(made: list[tuple[str, Example]], rng: np.random.Generator) -> Batch:
    """Examples of tasks with parts of their answers masked: one share a canvas."""
    canvas = laid_out([example for _, example in made])
    ids, at, weights, tasks, asked = canvas.ids.clone(), list[tuple[int, int]](), list[float](), list[str](), list[Tensor]()
    for row, (task, example) in enumerate(made):
        hidden = hidden_of(task, len(example.answer), rng)
        asked.append(torch.from_numpy(example.asked) * bool(hidden.min() >= LONGEST))  # in a masked caption nothing is found
        after_an_end = (example.answer == END_ID) & (np.roll(example.answer, 1) == END_ID)
        at += [(row, len(example.prompt) + int(i)) for i in hidden]
        weights += [PADDING_WEIGHT if after_an_end[i] else 1.0 for i in hidden]
        tasks += [task] * len(hidden)
    where = torch.tensor(at)
    wanted = ids[where[:, 0], where[:, 1]]
    ids[where[:, 0], where[:, 1]] = MASK_ID
    names, pad = np.array(tasks), torch.nn.utils.rnn.pad_sequence
    return Batch(
        replace(canvas, ids=ids),
        where,
        wanted,
        pad([torch.from_numpy(example.shown) for _, example in made], True, IGNORED),
        pad(asked, True),
        {name: torch.tensor(weights) * torch.from_numpy(names == name) for name in dict.fromkeys(tasks)},
    )


def hidden_of(task: str, count: int, rng: np.random.Generator) -> Ids:
    """Which of an answer's positions are masked."""
    if task == "read" or (task == "answer" and rng.random() < SEEN):
        return np.arange(LONGEST, count)
    share = 1.0 if rng.random() < WHOLLY_MASKED else rng.uniform(0.05, 1)
    return rng.permutation(count)[: max(1, round(share * count))]


def thinned(example: Example, rng: np.random.Generator) -> Example:
    """A picture to draw without most of its bare ground, which is learned in minutes; other examples as they are."""
    if not IMAGE <= example.answer[0] < SPEECH:
        return example
    codes, counts = np.unique(example.answer, return_counts=True)
    bare = example.answer == codes[counts.argmax()]
    kept = np.flatnonzero(~bare | (rng.random(len(bare)) < GROUND_KEPT))
    if not len(kept):
        return example
    shown = np.concatenate([example.shown[: len(example.prompt)], example.shown[len(example.prompt) :][kept]])
    return replace(example, answer=example.answer[kept], answer_places=example.answer_places[kept], shown=shown)


def laid_out(made: list[Example]) -> Sequences:
    """Examples side by side, nothing masked."""
    columns = [
        [np.concatenate([e.prompt, e.answer]) for e in made],
        [np.concatenate([e.prompt_places, e.answer_places]) for e in made],
        [np.concatenate([np.arange(len(e.prompt)), len(e.prompt) + _order(e.answer_places)]) for e in made],
    ]
    pad = torch.nn.utils.rnn.pad_sequence
    ids, places, positions = (
        pad([torch.from_numpy(row) for row in rows], True, fill) for rows, fill in zip(columns, (0, NO_PLACE, 0), strict=True)
    )
    lengths = torch.tensor([len(row) for row in columns[0]])
    return Sequences(ids, places, positions, torch.tensor([len(e.prompt) for e in made]), lengths)
