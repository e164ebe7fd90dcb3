"""What samples can bear: percentiles, intervals, and ratios of two sides. The only place where this is computed.

Knows numbers. Knows no clock, no model and no report. Every interval has a confidence of 95 %, and none is given that the samples
cannot support.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
ENOUGH_FOR_P99 = 500
ENOUGH_FOR_AN_INTERVAL = 6  # samples; fewer leave more than 5 % outside their smallest and largest
MEDIAN_RESAMPLES = 2_000
RATE_RESAMPLES = 10_000
# 97.5 % points of Student's t by degrees of freedom; beyond them the last one, which errs towards wider intervals.
T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """Where a value lies with `CONFIDENCE`."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Summary:
    """Percentiles of samples, in the samples' unit."""

    n: int
    p50: float
    p90: float
    p99: float | None  # only of `ENOUGH_FOR_P99` samples or more
    interval: Interval | None  # of the median; None for too few samples


@dataclass(frozen=True)
class Quartiles:
    """The middle half of samples, in the samples' unit."""

    low: float
    median: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Ratio:
    """How many times as much as the base something takes."""

    value: float
    interval: Interval | None
    n: int

    @property
    def clear(self) -> bool:
        """Whether the ratio differs from 1."""
        return self.interval is not None and 1.0 not in self.interval

    def __str__(self) -> str:
        spread = f" ({self.interval.low:.2f} to {self.interval.high:.2f})" if self.interval else ""
        return f"{self.value:.2f}{spread}{'' if self.clear else ', no clear difference'}"


# ---- one side


def summarize(samples: Sequence[float]) -> Summary:
    """Percentiles interpolate linearly between order statistics. Raises ValueError for no samples."""
    if not len(samples):
        raise ValueError("no samples: nothing was measured")
    p50, p90, p99 = (float(value) for value in np.percentile(samples, [50, 90, 99]))
    return Summary(len(samples), p50, p90, p99 if len(samples) >= ENOUGH_FOR_P99 else None, median_interval(samples))


def quartiles(samples: ArrayLike) -> Quartiles:
    """Interpolated as in `summarize`."""
    low, median, high = (float(value) for value in np.percentile(samples, [25, 50, 75]))
    return Quartiles(low, median, high, np.size(samples))


def median_interval(samples: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Distribution-free interval of the median from order statistics; None below 6 samples at 95 %.

    The k-th smallest and k-th largest enclose the median with probability 1 - 2 P(Binomial(n, 1/2) < k), for samples that do not
    depend on each other (David and Nagaraja, Order Statistics, 7.1). The largest such k is taken.
    """
    n, k, below = len(samples), 0, 0.0
    while k < n // 2 + 1:
        below += math.comb(n, k) / 2**n  # whole numbers: exact for any n
        if below > (1 - confidence) / 2:
            break
        k += 1
    if not k:
        return None
    ordered = sorted(samples)
    return Interval(float(ordered[k - 1]), float(ordered[n - k]))


def bootstrap_rate(counts: Counts, totals: Counts, resamples: int = RATE_RESAMPLES) -> tuple[float, Interval]:
    """Sum of `counts` / sum of `totals`, (N,) each, and its percentile bootstrap interval over the N items.

    With the difference of two sides' counts on the same items it is the paired interval of the difference of their rates.
    """
    picks = np.random.default_rng(0).integers(len(counts), size=(resamples, len(counts)))
    low, high = np.percentile(counts[picks].sum(1) / totals[picks].sum(1), [2.5, 97.5])
    return float(counts.sum() / totals.sum()), Interval(float(low), float(high))


# ---- two sides


def paired_ratio(base: Sequence[float], other: Sequence[float]) -> Ratio:
    """Median of other / base round by round, with the interval of that median: what slows a round down slows both.

    Raises ValueError when the numbers of samples differ.
    """
    ratios = [b / a for a, b in zip(base, other, strict=True)]
    found = summarize(ratios)
    return Ratio(found.p50, found.interval, found.n)


def median_ratio(base: Sequence[float], other: Sequence[float], seed: int = 0) -> Ratio:
    """Median of `other` / median of `base`, for samples that were not taken in pairs.

    The interval is that of a bootstrap that draws runs of neighbors (moving blocks of the square root of n; Künsch 1989), because
    samples close in time are alike. None where one side has fewer than 6 samples. Raises ValueError for no samples.
    """
    n = min(len(base), len(other))
    if not n:
        raise ValueError("no samples: nothing was measured")
    value = float(np.median(other) / np.median(base))
    if n < ENOUGH_FOR_AN_INTERVAL:
        return Ratio(value, None, n)
    rng = np.random.default_rng(seed)
    drawn = _block_medians(np.asarray(other, float), rng) / _block_medians(np.asarray(base, float), rng)
    edge = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(drawn, [edge, 100 - edge])
    return Ratio(value, Interval(float(low), float(high)), n)


def _block_medians(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    n, size = len(values), int(len(values) ** 0.5)
    starts = rng.integers(0, n - size + 1, (MEDIAN_RESAMPLES, -(-n // size)))
    at = (starts[:, :, None] + np.arange(size)).reshape(MEDIAN_RESAMPLES, -1)[:, :n]
    return np.median(values[at], axis=1)


def ratio_of_runs(base: Sequence[float], other: Sequence[float]) -> Ratio:
    """Geometric mean of `other` / that of `base`, whose values are medians of whole runs.

    The runs' spread is pooled over both sides (Student's t on logarithms), so at least three runs in all are needed.
    """
    logs = [np.log(base), np.log(other)]
    difference, free = float(logs[1].mean() - logs[0].mean()), len(base) + len(other) - 2
    spread = math.sqrt(sum(float(((side - side.mean()) ** 2).sum()) for side in logs) / free)
    reach = T975[min(free, len(T975)) - 1] * spread * math.sqrt(1 / len(base) + 1 / len(other))
    return Ratio(
        math.exp(difference), Interval(math.exp(difference - reach), math.exp(difference + reach)), len(base) + len(other)
    )


def drift(values: Sequence[float]) -> Ratio | None:
    """Median of the last quarter / median of the first, in the order given; None below 24 values."""
    quarter = len(values) // 4
    return median_ratio(values[:quarter], values[-quarter:]) if quarter >= ENOUGH_FOR_AN_INTERVAL else None
