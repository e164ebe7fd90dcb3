"""Batches of the tasks: scenes at random, laid out side by side, with masks. Knows no model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from unmask.training.denoiser import Sequences
from unmask.training.omni.examples import Example, Examples, Ids
from unmask.training.omni.model import IGNORED, NO_PLACE, SPOKEN
from unmask.training.omni.vocabulary import END_ID, IMAGE, LONGEST, MASK_ID, PICTURE, SPEECH
from unmask.training.stickers.scene import Scene, draw_scene
from unmask.training.stickers.sketches import any_hand, sketch
from unmask.training.stickers.words import describe, describe_colors, draw_question, draw_wording

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
COLORS_ONLY, PLACED = 0.35, 0.2
"""Share of the sketches of which colors alone are said; and, of those that are described, with their places."""
TRAINED_GROUPS = (0.6, 0.25, 0.15)
"""How often a scene has one group, two, three: more simple scenes than in the exam, since they teach what a thing looks like."""
ASKED_GROUPS = (0.1, 0.35, 0.55)
"""The same for questions: in a scene of one group nothing has to be found."""
TRAINED_QUESTIONS = {"place": 6.0, "count": 6.0, "there": 6.0, "color": 4.0, "thing": 2.0}
"""How often the kinds of questions are learned for one of each other kind: these need a group to be found."""
THINNED = 0.75
"""How often pictures to draw are learned without most of their bare ground, which is more than half of them."""
GROUND_KEPT = 0.15
PARTS = 2


@dataclass(frozen=True)
class Batch:
    canvas: Sequences
    at: Tensor  # (M, 2) row and position of what is masked
    wanted: Tensor  # (M,) ids
    shown: Tensor  # (B, N, 3), see `Example`
    asked: Tensor  # (B, N)
    weights: dict[str, Tensor]  # of each task (M,), 0 for what is of another


def drawings(examples: Examples, scenes: list[Scene], rng: np.random.Generator) -> list[Example]:
    texts = ["" if rng.random() < NO_CONDITION else described(scene, rng) for scene in scenes]
    return [examples.draw(text, examples.picture(scene)) for text, scene in zip(texts, scenes, strict=True)]


def described(scene: Scene, rng: np.random.Generator) -> str:
    left_out = LEFT_OUT if rng.random() < 0.5 else 0.0
    return describe(scene, draw_wording(rng), rng, left_out, places=rng.random() >= NO_PLACES)


def sketches(examples: Examples, scenes: list[Scene], rng: np.random.Generator) -> list[Example]:
    hands = [any_hand(rng) for _ in scenes]
    return [
        examples.draw(sketched(scene, rng), examples.picture(scene), examples.sketch(scene, sketch(scene, rng, hand)))
        for scene, hand in zip(scenes, hands, strict=True)
    ]


def sketched(scene: Scene, rng: np.random.Generator) -> str:
    """What is said of a sketch: nothing, its colors, or a description, mostly without what the sketch tells."""
    kind = rng.random()
    if kind < NO_CONDITION:
        return ""
    if kind < NO_CONDITION + COLORS_ONLY:
        return describe_colors(scene, draw_wording(rng), grounded=rng.random() >= LEFT_OUT)
    left_out = LEFT_OUT if rng.random() < 0.5 else 0.0
    return describe(scene, draw_wording(rng), rng, left_out, places=rng.random() < PLACED)


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
    "sketch": sketches,
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


def _order(places: Ids) -> Ids:
    """Where in its answer each place is."""
    return np.arange(len(places)) if places[0] >= SPOKEN else places % PICTURE
