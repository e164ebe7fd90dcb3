"""Alignment: the best monotonic path is found, and every token gets a slot of its own in order."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from unmask.training.captions.align import attention_scores, monotonic_path, place

# Whole numbers: their sums are exact in float32, so that two orders of summing agree.
WHOLE = st.integers(-9, 9).map(float)


def block_scores(first: list[int]) -> NDArray[np.float32]:
    """(N, T) ones where token i holds frames [first[i], first[i + 1])."""
    scores = np.zeros((len(first) - 1, first[-1]), dtype=np.float32)
    for row, begin, end in zip(scores, first, first[1:], strict=False):
        row[begin:end] = 1
    return scores


def total(scores: NDArray[np.float32], first: list[int]) -> float:
    return float(sum(row[a:b].sum() for row, a, b in zip(scores, first, first[1:], strict=False)))


# ---- the path


@pytest.mark.parametrize("first", [[0, 7], [0, 1, 2, 3], [0, 4, 5, 9, 30], [0, 10, 11, 12]])
def test_constructed_path_comes_back(first: list[int]) -> None:
    assert monotonic_path(block_scores(first)).tolist() == first


@given(
    st.tuples(st.integers(1, 4), st.integers(0, 5)).flatmap(
        lambda size: arrays(np.float32, (size[0], size[0] + size[1]), elements=WHOLE)
    )
)
def test_no_other_path_scores_higher(scores: NDArray[np.float32]) -> None:
    tokens, frames = scores.shape
    every = [[0, *cuts, frames] for cuts in combinations(range(1, frames), tokens - 1)]
    first = monotonic_path(scores).tolist()
    assert first in every
    assert total(scores, first) == max(total(scores, path) for path in every)


def test_more_tokens_than_frames_is_an_error() -> None:
    with pytest.raises(ValueError, match="4 tokens do not fit 3 frames"):
        monotonic_path(np.zeros((4, 3), dtype=np.float32))


# ---- scores


@pytest.mark.parametrize(("heads", "tokens", "frames"), [(1, 1, 1), (6, 4, 30), (2, 9, 9)])
def test_scores_have_a_row_a_token_and_are_finite(heads: int, tokens: int, frames: int) -> None:
    shape = (heads, tokens, frames)
    for attention in (np.zeros(shape), np.random.default_rng(0).random(shape)):
        scores = attention_scores(attention.astype(np.float32))
        assert scores.shape == (tokens, frames)
        assert np.isfinite(scores).all()


def test_scores_do_not_see_how_much_a_frame_or_head_is_attended() -> None:
    rng = np.random.default_rng(0)
    attention = rng.uniform(0.1, 1.0, (3, 5, 20)).astype(np.float32)
    louder = attention * rng.uniform(0.5, 2.0, (3, 1, 20)).astype(np.float32)
    np.testing.assert_allclose(attention_scores(louder), attention_scores(attention), atol=1e-3)


def test_path_through_noisy_attention_is_found() -> None:
    rng, first = np.random.default_rng(1), [0, 12, 20, 45, 52, 70]
    attention = 0.02 * rng.random((4, 5, 70)) + 0.5 * block_scores(first) * rng.uniform(0.5, 1.0, (4, 5, 70))
    found = monotonic_path(attention_scores(attention.astype(np.float32)))
    assert np.abs(found - first).max() <= 2


# ---- slots

PER = 8
FRAMES = st.lists(st.floats(0, 400, allow_nan=False), max_size=40).map(sorted)


@given(FRAMES, st.integers(1, 50))
def test_slots_are_distinct_rising_and_in_range(frames: list[float], slots: int) -> None:
    at = place(np.array(frames), PER, slots)
    if len(frames) > slots:
        assert at is None
    else:
        assert at is not None
        assert len(at) == len(frames)
        assert (np.diff(at) > 0).all()
        assert ((at >= 0) & (at < slots)).all()


@given(st.sets(st.integers(0, 49), max_size=50), st.floats(0, PER - 0.01))
def test_tokens_that_do_not_collide_stay_in_their_slots(slots: set[int], offset: float) -> None:
    wanted = sorted(slots)
    at = place(np.array(wanted) * float(PER) + offset, PER, 50)
    assert at is not None
    assert at.tolist() == wanted


@pytest.mark.parametrize(
    ("wanted", "slots", "expected"),
    [
        ([3, 3, 3], 8, [2, 3, 4]),  # both neighbors give way
        ([0, 0, 0], 8, [0, 1, 2]),
        ([7, 7, 7], 8, [5, 6, 7]),
        ([1, 1, 6], 8, [0, 1, 6]),  # what is far away stays
        ([2, 2, 2], 3, [0, 1, 2]),
    ],
)
def test_colliding_tokens_share_the_shift(wanted: list[int], slots: int, expected: list[int]) -> None:
    at = place(np.array(wanted) * float(PER), PER, slots)
    assert at is not None
    assert at.tolist() == expected


def test_frames_after_the_end_go_to_the_last_slots() -> None:
    at = place(np.array([5.0, 1e6, 2e6]), PER, 10)
    assert at is not None
    assert at.tolist() == [0, 8, 9]
