"""What omni-tiny says: captions, descriptions, answers, and names that are spelled. Knows the sticker world. Knows no voice."""

import string
from collections.abc import Iterator

import numpy as np

from unmask.training.omni.vocabulary import SPACE, TOKENS
from unmask.training.stickers.scene import draw_scene
from unmask.training.stickers.words import describe, draw_question, draw_wording

KINDS = {"caption": 0.45, "description": 0.3, "answer": 0.2, "spelled": 0.05}
LETTERS = (2, 7)


def draw_sentence(rng: np.random.Generator, held: bool = False) -> str:
    """A sentence at random. held: of a scene and in a wording that are held out."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    scene = draw_scene(rng, held=held)
    if kind == "caption":
        return describe(scene)
    if kind == "description":
        return describe(scene, draw_wording(rng, held), rng)
    if kind == "answer":
        return draw_question(scene, rng, held).answer
    letters = rng.choice(list(string.ascii_lowercase), rng.integers(*LETTERS))
    return describe(scene).replace(scene.groups[0].thing, "".join(letters), 1)


def every_sound() -> Iterator[str]:
    """Texts with every token that has a sound."""
    yield f"a {string.ascii_lowercase} {string.digits}"
    for token in TOKENS:
        if token.startswith(SPACE) and token != SPACE:
            yield f"the {token[1:]} and the"


def sentences(count: int, seed: int, held: bool = False) -> Iterator[str]:
    """So many different ones, but answers more than once."""
    rng = np.random.default_rng([seed, 5, held])
    for _ in range(count):
        yield draw_sentence(rng, held)
