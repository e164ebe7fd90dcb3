"""Two sides of reports: ratio and interval of every row that both have, and gates that a build can fail by.

One report a side: the interval is of the samples within these runs, which cannot know how much runs differ; the text says so.
Several: it is of the runs' medians, whose spread is pooled over both sides (Student's t on their logarithms).
Knows reports. Knows no model and no clock.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.benchmarks.measure.harness import Interval, Ratio
from unmask.benchmarks.report.figures import median_ratio
from unmask.benchmarks.report.record import Report, Row, read_report
from unmask.benchmarks.report.tables import Table
from unmask.errors import InputError

# 97.5 % points of Student's t by degrees of freedom; beyond, the last one, which is on the careful side.
T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)
ONE_RUN = (
    "one run a side: the intervals say how samples spread within a run, not how runs differ; give folders of several reports"
)
UNTOLD, SAME, SLOWER, FASTER = "too few samples to tell", "no clear difference", "slower", "faster"
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Gates:
    """Bounds that side b must keep. None: no bound."""

    gate: float | None = None
    """Largest ratio b / a of a row that is clearly slower; rows that only one side has miss it too."""
    gate_wer: float | None = None
    """Points of word errors that b may have more than a, in any row."""

    def __post_init__(self) -> None:
        for name, value, least in (("gate", self.gate, 1.0), ("gate-wer", self.gate_wer, 0.0)):
            if value is not None and not least <= value < math.inf:
                raise InputError(f"{name} is {value:g}; it is a number from {least:g}")


@dataclass(frozen=True)
class Difference:
    row: Row  # of the first report of side a
    ratio: Ratio  # of b to a
    wer: tuple[float, float] | None = None  # of a and of b, mean of their runs

    @property
    def verdict(self) -> str:
        if self.ratio.interval is None:
            return UNTOLD
        if not self.ratio.clear:
            return SAME
        return SLOWER if self.ratio.value > 1 else FASTER


@dataclass(frozen=True)
class Comparison:
    differences: tuple[Difference, ...]
    missing: tuple[str, ...]  # rows that are not in every report
    unlike: tuple[str, ...]  # what else differs between the sides
    runs: tuple[int, int]
    machine: str | None = None  # the ceiling of b to that of a

    def failures(self, gates: Gates) -> list[str]:
        """What misses the gates, a line each. What was not measured, or not often enough anywhere, is not passed."""
        out = []
        if gates.gate is not None:
            slow = [d for d in self.differences if d.verdict == SLOWER and d.ratio.value > gates.gate]
            out += [*(f"{_name(d.row)}: {d.ratio}" for d in slow), *(f"{name}: not in every report" for name in self.missing)]
            if all(d.verdict == UNTOLD for d in self.differences):
                out.append("no row has enough samples to tell")
        if gates.gate_wer is not None:
            scored = [(d, d.wer) for d in self.differences if d.wer is not None]
            worse = [(d, a, b) for d, (a, b) in scored if 100 * (b - a) > gates.gate_wer]
            out += [f"{_name(d.row)}: {100 * a:.1f} -> {100 * b:.1f} % word errors" for d, a, b in worse]
            out += [] if scored else ["no row has word errors"]
        return out

    def to_markdown(self) -> str:
        rows = []
        for d in self.differences:
            spread = f"{d.ratio.interval.low:.2f} to {d.ratio.interval.high:.2f}" if d.ratio.interval else ""
            wer = f"{100 * d.wer[0]:.1f} -> {100 * d.wer[1]:.1f}" if d.wer else ""
            own = (d.row.scenario, d.row.subject, d.row.label, str(d.row.threads))
            rows.append((*own, f"{d.ratio.value:.2f}", spread, d.verdict, wer))
        table = Table(("scenario", "of", "case", "threads", "b / a", "95 %", "verdict", "WER %"), tuple(rows))
        return "\n".join([table.to_markdown(), "", *(f"- {line}" for line in self.remarks())])

    def remarks(self) -> Iterator[str]:
        verdicts = [d.verdict for d in self.differences]
        yield ", ".join(f"{verdicts.count(v)} {v}" for v in (SAME, SLOWER, FASTER, UNTOLD) if v in verdicts)
        told = len(verdicts) - verdicts.count(UNTOLD)
        if told >= 10:
            yield f"of {told} intervals at 95 %, some {round(0.05 * told)} miss by chance: look for differences of many rows"
            low, middle, high = np.percentile([d.ratio.value for d in self.differences], [25, 50, 75])
            quartiles = f"{middle:.2f} (quartiles {low:.2f} to {high:.2f})"
            yield f"all rows together: {quartiles}; a shift that they share may be the machine's"
        if self.machine:
            yield f"the machine itself, b / a, in {self.machine}"
        if max(self.runs) == 1:
            yield ONE_RUN
        yield from (f"the sides differ in {line}" for line in self.unlike)
        yield from (f"not in every report: {name}" for name in self.missing)


def read_side(path: Path) -> list[Report]:
    """A report, or all below a folder. Raises InputError for what is none and for a folder without any."""
    if not path.is_dir():
        return [read_report(path)]
    found = [read_report(file) for file in sorted(path.rglob("report*.json"))]
    if not found:
        raise InputError(f"{path}: no report.json in it; `unmask bench --output {path}` writes one")
    return found


def compare(a: Sequence[Report], b: Sequence[Report], same_threads: bool = True) -> Comparison:
    """same_threads False: rows are matched whatever their threads, where each side has them with one number of threads.

    Raises InputError when there is nothing to compare.
    """
    sides = [[_rows(report, same_threads) for report in side] for side in (a, b)]
    every = dict.fromkeys(key for side in sides for rows in side for key in rows)
    common = [key for key in every if all(key in rows for side in sides for rows in side)]
    found, missing = [], [" ".join(str(part) for part in key if part) for key in every if key not in common]
    for key in common:
        own = [[rows[key] for rows in side] for side in sides]
        ratio = _ratio(*([row.samples_us for row in rows] for rows in own))
        if ratio is not None:
            found.append(Difference(own[0][0], ratio, _word_errors(*own)))
    if not found:
        raise InputError("the reports have no row in common: they measured different bundles, scenarios or threads")
    return Comparison(tuple(found), tuple(missing), tuple(_unlike(a, b)), (len(a), len(b)), _machine(a, b))


def _ratio(a: Sequence[Sequence[int]], b: Sequence[Sequence[int]]) -> Ratio | None:
    """None where a median is not above 0: a delay can be none at all, and has no ratio then."""
    medians = [[float(np.median(run)) for run in side] for side in (a, b)]
    if min(map(min, medians)) <= 0:
        return None
    return median_ratio(a[0], b[0]) if len(a) == len(b) == 1 else between_runs(*medians)


def between_runs(a: Sequence[float], b: Sequence[float]) -> Ratio:
    """Ratio of geometric means of the runs' medians. Three runs in all are the fewest that have a spread."""
    logs = [np.log(a), np.log(b)]
    apart, free = float(logs[1].mean() - logs[0].mean()), len(a) + len(b) - 2
    spread = math.sqrt(sum(float(((side - side.mean()) ** 2).sum()) for side in logs) / free)
    reach = T975[min(free, len(T975)) - 1] * spread * math.sqrt(1 / len(a) + 1 / len(b))
    return Ratio(math.exp(apart), Interval(math.exp(apart - reach), math.exp(apart + reach)), len(a) + len(b))


