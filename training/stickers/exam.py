"""What a model of the sticker world is examined on: held-out scenes, each with held-out words and a held-out question."""

from dataclasses import dataclass, replace

import numpy as np

from unmask.training.stickers.scene import Scene, draw_scene, ordered, possible
from unmask.training.stickers.words import Question, describe, draw_question, draw_wording


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
