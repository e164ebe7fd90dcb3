"""Figures that follow from a row's samples: percentiles, interval, shares of the ceiling, useful tokens a second, drift, AUP.

Knows rows and reports; the arithmetic of samples is in `measure.statistics`.
"""

from dataclasses import dataclass

from unmask.benchmarks.measure.aup import aup
from unmask.benchmarks.measure.statistics import Ratio, drift, summarize
from unmask.benchmarks.report.record import Report, Row


@dataclass(frozen=True)
class Figures:
    n: int
    p50_ms: float
    p90_ms: float
    p99_ms: float | None  # of 500 samples or more
    low_ms: float | None  # interval of the median
    high_ms: float | None
    rows_per_token: float | None
    tokens_per_pass: float | None  # rho
    tokens_per_s: float | None  # useful ones, at the median
    compute_share: float | None  # of the machine's peak in the bundle's precision
    memory_share: float | None  # of what it can read
    of_roofline: float | None  # time in multiples of the slower of the two alone
    real_time_factor: float | None
    drift: Ratio | None  # last quarter of a long run to its first


def figures(row: Row, report: Report) -> Figures:
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
        tokens_per_pass=row.tokens / row.passes if row.tokens and row.passes else None,
        tokens_per_s=row.tokens / seconds if whole and row.tokens and seconds > 0 else None,
        compute_share=compute,
        memory_share=memory,
        of_roofline=1 / max(compute, memory) if compute and memory else None,
        real_time_factor=_real_time_factor(row, seconds),
        drift=drift([value for _, value in row.series["latency_s"]]) if "latency_s" in row.series else None,
    )


@dataclass(frozen=True)
class Parallelism:
    """AUP of the settings that filled one length."""

    subject: str
    threads: int
    length: str
    settings: int
    aup: float


def parallelism(report: Report) -> list[Parallelism]:
    """Of every length that several settings filled and whose quality, 1 - word error rate, is known."""
    found: dict[tuple[str, int, str], list[tuple[float, float]]] = {}
    for row in report.rows:
        if row.scenario == "fill" and not row.measure and row.error_rate is not None and row.tokens and row.passes:
            key = row.subject, row.threads, row.case.rpartition(", ")[2]
            found.setdefault(key, []).append((row.tokens / row.passes, 100 * max(0.0, 1 - row.error_rate)))
    return [Parallelism(*key, len(points), aup(points)) for key, points in found.items() if len(points) > 1]


def _shares(row: Row, report: Report, seconds: float) -> tuple[float | None, float | None]:
    """Of the machine's peak in the bundle's precision, and of what it reads; None where the CPU does not bound it."""
    subject = next((s for s in report.subjects if s.name == row.subject and s.on_cpu), None)
    ceiling = next((c for c in report.ceiling if c.threads == row.threads), None)
    if subject is None or ceiling is None:
        return None, None
    compute = row.macs / seconds / ceiling.macs_per_s(subject.precision) if row.macs else None
    return compute, row.bytes / seconds / ceiling.bytes_per_s if row.bytes else None


def _real_time_factor(row: Row, seconds: float) -> float | None:
    """Computing / audio; of a live run the seconds in its calls, which the run itself outlasts."""
    if row.audio_s is None:
        return None
    if "busy_s" in row.series:
        return row.series["busy_s"][-1][1] / row.audio_s
    return seconds / row.audio_s if not row.measure else None
