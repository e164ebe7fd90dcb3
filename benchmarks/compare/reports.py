"""Compare two sides of reports: the ratio and its interval for every row that both sides have, and gates.

With one report on each side the interval is that of the samples within these runs, which says nothing about how much runs
differ; the text says so. With several it is that of the runs' medians. Knows reports. Knows no model and no clock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.benchmarks.compare.gates import Gates
from unmask.benchmarks.measure.statistics import Ratio, median_ratio, quartiles, ratio_of_runs
from unmask.benchmarks.measure.word_errors import WER_PERCENT
from unmask.benchmarks.report.record import Report, Row, read_report
from unmask.benchmarks.report.tables import Table
from unmask.errors import InputError

ONE_RUN = (
    "one run on each side: the intervals show the spread of samples within a run, not between runs; give folders of several "
    "reports"
)
UNKNOWN, SAME, SLOWER, FASTER = "too few samples", "no clear difference", "slower", "faster"
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Difference:
    """One row of both sides."""

    scenario: str
    subject: str
    label: str
    threads: int
    ratio: Ratio  # of B to A
    wer: tuple[float, float] | None = None  # word error rates of A and of B, shares: means of their runs

    @property
    def name(self) -> str:
        return f"{self.scenario}, {self.subject}, {self.label}, {self.threads} thread{'s' * (self.threads > 1)}"

    @property
    def verdict(self) -> str:
        if self.ratio.interval is None:
            return UNKNOWN
        if not self.ratio.clear:
            return SAME
        return SLOWER if self.ratio.value > 1 else FASTER


@dataclass(frozen=True)
class ReportComparison:
    """B against A."""

    differences: tuple[Difference, ...]
    missing: tuple[str, ...]  # rows that are not in every report
    unlike: tuple[str, ...]  # other differences between the sides
    runs: tuple[int, int]
    machine: str | None = None  # ratios of the machines' ceilings

    def failures(self, gates: Gates) -> list[str]:
        """A line for each miss. What was not measured, or not often enough in any row, does not pass.

        Raises InputError for a gate that reports have no value for, and for a time below 1: no row can be clearly slower and
        keep it.
        """
        gates.only(("time", "wer"), "two bundles; reports have times and word error rates")
        out = []
        if gates.gate_time is not None:
            if gates.gate_time < 1:
                raise InputError(f"the gate time is {gates.gate_time:g}; between reports it is a number from 1")
            slow = [d for d in self.differences if d.verdict == SLOWER and d.ratio.value > gates.gate_time]
            out += [*(f"{d.name}: {d.ratio}" for d in slow), *(f"{name}: not in every report" for name in self.missing)]
            if all(d.verdict == UNKNOWN for d in self.differences):
                out.append("no row has enough samples")
        if gates.gate_wer is not None:
            scored = [(d, d.wer) for d in self.differences if d.wer is not None]
            worse = [(d, a, b) for d, (a, b) in scored if not b - a <= gates.gate_wer]  # NaN is worse
            out += [f"{d.name}: {100 * a:.1f} -> {100 * b:.1f} % word error rate" for d, a, b in worse]
            out += [] if scored else ["no row has a word error rate"]
        return out

    def to_markdown(self) -> str:
        rows = []
        for d in self.differences:
            spread = f"{d.ratio.interval.low:.2f} to {d.ratio.interval.high:.2f}" if d.ratio.interval else ""
            wer = f"{100 * d.wer[0]:.1f} -> {100 * d.wer[1]:.1f}" if d.wer else ""
            rows.append((d.scenario, d.subject, d.label, str(d.threads), f"{d.ratio.value:.2f}", spread, d.verdict, wer))
        table = Table(("scenario", "of", "case", "threads", "B / A", "95 %", "verdict", WER_PERCENT), tuple(rows))
        return "\n".join([table.to_markdown(), "", *(f"- {line}" for line in self.remarks())])

    def remarks(self) -> Iterator[str]:
        verdicts = [d.verdict for d in self.differences]
        yield ", ".join(f"{verdicts.count(v)} {v}" for v in (SAME, SLOWER, FASTER, UNKNOWN) if v in verdicts)
        known = len(verdicts) - verdicts.count(UNKNOWN)
        if known >= 10:
            yield f"of {known} intervals at 95 %, about {round(0.05 * known)} miss by chance: look for differences of many rows"
            found = quartiles([d.ratio.value for d in self.differences])
            yield f"median (quartiles) over all rows: {found}; a shift that they share may be the machine's"
        if self.machine:
            yield f"the machine itself, B / A, in {self.machine}"
        if max(self.runs) == 1:
            yield ONE_RUN
        yield from (f"the sides differ in {line}" for line in self.unlike)
        yield from (f"not in every report: {name}" for name in self.missing)


def read_side(path: Path) -> list[Report]:
    """A report, or all reports below a folder. Raises InputError for a file that is none and for a folder without any."""
    if not path.is_dir():
        return [read_report(path)]
    found = [read_report(file) for file in sorted(path.rglob("report*.json"))]
    if not found:
        raise InputError(f"{path}: not a bundle, and no report.json in it; `unmask bench --output {path}` writes one")
    return found


def compare_reports(a: Sequence[Report], b: Sequence[Report], same_threads: bool = True) -> ReportComparison:
    """same_threads False: rows are matched regardless of their threads, if each side has them with one number of threads.

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
            row = own[0][0]
            found.append(Difference(row.scenario, row.subject, row.label, row.threads, ratio, _word_error_rates(*own)))
    if not found:
        raise InputError("the reports have no row in common: they measured different bundles, scenarios or threads")
    return ReportComparison(tuple(found), tuple(missing), tuple(_unlike(a, b)), (len(a), len(b)), _machine(a, b))


