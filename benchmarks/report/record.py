"""What a run leaves: raw samples of every row, the machine, its ceiling and the conditions, as JSON with a stated schema.

Knows no figure that can be computed from samples (`unmask.benchmarks.report.figures`) and no Markdown.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unmask.benchmarks.scenarios.runner import Case, Sample
from unmask.errors import InputError

FORMAT = 1
FIGURES = "figures"  # of a row in the file, for readers without this package
MOST_SAMPLES = 1000  # of a row that is stored; evenly spread over the run where there are more
MOST_POINTS = 200  # of a series


@dataclass(frozen=True)
class Row:
    """One thing that was timed."""

    scenario: str
    subject: str
    case: str
    measure: str  # "" is the whole call
    threads: int
    samples_us: tuple[int, ...]
    taken: int  # samples before they were thinned
    passes: float = 0  # these four: of a sample, on average
    rows: float = 0
    tokens: float = 0
    macs: float = 0
    bytes: float = 0
    audio_s: float | None = None
    error_rate: float | None = None  # words of the reference that the text gets wrong
    rss_mib: float = 0
    series: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return self.scenario, self.subject, self.case, self.measure, self.threads

    @property
    def label(self) -> str:
        return f"{self.case}{': ' * bool(self.measure)}{self.measure}"


@dataclass(frozen=True)
class Report:
    """One run, whole. A run that was cut short leaves none."""

    version: str  # of unmask
    created: str  # ISO 8601, UTC
    machine: dict[str, Any]
    overhead_s: float  # that the harness adds to a pass
    before: dict[str, Any]  # conditions
    after: dict[str, Any]
    energy: dict[str, Any] | None  # of the whole run, with its source
    plan: dict[str, Any]
    subjects: tuple[dict[str, Any], ...]
    ceiling: tuple[dict[str, Any], ...]
    rows: tuple[Row, ...]
    skipped: dict[str, str] = field(default_factory=dict)  # what could not be measured -> why
    format: int = FORMAT


def rows_of(case: Case, samples: list[Sample]) -> list[Row]:
    """A case's rows: the whole call, unless it ran once, and each further measure."""
    measures = {} if case.once else {"": [sample.seconds for sample in samples]}
    for name in dict.fromkeys(name for sample in samples for name in sample.more):
        measures[name] = [seconds for sample in samples for seconds in sample.more.get(name, [])]
    common = {
        **{
            name: round(float(np.mean([getattr(s, name) for s in samples])), 2)
            for name in ("passes", "rows", "tokens", "macs", "bytes")
        },
        "audio_s": case.audio_s,
        "error_rate": error_rate(case.reference, samples[-1].text),
        "rss_mib": round(max(sample.rss_mib for sample in samples), 1),
    }
    rows = []
    for name, seconds in measures.items():
        if not seconds:
            continue  # live audio without a word has no delays
        series = samples[-1].series if not rows else {}
        thin = {key: tuple((round(t, 3), round(v, 6)) for t, v in thinned(points, MOST_POINTS)) for key, points in series.items()}
        whole = tuple(round(1e6 * s) for s in thinned(seconds, MOST_SAMPLES))
        own = common if not name or case.once else {"rss_mib": common["rss_mib"]}
        rows.append(Row(case.scenario, case.subject, case.name, name, case.threads, whole, len(seconds), **own, series=thin))
    return rows


def thinned(values: Sequence[Any], most: int) -> list[Any]:
    """At most so many, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[i] for i in np.linspace(0, len(values) - 1, most).round().astype(int)]


def error_rate(reference: str | None, text: str | None) -> float | None:
    if reference is None or text is None:
        return None
    from unmask.quant.drift import word_error_rate

    return round(word_error_rate([reference], [text]), 4)


def read_report(path: Path) -> Report:
    """Raises InputError for a file that is no report of this format."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = raw.get("format") if isinstance(raw, dict) else None
        if found != FORMAT:
            raise InputError(f"{path}: report format {found!r}, but this version reads {FORMAT}; run `unmask bench` again")
        rows = tuple(_row(row) for row in raw.pop("rows"))
        return Report(rows=rows, subjects=tuple(raw.pop("subjects")), ceiling=tuple(raw.pop("ceiling")), **raw)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not a report of `unmask bench` ({error})") from error


def _row(raw: dict[str, Any]) -> Row:
    series = {name: tuple((t, v) for t, v in points) for name, points in raw["series"].items()}
    raw = {name: value for name, value in raw.items() if name != FIGURES}  # computed anew from the samples
    return Row(**{**raw, "samples_us": tuple(raw["samples_us"]), "series": series})
