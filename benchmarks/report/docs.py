"""The tables of docs/benchmarks.md and of the README, made of stored reports.

    python -m unmask.benchmarks.report.docs

reads benchmarks/reports/SETUP/report-N.json, N runs of one setup, and writes what stands between two marks in each page:
everything in docs/benchmarks.md, the rows to paste in README.md. What stands around the marks is written by hand.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cyclopts

from unmask.benchmarks.report import tables
from unmask.benchmarks.report.compare import Comparison, compare, read_side
from unmask.benchmarks.report.figures import figures
from unmask.benchmarks.report.markdown import conditions, scenarios
from unmask.benchmarks.report.record import Report
from unmask.errors import InputError, UnmaskError

BEGIN, END = "<!-- reports: made by python -m unmask.benchmarks.report.docs -->", "<!-- /reports -->"
Setups = Mapping[str, Sequence[Report]]


@dataclass(frozen=True)
class Docs:
    reports: Path = Path("benchmarks/reports")
    page: Path = Path("docs/benchmarks.md")
    readme: Path = Path("README.md")


def main(options: Annotated[Docs, cyclopts.Parameter(name="*")] = Docs()) -> None:
    setups = read_setups(options.reports)
    for path, text in ((options.page, everything(setups)), (options.readme, to_paste(setups))):
        path.write_text(between_marks(path.read_text(encoding="utf-8"), text, path), encoding="utf-8")
        print(path)


def read_setups(folder: Path) -> Setups:
    """Runs of every setup by the name of its folder; empty where nothing is stored."""
    return {path.name: read_side(path) for path in sorted(folder.glob("*")) if path.is_dir()}


def between_marks(page: str, text: str, path: Path) -> str:
    """The page with the text between its marks. Raises InputError for a page without them."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{path}: put the lines {BEGIN} and {END} where the tables belong")
    body = f"\n\n{text}\n\n" if text else "\n"
    return f"{head}{begin}{body}{end}{tail}"


def to_paste(setups: Setups) -> str:
    """The rows to paste of the first run of every setup."""
    rows = [row for reports in setups.values() for row in tables.summary(reports[0]).rows]
    return tables.Table(tables.SUMMARY, tuple(rows)).to_markdown() if rows else ""


def everything(setups: Setups) -> str:
    parts = [part for name, reports in setups.items() for part in setup(name, reports)]
    return "\n\n".join([*parts, *against_each_other(setups)])


def setup(name: str, reports: Sequence[Report]) -> Iterator[str]:
    """Conditions, a row to paste for each run, what the runs say of each other, and every table of the first."""
    first = reports[0]
    yield f"## {name}"
    yield "  \n".join(conditions(first))
    rows = [(str(i + 1), *row) for i, report in enumerate(reports) for row in tables.summary(report).rows]
    yield tables.Table(("run", *tables.SUMMARY), tuple(rows)).to_markdown()
    if len(reports) > 1:
        yield "\n".join(f"- {line}" for line in runs_compared(reports))
    yield tables.ceiling(first).to_markdown()
    for scenario in scenarios(first):
        yield f"### {name}: {scenario}"
        yield of_all_runs(reports, scenario).to_markdown()


def runs_compared(reports: Sequence[Report]) -> Iterator[str]:
    """The same thing measured again: what `compare` says of it."""
    for i, other in enumerate(reports[1:], 2):
        yield f"run 1 against run {i}: {told(compare(reports[:1], [other]))}"
    if len(reports) > 2:
        yield f"all runs but the last against the last: {told(compare(reports[:-1], reports[-1:]))}"


def told(found: Comparison) -> str:
    return next(found.remarks())


def of_all_runs(reports: Sequence[Report], scenario: str) -> tables.Table:
    """The first run's table, with the medians of all where there are several."""
    table = tables.scenario(reports[0], scenario)
    if len(reports) == 1:
        return table
    medians = [{row.key: tables.number(figures(row, report).p50_ms) for row in report.rows} for report in reports]
    keys = [row.key for row in reports[0].rows if row.scenario == scenario]
    cells = [", ".join(own.get(key, "none") for own in medians) for key in keys]
    return replace(
        table,
        head=(*table.head, "p50 ms of each run"),
        rows=tuple((*row, cell) for row, cell in zip(table.rows, cells, strict=True)),
    )


def against_each_other(setups: Setups) -> Iterator[str]:
    """Every other setup on the first one's processor against the first."""
    names = list(setups)
    for name in names[1:]:
        a, b = setups[names[0]], setups[name]
        if a[0].machine["cpu"] == b[0].machine["cpu"]:
            yield f"## {name} against {names[0]}"
            yield compare(a, b, same_threads=False).to_markdown()


if __name__ == "__main__":
    try:
        cyclopts.run(main)
    except UnmaskError as error:
        sys.exit(str(error))
