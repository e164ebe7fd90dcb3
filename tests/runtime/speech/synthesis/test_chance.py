"""Random numbers of spoken sound."""

import numpy as np
import pytest

from unmask.speech.synthesis.chance import SeededChance
from unmask.speech.synthesis.frames import SAMPLES_PER_FRAME


@pytest.mark.parametrize("cuts", [[(0, 300)], [(0, 7), (3, 100), (90, 91), (100, 300)], [(0, 50), (0, 120), (119, 300)]])
def test_a_frame_has_the_same_numbers_however_the_sound_is_cut(cuts: list[tuple[int, int]]) -> None:
    whole, cut = SeededChance(8, 3, seed=1), SeededChance(8, 3, seed=1)
    flow, source = whole.flow(0, 300), whole.source(0, 300)
    assert flow.shape == (8, 300)
    assert source.shape == (3, 300 * SAMPLES_PER_FRAME)
    for start, stop in cuts:
        np.testing.assert_array_equal(cut.flow(start, stop), flow[:, start:stop])
        of = slice(start * SAMPLES_PER_FRAME, stop * SAMPLES_PER_FRAME)
        np.testing.assert_array_equal(cut.source(start, stop), source[:, of])


def test_seeds_differ_and_kinds_do_not_repeat_each_other() -> None:
    one, other = SeededChance(8, 9, seed=1), SeededChance(8, 9, seed=2)
    assert not np.array_equal(one.flow(0, 9), other.flow(0, 9))
    assert not np.array_equal(one.phases(), other.phases())
    assert one.phases()[0] == 0
    assert np.unique(one.phases()).size == 9
    assert np.intersect1d(one.source(0, 2), one.flow(0, 9)).size < 5
