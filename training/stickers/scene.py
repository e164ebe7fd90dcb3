"""Scenes of the sticker world, how they are drawn at random, and which of them are held out from training."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

from unmask.training.stickers.things import BY_NAME, CELL, COLORS, GROUNDS, MOST, PLACES, SIZES, THINGS

ONE_IN = 8
"""So many compositions of each kind, one is held out."""
GROUPS = (0.35, 0.4, 0.25)  # how often a scene has one group, two, three
BIG = 0.6  # how often a group is one big thing


@dataclass(frozen=True)
class Group:
    """Equal things in one place."""

    thing: str
    color: str  # empty for a thing that has its own
    size: str
    count: int
    place: str


@dataclass(frozen=True)
class Scene:
    ground: str
    groups: tuple[Group, ...]  # from top to bottom and from left to right; their places do not overlap


def facts(scene: Scene) -> Iterator[tuple[str, str, str]]:
    """What can be right or wrong about a scene: (what, where, value). A thing in its own color has no fact of color."""
    yield "ground", "", scene.ground
    for group in scene.groups:
        yield "thing", group.place, group.thing
        yield "size", group.place, group.size
        yield "count", group.place, str(group.count)
        if group.color:
            yield "color", group.place, group.color


def overlap(first: str, second: str) -> bool:
    """Whether two places share codes."""
    return all(abs(a - b) < CELL for a, b in zip(PLACES[first], PLACES[second], strict=True))


def possible(scene: Scene) -> bool:
    """Whether the world has such a scene: its groups exist, and their things and places are apart."""
    known = known_groups()
    exist = all((group.thing, group.color, group.size, group.count) in known for group in scene.groups)
    pairs = list(combinations(scene.groups, 2))
    return exist and not any(a.thing == b.thing or overlap(a.place, b.place) for a, b in pairs)


@cache
def known_groups() -> frozenset[tuple[str, str, str, int]]:
    return frozenset(every_group())


def ordered(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    return tuple(sorted(groups, key=lambda group: PLACES[group.place]))


def one_in(count: int, *words: object) -> bool:
    """Whether a text is one of the so many that are held out; the same on every machine."""
    digest = hashlib.sha256(" ".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:4]) % count == 0


def held_out(scene: Scene) -> bool:
    """Whether the scene has what is never seen together in training.

    That is a thing with its color, count and place, all four, or two things in one picture.
    """
    return any(map(_held_out_group, scene.groups)) or any(
        one_in(ONE_IN, *sorted((a.thing, b.thing))) for a, b in combinations(scene.groups, 2)
    )


def _held_out_group(group: Group) -> bool:
    return one_in(ONE_IN, group.thing, group.color, group.count, group.place)


def draw_scene(rng: np.random.Generator, held: bool = False, groups: Sequence[float] = GROUPS) -> Scene:
    """A scene at random that is held out, or is not. groups: how often it has one group, two, three."""
    while True:
        scene = _any_scene(rng, groups)
        if held_out(scene) == held:
            return scene


def _any_scene(rng: np.random.Generator, groups: Sequence[float]) -> Scene:
    count = 1 + int(rng.choice(len(groups), p=groups))
    places: list[str] = []
    while len(places) < count:  # two places may leave no room for a third
        place = _one(rng, PLACES)
        fits = not any(overlap(place, other) for other in places)
        places = [*places, place] if fits else []
    things = rng.choice(len(THINGS), count, replace=False)
    made = tuple(_group(rng, THINGS[thing].name, place) for thing, place in zip(things, places, strict=True))
    return Scene(_one(rng, GROUNDS), ordered(made))


def _group(rng: np.random.Generator, thing: str, place: str) -> Group:
    size = "big" if rng.random() < BIG else "small"
    color = _one(rng, COLORS) if BY_NAME[thing].colored else ""
    return Group(thing, color, size, 1 if size == "big" else int(rng.integers(1, MOST + 1)), place)


def _one(rng: np.random.Generator, names: dict[str, object]) -> str:
    return str(list(names)[rng.integers(len(names))])


def every_group() -> Iterator[tuple[str, str, str, int]]:
    """Every (thing, color, size, count)."""
    for thing in THINGS:
        for color in COLORS if thing.colored else ("",):
            for size in SIZES:
                for count in range(1, (1 if size == "big" else MOST) + 1):
                    yield thing.name, color, size, count
