"""What a model of the sticker world is examined on: held-out scenes, each with held-out words and a held-out question."""

from dataclasses import dataclass, replace

import numpy as np

from unmask.training.stickers.pictures import Pixels
from unmask.training.stickers.scene import Scene, draw_scene, ordered, possible
from unmask.training.stickers.sketches import any_hand, sketch
from unmask.training.stickers.words import Question, describe, describe_colors, draw_question, draw_wording


@dataclass(frozen=True)
class Case:
    scene: Scene
    text: str
    """A description that leaves nothing out, in a wording that no training has."""
    question: Question


def held_out_cases(count: int, seed: int) -> list[Case]:
    """The same on every machine."""
    rng = np.random.default_rng([seed, 4])
    scenes = [draw_scene(rng, held=True) for _ in range(count)]
    texts = [describe(scene, draw_wording(rng, held=True), rng) for scene in scenes]
    questions = [draw_question(scene, rng, held=True) for scene in scenes]
    return [Case(*parts) for parts in zip(scenes, texts, questions, strict=True)]


def sketch_of(case: Case) -> Pixels:
    """The scene in a hand at random."""
    rng = np.random.default_rng([len(case.text), 6])
    return sketch(case.scene, rng, any_hand(rng))


def without_places(case: Case) -> str:
    """A description that leaves out where things are, in a wording that no training has."""
    rng = np.random.default_rng([len(case.text), 7])
    return describe(case.scene, draw_wording(rng, held=True), rng, places=False)


def only_colors(case: Case) -> str:
    """No more than the colors that things do not have of their own, and the ground, in a wording that no training has."""
    return describe_colors(case.scene, draw_wording(np.random.default_rng([len(case.text), 8]), held=True))


def edited(scene: Scene, rng: np.random.Generator) -> tuple[Scene, str]:
    """The scene with another group in the place of one of its own, and that place."""
    while True:
        at = int(rng.integers(len(scene.groups)))
        group = replace(draw_scene(rng).groups[0], place=scene.groups[at].place)
        made = replace(scene, groups=(*scene.groups[:at], group, *scene.groups[at + 1 :]))
        if made != scene and possible(made):
            return made, group.place


def near(scene: Scene, count: int, rng: np.random.Generator) -> list[Scene]:
    """So many different scenes in which one fact of one group, its place, or the ground is another."""
    found: dict[Scene, None] = {}
    while len(found) < count:
        other = draw_scene(rng)
        at = int(rng.integers(len(scene.groups)))
        own, strange = scene.groups[at], other.groups[0]
        name = str(rng.choice(["ground", "thing", "color", "size", "count", "place"]))
        if name == "ground":
            made = replace(scene, ground=other.ground)
        else:
            group = replace(own, **{name: getattr(strange, name)})
            made = replace(scene, groups=ordered((*scene.groups[:at], group, *scene.groups[at + 1 :])))
        if made != scene and possible(made):
            found[made] = None
    return list(found)
