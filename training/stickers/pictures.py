"""Scenes become pixels, and a reader that knows no model finds the scene in pixels again. Source of every fact that is scored."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from unmask.training.stickers.drawings import sticker
from unmask.training.stickers.scene import Group, Scene, every_group, ordered, overlap
from unmask.training.stickers.things import CELL, CODE, GROUNDS, PLACES, SIDE, SPREAD

Pixels = NDArray[np.uint8]
PLACE_PIXELS = CELL * CODE
MOST_GROUPS = 4
LEAST_GAIN = 0.35
"""A place holds a thing when drawing it takes away this share of the squared difference to the bare ground."""


def render(scene: Scene) -> Pixels:
    """(SIDE, SIDE, 3) red, green and blue."""
    pixels = np.empty((SIDE, SIDE, 3), np.uint8)
    pixels[:] = GROUNDS[scene.ground]
    for group in scene.groups:
        pixels[place_of(group.place)] = drawn(scene.ground, group.thing, group.color, group.size, group.count)
    return pixels


def place_of(place: str) -> tuple[slice, slice]:
    row, column = (CODE * at for at in PLACES[place])
    return slice(row, row + PLACE_PIXELS), slice(column, column + PLACE_PIXELS)


@cache
def drawn(ground: str, thing: str, color: str, size: str, count: int) -> Pixels:
    """One place with so many things on a ground."""
    pixels = np.empty((PLACE_PIXELS, PLACE_PIXELS, 3), np.float32)
    pixels[:] = GROUNDS[ground]
    drawing = sticker(thing, color, size)
    side, opacity = len(drawing), drawing[..., 3:]
    for row, column in SPREAD[count] if side < PLACE_PIXELS else ((0, 0),):
        part = pixels[row * CODE : row * CODE + side, column * CODE : column * CODE + side]
        part[:] = part * (1 - opacity) + 255 * drawing[..., :3] * opacity
    return np.round(pixels).astype(np.uint8)


def read(pixels: Pixels) -> Scene:
    """The scene whose rendering is nearest: the ground of most of the picture, and in each place the drawing that explains most.

    pixels: (SIDE, SIDE, 3). Places are filled from the best explained on; those that overlap a filled one are left out.
    """
    ground = _ground(pixels)
    kinds, drawings, sizes = _drawings(ground)
    bare = np.array(GROUNDS[ground], np.float32)
    best: list[tuple[float, Group]] = []
    seen = np.stack([(pixels[place_of(place)].astype(np.float32) - bare).ravel() for place in PLACES])
    gains = 2 * (seen @ drawings.T) - sizes  # (places, groups): |seen|^2 - |seen - drawing|^2
    for place, own, gain, at in zip(PLACES, seen, gains.max(1), gains.argmax(1), strict=True):
        if gain > LEAST_GAIN * max(float(own @ own), float(sizes[at])):
            best.append((float(gain), Group(*kinds[at], place)))
    groups: list[Group] = []
    for _, group in sorted(best, key=lambda pair: -pair[0]):
        if len(groups) < MOST_GROUPS and not any(overlap(group.place, other.place) for other in groups):
            groups.append(group)
    return Scene(ground, ordered(tuple(groups)))


def _ground(pixels: Pixels) -> str:
    """The ground that most pixels are nearest to."""
    colors = np.array(list(GROUNDS.values()), np.float32)
    nearest = np.square(pixels.reshape(-1, 1, 3).astype(np.float32) - colors).sum(-1)
    votes = np.bincount(nearest.argmin(1), np.exp(-nearest.min(1) / 800), minlength=len(colors))
    return list(GROUNDS)[int(votes.argmax())]


@cache
def _drawings(ground: str) -> tuple[list[tuple[str, str, str, int]], NDArray[np.float32], NDArray[np.float32]]:
    """Every group on a ground, its drawing (groups, numbers) less the ground, and its squared length (groups,)."""
    kinds = list(every_group())
    bare = np.array(GROUNDS[ground], np.float32)
    drawings = np.stack([(drawn(ground, *kind).astype(np.float32) - bare).ravel() for kind in kinds])
    return kinds, drawings, np.square(drawings).sum(1)