def _word_errors(a: Sequence[Row], b: Sequence[Row]) -> tuple[float, float] | None:
    rates = [[row.error_rate for row in side if row.error_rate is not None] for side in (a, b)]
    return (float(np.mean(rates[0])), float(np.mean(rates[1]))) if all(rates) else None


def _machine(a: Sequence[Report], b: Sequence[Report]) -> str | None:
    """How the measured ceilings differ, by medians of the runs; None where the sides have no number of threads in common."""
    sides = [[{c["threads"]: c for c in report.ceiling} for report in side] for side in (a, b)]
    common = set.intersection(*(set(found) for side in sides for found in side))
    if not common:
        return None
    names = {"fp32_macs_per_s": "float32 products", "int8_macs_per_s": "int8 products", "bytes_per_s": "reads"}
    ratios = {what: [np.median([found[max(common)][name] for found in side]) for side in sides] for name, what in names.items()}
    return ", ".join(f"{what} a second: {theirs / own:.2f}" for what, (own, theirs) in ratios.items())


def _unlike(a: Sequence[Report], b: Sequence[Report]) -> Iterator[str]:
    """What was not the same on both sides, so that nobody takes one difference for another."""
    for name, told in (
        ("processor", lambda report: report.machine["cpu"]),
        ("system", lambda report: report.machine["system"]),
        ("unmask", lambda report: report.version),
        ("engines", lambda report: _pairs(report.machine["engines"])),
        ("bundles", lambda report: _pairs({s["name"]: s["sha256"][:8] for s in report.subjects})),
        ("engine options", lambda report: "; ".join(sorted({_pairs(s["engine"]) for s in report.subjects}))),
    ):
        left, right = ({told(report) for report in side} for side in (a, b))
        if left != right:
            yield f"{name}: {' or '.join(sorted(left))} -> {' or '.join(sorted(right))}"


def _pairs(found: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in found.items())


def _rows(report: Report, same_threads: bool) -> dict[Key, Row]:
    keyed: dict[Key, Row] = {}
    for row in report.rows:
        key = row.key if same_threads else row.key[:-1]
        if key in keyed:
            raise InputError(f"{_name(row)} was measured with several numbers of threads; compare reports with one")
        keyed[key] = row
    return keyed


def _name(row: Row) -> str:
    return f"{row.scenario}, {row.subject}, {row.label}, {row.threads} thread{'s' * (row.threads > 1)}"
