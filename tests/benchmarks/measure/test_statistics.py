"""Every statistic against a hand computation, and intervals against how often they hold what they should."""

import math

import numpy as np
import pytest

from unmask.benchmarks.measure.statistics import (
    Interval,
    bootstrap_rate,
    drift,
    median_interval,
    median_ratio,
    paired_ratio,
    quartiles,
    ratio_of_runs,
    summarize,
)


def test_percentiles_by_hand() -> None:
    found = summarize([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (found.n, found.p50) == (5, 3.0)
    assert found.p90 == pytest.approx(4.6)  # 0.9 * 4 = 3.6 steps from the smallest
    assert found.p99 is None
    assert found.interval is None  # five samples leave 2 / 32 outside
    many = summarize([float(i) for i in range(500)])
    assert many.p99 == pytest.approx(494.01)
    assert summarize([float(i) for i in range(499)]).p99 is None
    with pytest.raises(ValueError, match="no samples"):
        summarize([])


def test_the_median_interval_by_hand() -> None:
    """n = 6: 2 / 64 outside the extremes. n = 10: k = 2 leaves 2 * 11 / 1024, k = 3 would leave 2 * 56 / 1024 > 5 %."""
    assert median_interval([6, 1, 5, 2, 4, 3]) == Interval(1, 6)
    assert median_interval(list(range(1, 11))) == Interval(2, 9)
    assert median_interval(list(range(1, 11)), confidence=0.99) == Interval(1, 10)
    assert median_interval([]) is None


def test_the_interval_of_many_samples_is_the_normal_approximation() -> None:
    """k is about n / 2 - 1.96 sqrt(n) / 2."""
    for n in (999, 1000, 5000):
        found = median_interval(list(range(n)))
        assert found is not None
        assert found.low == pytest.approx(n / 2 - 0.98 * math.sqrt(n), abs=1.5)
        assert found.low + found.high == n - 1


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hit = [math.log(2) in (median_interval(rng.exponential(size=25).tolist()) or ()) for _ in range(2000)]
    assert 0.94 < np.mean(hit) < 0.975  # 25 samples: 95.7 %


def test_paired_ratios_cancel_what_slows_a_round_down() -> None:
    rounds = np.array([1.0, 10.0, 2.0, 5.0, 3.0, 7.0, 4.0])
    found = paired_ratio(list(rounds), list(1.5 * rounds))
    assert (found.value, found.n) == (1.5, 7)
    assert found.interval == Interval(1.5, 1.5)
    assert found.clear
    assert str(found) == "1.50 (1.50 to 1.50)"


def test_a_ratio_that_scatters_around_one_is_no_clear_difference() -> None:
    found = paired_ratio([1.0] * 6, [0.9, 1.1, 0.8, 1.2, 1.05, 0.95])
    assert found.value == pytest.approx(1.0)
    assert not found.clear
    assert "no clear difference" in str(found)
    assert not paired_ratio([1.0] * 5, [2.0] * 5).clear  # too few to tell
    with pytest.raises(ValueError, match="zip"):
        paired_ratio([1.0], [1.0, 2.0])


def test_quartiles_by_hand() -> None:
    found = quartiles([4.0, 1.0, 3.0, 2.0, 5.0])
    assert (found.low, found.median, found.high, found.n) == (2, 3, 4, 5)
    assert str(found) == "3.00 (2.00 to 4.00)"


def test_ratios_of_runs_by_hand() -> None:
    found = ratio_of_runs([1.0, math.e], [math.e, math.e**2])  # logarithms 0, 1 and 1, 2
    assert found.value == pytest.approx(math.e)
    assert found.interval is not None
    reach = 4.303 * math.sqrt(0.5)  # pooled variance (0.5 + 0.5) / 2, times 1/2 + 1/2, two degrees of freedom
    assert math.log(found.interval.high) == pytest.approx(1 + reach)
    assert math.log(found.interval.low) == pytest.approx(1 - reach)


def test_a_rate_is_of_all_words_and_a_difference_is_of_the_same_recordings() -> None:
    words = np.array([10, 10, 20])
    ours, theirs = np.array([1, 0, 3]), np.array([2, 1, 5])
    more, spread = bootstrap_rate(theirs - ours, words)
    assert more == pytest.approx(4 / 40)
    assert spread == Interval(pytest.approx(0.1), pytest.approx(0.1))  # a tenth more of each recording, whichever are drawn
    assert bootstrap_rate(ours - theirs, words)[0] == pytest.approx(-0.1)
    assert bootstrap_rate(ours - ours, words) == (0, Interval(0, 0))


def test_the_interval_of_one_recording_is_its_rate() -> None:
    assert bootstrap_rate(np.array([1]), np.array([4]), 50) == (0.25, Interval(0.25, 0.25))


def test_drift_is_the_last_quarter_to_the_first() -> None:
    assert drift([1.0] * 23) is None  # quarters of five
    found = drift([1.0] * 8 + [5.0] * 16 + [2.0] * 8)
    assert found is not None
    assert (found.value, found.interval) == (2.0, Interval(2.0, 2.0))
    assert found.clear


def test_the_interval_of_a_ratio_holds_it_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(1), 0
    for i in range(100):
        found = median_ratio(rng.normal(10, 1, 60), rng.normal(11, 1, 60), seed=i)
        held += found.interval is not None and 1.1 in found.interval
    assert held >= 88  # 95 are expected, 88 are 3.2 standard deviations below


def test_median_ratio_of_few_samples_has_no_interval() -> None:
    assert median_ratio([1.0, 2.0, 3.0], [4.0, 4.0, 4.0]).interval is None
    assert median_ratio([1.0, 2.0, 3.0], [4.0, 4.0, 4.0]).value == 2
