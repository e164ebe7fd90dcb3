"""Time variants in turns and say what the samples can bear: percentiles, an interval of the median, paired ratios.

Knows callables that return seconds, and a clock. Knows no model, no file and no process (`worker` makes calls
into processes of their own). Conventions after MLPerf's and Google Benchmark's: variants are interleaved in random order, so that
a machine that slows down slows all of them, raw samples are kept, and no percentile is given that the samples cannot tell.
"""

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

CONFIDENCE = 0.95
ENOUGH_FOR_P99 = 500
Clock = Callable[[], float]
Name = TypeVar("Name", bound=Hashable)


def interleave(
    variants: Mapping[Name, Callable[[], float]],
    rounds: int,
    seed: int = 0,
    warmup: int = 1,
    min_seconds: float = 0.0,
    clock: Clock = time.perf_counter,
) -> dict[Name, list[float]]:
    """Call every variant once a round, in an order drawn anew for each round; its samples by name, of equal number.

    A variant returns the seconds that it took: `timed` makes one of a plain call. warmup: rounds before, which do not count.
    rounds: at least so many count, and more until `min_seconds` have gone by on the clock since the first that counts.
    An exception in a variant ends the run: incomplete work is no result.
    Raises ValueError when rounds is below 1, warmup below 0 or there is no variant.
    """
    if rounds < 1 or warmup < 0 or not variants:
        raise ValueError(f"rounds is {rounds}, warmup {warmup}, variants {list(variants)}: 1 round and 1 variant are needed")
    rng, names = np.random.default_rng(seed), list(variants)
    samples: dict[Name, list[float]] = {name: [] for name in names}
    for _ in range(warmup):
        for i in rng.permutation(len(names)):
            variants[names[i]]()
    began, done = clock(), 0
    while done < rounds or clock() - began < min_seconds:
        for i in rng.permutation(len(names)):
            samples[names[i]].append(variants[names[i]]())
        done += 1
    return samples


def timed(call: Callable[[], object], clock: Clock = time.perf_counter) -> Callable[[], float]:
    """The call as a variant: it returns the seconds that it took."""

    def variant() -> float:
        began = clock()
        call()
        return clock() - began

    return variant


def seconds_of_each(
    calls: Mapping[str, Sequence[Callable[[], object]]], rounds: int, seed: int = 0, warmup: int = 1
) -> dict[str, np.ndarray]:
    """(rounds, calls) of variants that are several calls each, all of them interleaved."""
    variants = {(name, i): timed(call) for name, some in calls.items() for i, call in enumerate(some)}
    taken = interleave(variants, rounds, seed, warmup)
    return {name: np.array([taken[name, i] for i in range(len(some))]).T for name, some in calls.items()}


def overhead_s(clock: Clock = time.perf_counter, calls: int = 200) -> float:
    """Seconds that `timed` adds to a sample: the median over empty calls."""
    variant = timed(lambda: None, clock)
    return float(np.median([variant() for _ in range(calls)]))


# ---- statistics


@dataclass(frozen=True)
class Interval:
    """Where a value lies with `CONFIDENCE`."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Summary:
    """What samples say, in their own unit."""

    n: int
    p50: float
    p90: float
    p99: float | None  # only of `ENOUGH_FOR_P99` samples or more
    interval: Interval | None  # of the median; None where the samples are too few


def summarize(samples: Sequence[float]) -> Summary:
    """Percentiles interpolate linearly between order statistics. Raises ValueError for no samples."""
    if not samples:
        raise ValueError("no samples: nothing was measured")
    p50, p90, p99 = (float(value) for value in np.percentile(samples, [50, 90, 99]))
    return Summary(len(samples), p50, p90, p99 if len(samples) >= ENOUGH_FOR_P99 else None, median_interval(samples))


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


@dataclass(frozen=True)
class Ratio:
    """How many times the base something takes; `clear` says whether that can be told from 1."""

    value: float
    interval: Interval | None
    n: int

    @property
    def clear(self) -> bool:
        return self.interval is not None and 1.0 not in self.interval

    def __str__(self) -> str:
        spread = f" ({self.interval.low:.2f} to {self.interval.high:.2f})" if self.interval else ""
        return f"{self.value:.2f}{spread}{'' if self.clear else ', no clear difference'}"


def paired_ratio(base: Sequence[float], other: Sequence[float]) -> Ratio:
    """Median of other / base round by round, with the interval of that median: what slows a round down slows both.

    Raises ValueError when the numbers of samples differ.
    """
    ratios = [b / a for a, b in zip(base, other, strict=True)]
    found = summarize(ratios)
    return Ratio(found.p50, found.interval, found.n)
