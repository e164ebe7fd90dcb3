"""Frames, their codes, and the pieces of long answers."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import InputError
from unmask.speech.synthesis.frames import Pieces, code_of_frame, frames_of


def test_sixty_four_codes_are_441_frames() -> None:
    assert [frames_of(n, 12.5) for n in (0, 1, 2, 64, 128, 10_000)] == [0, 6, 13, 441, 882, 68_906]


@given(st.integers(1, 3000))
def test_every_code_is_said_in_order_and_as_long_as_its_neighbors(count: int) -> None:
    places = code_of_frame(count, frames_of(count, 12.5))
    assert places[0] == 0
    assert places[-1] == count - 1
    lengths = np.bincount(places, minlength=count)
    assert set(lengths) <= {6, 7}


@given(st.integers(1, 12_000), st.booleans())
def test_pieces_cover_the_answer_once_and_grow(count: int, early: bool) -> None:
    pieces = Pieces()
    cuts = pieces.cut(count, early)
    assert cuts[0][0] == 0
    assert cuts[-1][1] == count
    assert all(one[1] == other[0] for one, other in pairwise(cuts))
    lengths = [stop - start for start, stop in cuts]
    assert all(one <= other for one, other in pairwise(lengths[:-1]))
    assert all(length % 10 == 0 for length in lengths[:-1])  # blocks of the encoder are whole
    assert max(lengths) <= pieces.longest + pieces.first / 2
    assert min(lengths) > pieces.first / 2 or len(lengths) == 1
    if len(lengths) > 1 and early:
        assert lengths[0] == pieces.first


def test_a_short_answer_is_one_piece_unless_it_is_wanted_early() -> None:
    assert Pieces().cut(200, early=False) == [(0, 200)]
    assert Pieces().cut(102, early=True) == [(0, 30), (30, 70), (70, 102)]
    assert Pieces().cut(45, early=True) == [(0, 45)]


@pytest.mark.parametrize("wrong", [{"first": 10}, {"overlap": 0}, {"growth": 0.5}, {"context": 2}, {"longest": 20}, {"unit": 40}])
def test_pieces_that_cannot_be_joined_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"four overlaps|shorter than the overlap"):
        Pieces(**wrong)  # type: ignore[arg-type]
