"""What a run leaves: raw samples of every row, the machine, its ceiling and the conditions, stored as JSON.

The dataclasses are the format: a report is read by the same strict parser as a bundle's manifest, which names the place of what
does not fit. Knows no figure that can be computed from samples (`figures`) and no Markdown.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unmask.benchmarks.measure.ceiling import Ceiling
from unmask.benchmarks.measure.conditions import Conditions, Energy
from unmask.bundle.dataclass_json import from_json, parse_json
from unmask.errors import BundleError, InputError

FORMAT = 2  # 1 counted word errors without a normalizer, and repeated figures that follow from the samples


@dataclass(frozen=True)
class Row:
    """One thing that was timed. Raises ValueError without samples."""

    scenario: str
    subject: str
    case: str
    measure: str  # "" is the whole call
    threads: int
    samples_us: tuple[int, ...]
    taken: int  # samples before they were thinned
    passes: float = 0.0  # this and the next four: mean of a sample
    rows: float = 0.0
    tokens: float = 0.0
    macs: float = 0.0
    bytes: float = 0.0
    audio_s: float | None = None
    error_rate: float | None = None  # `measure.word_errors.word_error_rate` of the text, a share
    rss_mib: float = 0.0
    series: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)  # (seconds, value)

    def __post_init__(self) -> None:
        if not self.samples_us:
            raise ValueError(f"{self.scenario}, {self.subject}, {self.label}: a row has at least one sample")

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return self.scenario, self.subject, self.case, self.measure, self.threads

    @property
    def label(self) -> str:
        return f"{self.case}{': ' * bool(self.measure)}{self.measure}"


@dataclass(frozen=True)
class MachineRecord:
    cpu: str
    cores: int
    flags: tuple[str, ...]
    architecture: str
    memory_mib: int | None
    system: str
    python: str
    engines: dict[str, str]  # name -> version
    accelerators: tuple[str, ...]


@dataclass(frozen=True)
class BundleRecord:
    """A bundle that was measured, so that it can be found again."""

    name: str
    family: str
    precision: str
    bytes: int
    sha256: str  # of the manifest, which lists the hash of every file
    engine: dict[str, Any]  # `EngineOptions` of the version that wrote the report
    on_cpu: bool  # whether the CPU's ceiling bounds it
    tasks: dict[str, Any]  # name -> `Schedule` of the version that wrote the report


@dataclass(frozen=True)
class Report:
    """One complete run. A run that was interrupted leaves no report."""

    version: str  # of unmask
    created: str  # ISO 8601, UTC
    machine: MachineRecord
    overhead_s: float  # that the harness adds to a pass
    before: Conditions
    after: Conditions
    energy: Energy | None  # of the whole run
    plan: dict[str, Any]  # what was asked for
    subjects: tuple[BundleRecord, ...]
    ceiling: tuple[Ceiling, ...]
    rows: tuple[Row, ...]
    skipped: dict[str, str] = field(default_factory=dict)  # what could not be measured -> why
    format: int = FORMAT


def thinned(values: Sequence[Any], most: int) -> list[Any]:
    """At most `most` values, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[i] for i in np.linspace(0, len(values) - 1, most).round().astype(int)]


# ---- JSON


def to_json(report: Report) -> str:
    return json.dumps(asdict(report), ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def read_report(path: Path) -> Report:
    """Raises InputError for a file that is no report of this format; the message names the place."""
    try:
        raw = parse_json(path.read_text(encoding="utf-8"))
        found = raw.get("format") if isinstance(raw, dict) else None
        if found != FORMAT:
            raise InputError(f"{path}: report format {found!r}, but this version reads {FORMAT}; run `unmask bench` again")
        return from_json(Report, raw, str(path))
    except BundleError as error:
        raise InputError(str(error)) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a report of `unmask bench` ({error})") from error