def _ratio(a: Sequence[Sequence[int]], b: Sequence[Sequence[int]]) -> Ratio | None:
    """None where a median is not above 0: a delay can be 0 or less, and has no ratio then."""
    medians = [[float(np.median(run)) for run in side] for side in (a, b)]
    if min(map(min, medians)) <= 0:
        return None
    return median_ratio(a[0], b[0]) if len(a) == len(b) == 1 else ratio_of_runs(*medians)


def _word_error_rates(a: Sequence[Row], b: Sequence[Row]) -> tuple[float, float] | None:
    rates = [[row.error_rate for row in side if row.error_rate is not None] for side in (a, b)]
    return (float(np.mean(rates[0])), float(np.mean(rates[1]))) if all(rates) else None


def _machine(a: Sequence[Report], b: Sequence[Report]) -> str | None:
    """How the measured ceilings differ, by medians of the runs; None where the sides have no number of threads in common."""
    sides = [[{c.threads: c for c in report.ceiling} for report in side] for side in (a, b)]
    common = set.intersection(*(set(found) for side in sides for found in side))
    if not common:
        return None
    names = {"fp32_macs_per_s": "float32 products", "int8_macs_per_s": "int8 products", "bytes_per_s": "reads"}
    count = max(common)
    medians = {
        what: [np.median([getattr(found[count], name) for found in side]) for side in sides] for name, what in names.items()
    }
    return ", ".join(f"{what} a second: {theirs / own:.2f}" for what, (own, theirs) in medians.items())


def _unlike(a: Sequence[Report], b: Sequence[Report]) -> Iterator[str]:
    """What else was not the same on both sides, so that nobody takes one difference for another."""
    sides = [[_circumstances(report) for report in side] for side in (a, b)]
    for name in dict.fromkeys(name for side in sides for found in side for name in found):
        left, right = ({found[name] for found in side if name in found} for side in sides)
        if left != right:
            yield f"{name}: {' or '.join(sorted(left)) or 'none'} -> {' or '.join(sorted(right)) or 'none'}"


def _circumstances(report: Report) -> dict[str, str]:
    """What a difference may be due to, by name."""
    found = {
        "processor": report.machine.cpu,
        "cores": str(report.machine.cores),
        "system": report.machine.system,
        "unmask": report.version,
    }
    found |= {name: value for name in ("governor", "power") if (value := getattr(report.before, name)) is not None}
    found |= {f"version of {engine}": version for engine, version in report.machine.engines.items()}
    found |= {f"bundle {subject.name}": subject.sha256[:8] for subject in report.subjects}
    return found | {
        f"{option} of {subject.name}": str(value) for subject in report.subjects for option, value in subject.engine.items()
    }


def _rows(report: Report, same_threads: bool) -> dict[Key, Row]:
    keyed: dict[Key, Row] = {}
    for row in report.rows:
        key = row.key if same_threads else row.key[:-1]
        if key in keyed:
            raise InputError(f"{row.scenario}, {row.subject}, {row.label}: several numbers of threads; compare reports with one")
        keyed[key] = row
    return keyed
