"""Word errors and their intervals against hand computations."""

import numpy as np
import pytest

from unmask.benchmarks.measure.word_errors import interval, points_apart, word_errors


def test_errors_are_counted_after_the_normalizer() -> None:
    assert word_errors("he will not come", "He won't come, there!") == (1, 4)  # one inserted
    assert word_errors("two words", "") == (2, 2)


def test_points_are_of_all_words_and_compare_the_same_recordings() -> None:
    words = np.array([10, 10, 20])
    ours, theirs = np.array([1, 0, 3]), np.array([2, 1, 5])
    more, low, high = points_apart(ours, theirs, words)
    assert more == pytest.approx(100 * 4 / 40)
    assert low == pytest.approx(10)  # a tenth more of each recording: whatever is drawn, the difference is the same
    assert high == pytest.approx(10)
    assert points_apart(theirs, ours, words)[0] == pytest.approx(-10)
    assert points_apart(ours, ours, words) == (0, 0, 0)


def test_the_interval_of_one_recording_is_its_rate() -> None:
    assert interval(np.array([1]), np.array([4]), 50) == (25, 25, 25)
