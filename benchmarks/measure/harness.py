"""Time variants in turns, on any clock. The only timing loop of the benchmarks.

Knows callables that return seconds, and a clock. Knows no model, no file and no process (`worker` makes calls
into processes of their own). Conventions follow MLPerf and Google Benchmark: variants are interleaved in random order, so that
a machine that slows down slows all of them, and raw samples are kept.
"""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

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
    """Call every variant once a round, in an order drawn anew for each round. Returns equally many samples for each name.

    A variant returns the seconds that it took; `timed` turns a plain call into one. warmup: rounds at the beginning that do not
    count. rounds: the least number of rounds that count; more follow until `min_seconds` have passed on the clock.
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
    """(rounds, calls) seconds of variants that are several calls each, all of them interleaved."""
    variants = {(name, i): timed(call) for name, some in calls.items() for i, call in enumerate(some)}
    taken = interleave(variants, rounds, seed, warmup)
    return {name: np.array([taken[name, i] for i in range(len(some))]).T for name, some in calls.items()}


def overhead_s(clock: Clock = time.perf_counter, calls: int = 200) -> float:
    """Seconds that `timed` adds to a sample: the median over empty calls."""
    variant = timed(lambda: None, clock)
    return float(np.median([variant() for _ in range(calls)]))
