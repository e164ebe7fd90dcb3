"""Scenes as a hand draws them: black lines on white, of the outlines of things and the edges inside them. Knows no model.

The lines of a thing are the same in each color and on each ground. A hand is told by its looseness: how far it shifts, turns and
bends what it draws, from 0 to 1.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.training.stickers.drawings import LARGEST, sticker
from unmask.training.stickers.pictures import Pixels
from unmask.training.stickers.scene import Group, Scene
from unmask.training.stickers.things import CELL, CODE, PLACES, SIDE, SIZES, SPREAD

FINE = 3  # points of a field along a pixel of a large drawing
MARGIN = 4  # pixels around a drawing that a field covers, and that a loose hand reaches
STRONG, WEAK = 0.3, 0.1  # change of color in a pixel that makes an edge: one that is drawn nearly always, and one that may be
STRONG_DRAWN, WEAK_DRAWN = 0.93, 0.6
SHIFT, TURN, STRETCH, BEND = 2.5, 0.15, 0.1, 0.8  # of the loosest hand: pixels, radians, a share, pixels of a large drawing
WIDTHS = (0.8, 1.8)  # of lines, in pixels
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Hand:
    """How one sketch is drawn."""

    looseness: float
    width: float
    strong: bool
    weak: bool


STEADY = Hand(0.0, 1.3, strong=True, weak=True)


def any_hand(rng: np.random.Generator) -> Hand:
    """Steady ones are more frequent than loose ones."""
    return Hand(
        float(rng.random() ** 2), float(rng.uniform(*WIDTHS)), bool(rng.random() < STRONG_DRAWN), bool(rng.random() < WEAK_DRAWN)
    )


def sketch(scene: Scene, rng: np.random.Generator, hand: Hand = STEADY) -> Pixels:
    """(SIDE, SIDE, 3) with every thing in its place."""
    ink = np.zeros((SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), np.float32)
    for group in scene.groups:
        for row, column in _corners(group):
            drawn = lines(group.thing, SIZES[group.size], rng, hand)
            part = ink[row : row + len(drawn), column : column + len(drawn)]
            np.maximum(part, drawn, out=part)
    page = 255 * (1 - ink[MARGIN:-MARGIN, MARGIN:-MARGIN, None])
    return np.round(page).astype(np.uint8).repeat(3, 2)


def _corners(group: Group) -> list[tuple[int, int]]:
    """Of each of its things, the first pixel on the page."""
    row, column = PLACES[group.place]
    spread = SPREAD[group.count] if SIZES[group.size] < CELL * CODE else ((0, 0),)
    return [(CODE * (row + r), CODE * (column + c)) for r, c in spread]


def lines(thing: str, side: int, rng: np.random.Generator, hand: Hand) -> Floats:
    """Ink from 0 to 1 of a thing of `side` pixels, with MARGIN pixels around: (side + 2 * MARGIN, side + 2 * MARGIN)."""
    scale = LARGEST / side
    at = (np.arange(-MARGIN, side + MARGIN) + 0.5) * scale - LARGEST / 2
    down, across = np.meshgrid(at, at, indexing="ij")
    down, across = _moved(down, across, scale, rng, hand.looseness)
    index = [np.clip(((where + LARGEST / 2 + MARGIN) * FINE).astype(np.int64), 0, None) for where in (down, across)]
    fields = _fields(thing)[[True, hand.strong, hand.weak and side == LARGEST]]  # in a small thing weak ones would be a blot
    index = [np.minimum(where, fields.shape[1] - 1) for where in index]
    distance = fields.min(0)[index[0], index[1]] / scale
    ink: Floats = np.clip(hand.width / 2 + 0.5 - distance, 0, 1).astype(np.float32)
    return ink


def _moved(
    down: NDArray[np.float64], across: NDArray[np.float64], scale: float, rng: np.random.Generator, looseness: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the points of the page, from the middle of a drawing on, are in that drawing."""
    shift = rng.uniform(-SHIFT, SHIFT, 2) * looseness * scale
    turn, phases = rng.uniform(-TURN, TURN) * looseness, rng.uniform(0, 2 * np.pi, 4)
    stretch = 1 + rng.uniform(-STRETCH, STRETCH, 2) * looseness
    cosine, sine = np.cos(turn), np.sin(turn)
    y, x = (down - shift[0]) * stretch[0], (across - shift[1]) * stretch[1]
    y, x = cosine * y - sine * x, sine * y + cosine * x
    bend, waves = BEND * looseness * scale**0.5, 2 * np.pi / np.array([22, 15])
    y_bent = y + bend * (np.sin(waves[0] * x + phases[0]) + 0.5 * np.sin(waves[1] * y + phases[1]))
    x_bent = x + bend * (np.sin(waves[0] * y + phases[2]) + 0.5 * np.sin(waves[1] * x + phases[3]))
    return y_bent, x_bent


@cache
def _fields(thing: str) -> Floats:
    """(3, N, N) pixels of a large drawing from each point to the outline, to the nearest strong edge in it, and to a weak one."""
    drawing = np.pad(sticker(thing, "", "big"), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
    fine = Image.fromarray(np.round(255 * drawing).astype(np.uint8), "RGBA").convert("RGBa")
    fine = fine.resize((FINE * len(drawing),) * 2, Image.Resampling.BICUBIC).convert("RGBA")
    points = np.asarray(fine, np.float32) / 255
    inside = points[..., 3] >= 0.5
    around = np.pad(inside, 1)
    outline = inside & ~(around[2:, 1:-1] & around[:-2, 1:-1] & around[1:-1, 2:] & around[1:-1, :-2])
    first = _distances(outline)
    change = _ridges(points[..., :3]) * (inside & (first > 1.5))
    return np.stack([first, _distances(change >= STRONG), _distances((change >= WEAK) & (change < STRONG))])


def _ridges(colors: Floats) -> Floats:
    """(N, N, 3) -> (N, N): how much the color changes in a pixel of a large drawing, 0 where it changes more beside it."""
    down, across = np.gradient(colors, axis=(0, 1))
    size = np.hypot(down, across)
    most = size.argmax(-1)[..., None]
    down, across, size = (np.take_along_axis(each, most, -1)[..., 0] * FINE for each in (down, across, size))
    steps = np.round(np.stack([down, across]) / np.maximum(size, 1e-6)).astype(np.int64)
    rows, columns = np.indices(size.shape)
    beside = [
        size[np.clip(rows + sign * steps[0], 0, len(size) - 1), np.clip(columns + sign * steps[1], 0, len(size) - 1)]
        for sign in (-1, 1)
    ]
    return np.where((size >= beside[0]) & (size > beside[1]), size, 0).astype(np.float32)


def _distances(marked: NDArray[np.bool_]) -> Floats:
    """(N, N) from each point to the nearest that is marked, in pixels of a large drawing; far, if none is."""
    found = np.argwhere(marked).astype(np.float32)
    if not len(found):
        return np.full(marked.shape, np.float32(LARGEST))
    every = np.argwhere(np.ones_like(marked)).astype(np.float32)
    squared = (every**2).sum(1) + ((found**2).sum(1) - 2 * every @ found.T).min(1)
    return (np.sqrt(np.maximum(squared, 0)) / FINE).reshape(marked.shape).astype(np.float32)
