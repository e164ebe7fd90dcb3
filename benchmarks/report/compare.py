"""Two sides of reports: ratio and interval of every row that both have, and gates that a build can fail by.

One report a side: the interval is of the samples within these runs, which cannot know how much runs differ; the text says so.
Several: it is of the runs' medians, whose spread is pooled over both sides (Student's t on their logarithms).
Knows reports. Knows no model and no clock.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmask.benchmarks.harness import Interval, Ratio
from unmask.benchmarks.report.figures import median_ratio
from unmask.benchmarks.report.record import Report, Row
from unmask.errors import InputError

# 97.5 % points of Student's t by degrees of freedom; beyond, the last one, which is on the careful side.
T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)
ONE_RUN = "one run a side: the intervals say how samples spread within a run, not how runs differ; give several reports a side"


@dataclass(frozen=True)
class Difference:
    row: Row  # of the first report of side a
    ratio: Ratio  # of b to a

    @property
    def verdict(self) -> str:
        if self.ratio.interval is None:
            return "too few samples to tell"
        if not self.ratio.clear:
            return "no clear difference"
        return "slower" if self.ratio.value > 1 else "faster"


@dataclass(frozen=True)
class Comparison:
    differences: tuple[Difference, ...]
    missing: tuple[str, ...]  # rows of a that b lacks, and the other way round
    runs: tuple[int, int]

    def failures(self, gate: float) -> list[str]:
        """Rows that are clearly slower and by more than `gate` times, and rows that are missing: not measured is not passed."""
        slow = [d for d in self.differences if d.verdict == "slower" and d.ratio.value > gate]
        return [*(f"{_name(d.row)}: {d.ratio}" for d in slow), *(f"{name}: not in both" for name in self.missing)]

    def to_markdown(self) -> str:
        lines = ["| scenario | of | case | threads | b / a | 95 % | |", "|---|---|---|---|---|---|---|"]
        for d in self.differences:
            spread = f"{d.ratio.interval.low:.2f} to {d.ratio.interval.high:.2f}" if d.ratio.interval else ""
            own = f"{d.row.scenario} | {d.row.subject} | {d.row.label} | {d.row.threads}"
            lines.append(f"| {own} | {d.ratio.value:.2f} | {spread} | {d.verdict} |")
        counts = {
            verdict: sum(d.verdict == verdict for d in self.differences) for verdict in {d.verdict for d in self.differences}
        }
        lines += ["", ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))]
        if min(self.runs) == max(self.runs) == 1:
            lines.append(ONE_RUN)
        lines += [f"not in both: {name}" for name in self.missing]
        return "\n".join(lines)


def compare(a: Sequence[Report], b: Sequence[Report], same_threads: bool = True) -> Comparison:
    """same_threads False: rows are matched whatever their threads, where each side has them with one number of threads.

    Raises InputError when there is nothing to compare.
    """
    sides = [[_rows(report, same_threads) for report in side] for side in (a, b)]
    common = [key for key in sides[0][0] if all(key in rows for side in sides for rows in side)]
    if not common:
        raise InputError("the reports have no row in common: they measured different bundles, scenarios or threads")
    found = []
    for key in common:
        values = [[[us for us in rows[key].samples_us] for rows in side] for side in sides]
        if all(np.median(samples) > 0 for side in values for samples in side):  # delays can be negative: no ratio
            found.append(Difference(sides[0][0][key], _ratio(*values)))
    every = dict.fromkeys(key for side in sides for rows in side for key in rows)
    return Comparison(tuple(found), tuple(" ".join(map(str, key)) for key in every if key not in common), (len(a), len(b)))


def _ratio(a: list[list[int]], b: list[list[int]]) -> Ratio:
    if len(a) == len(b) == 1:
        return median_ratio(a[0], b[0])
    return between_runs([float(np.median(run)) for run in a], [float(np.median(run)) for run in b])


def between_runs(a: Sequence[float], b: Sequence[float]) -> Ratio:
    """Ratio of geometric means of the runs' medians. Three runs in all are the fewest that have a spread."""
    logs = [np.log(a), np.log(b)]
    apart, free = float(logs[1].mean() - logs[0].mean()), len(a) + len(b) - 2
    spread = math.sqrt(sum(float(((side - side.mean()) ** 2).sum()) for side in logs) / free)
    reach = T975[min(free, len(T975)) - 1] * spread * math.sqrt(1 / len(a) + 1 / len(b))
    return Ratio(math.exp(apart), Interval(math.exp(apart - reach), math.exp(apart + reach)), len(a) + len(b))


def _rows(report: Report, same_threads: bool) -> dict[tuple[str | int, ...], Row]:
    keyed: dict[tuple[str | int, ...], Row] = {}
    for row in report.rows:
        key = row.key if same_threads else row.key[:-1]
        if key in keyed:
            raise InputError(f"{_name(row)} was measured with several numbers of threads; compare reports with one")
        keyed[key] = row
    return keyed


def _name(row: Row) -> str:
    return f"{row.scenario}, {row.subject}, {row.label}, {row.threads} thread{'s' * (row.threads > 1)}"
