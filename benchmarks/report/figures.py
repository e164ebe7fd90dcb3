"""Figures that follow from a row's samples: percentiles, interval, shares of the ceiling, useful tokens a second, drift.

Knows numbers. Opens nothing and prints nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmask.benchmarks.measure.ceiling import Ceiling
from unmask.benchmarks.measure.harness import CONFIDENCE, Interval, Ratio, summarize
from unmask.benchmarks.report.record import Report, Row

RESAMPLES = 2000


@dataclass(frozen=True)
class Figures:
    n: int
    p50_ms: float
    p90_ms: float
    p99_ms: float | None  # of 500 samples or more
    low_ms: float | None  # interval of the median
    high_ms: float | None
    rows_per_token: float | None
    tokens_per_s: float | None  # useful ones, at the median
    compute_share: float | None  # of the machine's peak in the bundle's precision
    memory_share: float | None  # of what it can read
    real_time_factor: float | None
    drift: Ratio | None  # last quarter of a long run to its first


def figures(row: Row, report: Report) -> Figures:
    """Raises ValueError for a row without samples."""
    found = summarize([us / 1000 for us in row.samples_us])
    seconds, whole = found.p50 / 1000, not row.measure
    compute, memory = _shares(row, report, seconds) if whole and seconds > 0 else (None, None)
    return Figures(
        n=row.taken,
        p50_ms=found.p50,
        p90_ms=found.p90,
        p99_ms=found.p99,
        low_ms=found.interval.low if found.interval else None,
        high_ms=found.interval.high if found.interval else None,
        rows_per_token=row.rows / row.tokens if row.tokens else None,
        tokens_per_s=row.tokens / seconds if whole and row.tokens and seconds > 0 else None,
        compute_share=compute,
        memory_share=memory,
        real_time_factor=_real_time_factor(row, seconds),
        drift=drift([value for _, value in row.series["latency_s"]]) if "latency_s" in row.series else None,
    )


def _shares(row: Row, report: Report, seconds: float) -> tuple[float | None, float | None]:
    """Of the machine's peak in the bundle's precision, and of what it reads; None where the CPU does not bound it."""
    subject = next((s for s in report.subjects if s["name"] == row.subject and s["on_cpu"]), None)
    ceiling = next((Ceiling(**c) for c in report.ceiling if c["threads"] == row.threads), None)
    if subject is None or ceiling is None:
        return None, None
    compute = row.macs / seconds / ceiling.macs_per_s(subject["precision"]) if row.macs else None
    return compute, row.bytes / seconds / ceiling.bytes_per_s if row.bytes else None


def _real_time_factor(row: Row, seconds: float) -> float | None:
    """Computing / audio; of a live run the seconds in its calls, which the run itself outlasts."""
    if row.audio_s is None:
        return None
    if "busy_s" in row.series:
        return row.series["busy_s"][-1][1] / row.audio_s
    return seconds / row.audio_s if not row.measure else None


def drift(values: Sequence[float]) -> Ratio | None:
    """Median of the last quarter to that of the first, in the order taken; None below 24 values."""
    quarter = len(values) // 4
    return median_ratio(values[:quarter], values[-quarter:]) if quarter >= 6 else None


def median_ratio(base: Sequence[float], other: Sequence[float], seed: int = 0) -> Ratio:
    """Median of `other` to median of `base`, which were not taken in pairs.

    The interval is that of a bootstrap that draws runs of neighbors (moving blocks of the square root of n; Künsch 1989):
    samples close in time are alike. None where one side has fewer than 6 samples. Raises ValueError for no samples.
    """
    value = float(np.median(other) / np.median(base))
    n = min(len(base), len(other))
    if n < 6:
        return Ratio(value, None, n)
    rng = np.random.default_rng(seed)
    drawn = _medians(np.asarray(other, float), rng) / _medians(np.asarray(base, float), rng)
    edge = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(drawn, [edge, 100 - edge])
    return Ratio(value, Interval(float(low), float(high)), n)


def _medians(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    n, size = len(values), int(len(values) ** 0.5)
    starts = rng.integers(0, n - size + 1, (RESAMPLES, -(-n // size)))
    at = (starts[:, :, None] + np.arange(size)).reshape(RESAMPLES, -1)[:, :n]
    return np.median(values[at], axis=1)
