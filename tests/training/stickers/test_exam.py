"""What a model is examined on: scenes that differ in what they should, and groups that count wherever they are."""

from dataclasses import replace

import numpy as np

from unmask.training.stickers.exam import edited, held_out_cases, near
from unmask.training.stickers.pictures import read, render
from unmask.training.stickers.scene import Scene, held_out, possible
from unmask.training.stickers.scores import right_groups
from unmask.training.stickers.words import describe

CASES = held_out_cases(12, 5)


def test_cases_are_held_out_and_the_same_again() -> None:
    assert held_out_cases(12, 5) == CASES
    assert all(held_out(case.scene) for case in CASES)


def test_near_scenes_differ_in_one_thing() -> None:
    for number, case in enumerate(CASES):
        found = near(case.scene, 9, np.random.default_rng(number))
        assert len(set(found)) == 9
        for scene in found:
            assert possible(scene)
            same = set(scene.groups) & set(case.scene.groups)
            changed = len(case.scene.groups) - len(same) + (scene.ground != case.scene.ground)
            assert (changed, len(scene.groups)) == (1, len(case.scene.groups))


def test_an_edit_changes_the_group_of_one_place() -> None:
    for number, case in enumerate(CASES):
        made, place = edited(case.scene, np.random.default_rng(number))
        assert possible(made)
        assert made.ground == case.scene.ground
        assert {group.place for group in set(made.groups) ^ set(case.scene.groups)} == {place}


def test_groups_count_wherever_they_are_and_each_too_many_counts_against() -> None:
    for case in CASES:
        assert right_groups(case.scene, read(render(case.scene))) == 1
        first, *others = case.scene.groups
        alone = Scene(case.scene.ground, (replace(first, place="middle"),))
        assert right_groups(case.scene, alone) == 1 / (1 + len(others))
        assert right_groups(alone, case.scene) == 1 / (1 + len(others))
        assert right_groups(case.scene, Scene(case.scene.ground, ())) == 0


def test_places_are_left_out_when_told() -> None:
    for case in CASES:
        told = describe(case.scene, places=False)
        assert not any(group.place in told for group in case.scene.groups if group.place != "top")
        assert case.scene.ground in told
