"""Sketches of the sticker world: where things are, what a hand changes, and what color does not."""

from dataclasses import replace

import numpy as np
import pytest

from unmask.training.stickers.pictures import place_of
from unmask.training.stickers.scene import Group, Scene, draw_scene
from unmask.training.stickers.sketches import MARGIN, STEADY, Hand, any_hand, lines, sketch
from unmask.training.stickers.things import GROUNDS, PLACES, SIDE, THINGS

CAR = Group("car", "red", "big", 1, "top left")


def steady(thing: str, side: int, **changes: object) -> np.ndarray:
    return lines(thing, side, np.random.default_rng(0), replace(STEADY, **changes))


def test_things_are_drawn_in_black_on_white_in_their_places() -> None:
    rng = np.random.default_rng(0)
    for place in PLACES:
        for group in (replace(CAR, place=place), Group("cat", "", "small", 4, place)):
            page = sketch(Scene("navy", (group,)), rng)
            assert page.shape == (SIDE, SIDE, 3)
            assert page.dtype == np.uint8
            assert (page == page[..., :1]).all()
            own = np.zeros((SIDE, SIDE), bool)
            own[place_of(place)] = True
            assert (page[~own] == 255).all()
            assert 0.1 < (page[own] < 128).mean() < 0.6


def test_neither_color_nor_ground_changes_the_lines() -> None:
    pages = [
        sketch(Scene(ground, (replace(CAR, color=color),)), np.random.default_rng(1), Hand(1.0, 1.5, strong=True, weak=True))
        for ground, color in (("white", "red"), ("navy", "blue"))
    ]
    assert (pages[0] == pages[1]).all()


def test_every_thing_has_an_outline_in_both_sizes() -> None:
    for thing in THINGS:
        for side in (16, 32):
            ink = steady(thing.name, side, strong=False)
            assert ink.shape == (side + 2 * MARGIN,) * 2
            assert (ink[[0, -1]] == 0).all()
            assert ink.sum() > side


def test_inner_lines_may_be_left_out_and_weak_ones_are_for_large_drawings() -> None:
    full, plain = steady("cat", 32).sum(), steady("cat", 32, strong=False, weak=False).sum()
    assert full > 1.2 * plain
    assert (steady("cat", 16) == steady("cat", 16, weak=False)).all()
    assert not (steady("cat", 32) == steady("cat", 32, weak=False)).all()


@pytest.mark.parametrize("looseness", [0.3, 1.0])
def test_a_loose_hand_draws_the_same_thing_elsewhere_each_time(looseness: float) -> None:
    rng = np.random.default_rng(2)
    drawn = [lines("fish", 32, rng, replace(STEADY, looseness=looseness)) for _ in range(8)]
    moved = [np.abs(ink - steady("fish", 32)).mean() for ink in drawn]
    assert min(moved) > 0.005
    centers = np.array([[np.average(axis, weights=ink) for axis in np.indices(ink.shape)] for ink in drawn])
    assert centers.std(0).max() < 3 * looseness + 0.5
    assert (steady("fish", 32) == lines("fish", 32, rng, STEADY)).all()


def test_lines_are_as_wide_as_the_hand_draws() -> None:
    assert steady("star", 32, width=1.8).sum() > 1.2 * steady("star", 32, width=0.8).sum()


def test_one_seed_draws_one_sketch() -> None:
    def made(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return sketch(draw_scene(rng), rng, any_hand(rng))

    assert (made(3) == made(3)).all()
    assert not (made(3) == made(4)).all()
    assert all((sketch(Scene(ground, ()), np.random.default_rng(0)) == 255).all() for ground in GROUNDS)
