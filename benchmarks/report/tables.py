"""A report's tables, as cells: the summary, the ceiling, and one for each scenario.

Knows reports and figures. Knows neither Markdown nor HTML.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unmask.benchmarks.measure.word_errors import WER_PERCENT
from unmask.benchmarks.report.figures import Figures, figures, parallelism
from unmask.benchmarks.report.record import Report, Row

Cell = Callable[[Row, Figures], str]
SUMMARY = ("model", "MiB", "CPU, threads", "pass ms", "fill ms", "tokens/s", "RTF", "word stable, s", "start s", "RSS MiB")


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_markdown(self) -> str:
        lines = [f"| {' | '.join(self.head)} |", f"|{'---|' * len(self.head)}"]
        return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in self.rows)])


def number(value: float | None, digits: int = 3) -> str:
    """`digits` significant digits, never an exponent; empty for None."""
    if value is None:
        return ""
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{min(max(0, digits - 1 - magnitude), 6)}f}"


def percent(share: float | None) -> str:
    return "" if share is None else number(100 * share, 2)


def median_ms(found: Figures) -> str:
    spread = "" if found.low_ms is None else f" ({number(found.low_ms)} to {number(found.high_ms)})"
    return f"{number(found.p50_ms)}{spread}"


def with_p90(found: Figures, scale: float = 1) -> str:
    return f"{number(scale * found.p50_ms)} ({number(scale * found.p90_ms)})"


COLUMNS: dict[str, Cell] = {
    "n": lambda row, found: str(found.n),
    "p50 ms (95 %)": lambda row, found: median_ms(found),
    "p90 ms": lambda row, found: number(found.p90_ms),
    "p99 ms": lambda row, found: number(found.p99_ms),
    "passes": lambda row, found: number(row.passes, 2) if row.passes > 1 else "",
    "rows per token": lambda row, found: number(found.rows_per_token),
    "tokens per pass": lambda row, found: number(found.tokens_per_pass) if row.passes > 1 else "",
    "useful tokens/s": lambda row, found: number(found.tokens_per_s),
    "% of compute": lambda row, found: percent(found.compute_share),
    "% of reads": lambda row, found: percent(found.memory_share),
    "of the roofline": lambda row, found: number(found.of_roofline),
    "RTF": lambda row, found: number(found.real_time_factor, 2),
    WER_PERCENT: lambda row, found: "" if row.error_rate is None else f"{100 * row.error_rate:.1f}",
    "drift": lambda row, found: str(found.drift or ""),
    "RSS MiB": lambda row, found: f"{row.rss_mib:.0f}" if row.rss_mib else "",
}


def summary(report: Report) -> Table:
    """One row for each bundle."""
    return Table(SUMMARY, tuple(_summary_row(report, name) for name in dict.fromkeys(row.subject for row in report.rows)))


def _summary_row(report: Report, subject: str) -> tuple[str, ...]:
    """The widest pass over the longest context, the last schedule's longest fill, the first recording: medians (p90)."""
    own = [row for row in report.rows if row.subject == subject]
    size = next((f"{s.bytes / 2**20:.0f}" for s in report.subjects if s.name == subject), "")

    def of(scenario: str, measure: str = "", starts: str = "", last: bool = False) -> tuple[Row, Figures] | None:
        rows = [r for r in own if r.scenario == scenario and r.measure == measure and r.case.startswith(starts)]
        return (chosen, figures(chosen, report)) if rows and (chosen := rows[-1 if last else 0]) else None

    step, fill, offline = of("step", last=True), of("fill", last=True), of("caption", starts="offline")
    stable, start = of("caption", "stable"), of("load", starts="warm")
    threads = ", ".join(str(count) for count in sorted({row.threads for row in own}))
    return (
        subject,
        size,
        f"{report.machine.cpu}, {threads}",
        with_p90(step[1]) if step else "",
        with_p90(fill[1]) if fill else "",
        number(fill[1].tokens_per_s) if fill else "",
        number(offline[1].real_time_factor, 2) if offline else "",
        with_p90(stable[1], 0.001) if stable else "",
        number(start[1].p50_ms / 1000, 2) if start else "",
        f"{max(row.rss_mib for row in own):.0f}",
    )


def ceiling(report: Report) -> Table:
    rows = []
    for c in report.ceiling:
        rates = (c.fp32_macs_per_s / 1e9, c.int8_macs_per_s / 1e9, c.bytes_per_s / 1e9)
        rows.append((str(c.threads), *(number(rate) for rate in rates)))
    return Table(("threads", "fp32 GMAC/s", "int8 GMAC/s", "reads GB/s"), tuple(rows))


def aup(report: Report) -> Table | None:
    """Accuracy under parallelism of each length; None where no quality is known."""
    found = parallelism(report)
    rows = tuple((one.subject, str(one.threads), one.length, str(one.settings), number(one.aup)) for one in found)
    return Table(("of", "threads", "length", "settings", "AUP"), rows) if rows else None


def scenarios(report: Report) -> list[tuple[str, Table]]:
    """Name and table of each scenario, and of AUP after the last."""
    own = aup(report)
    found = [(name, scenario(report, name)) for name in dict.fromkeys(row.scenario for row in report.rows)]
    return [*found, *([("AUP", own)] if own else [])]


def scenario(report: Report, name: str) -> Table:
    """Columns that are empty in every row are left out."""
    rows = [row for row in report.rows if row.scenario == name]
    found = [figures(row, report) for row in rows]
    lead: dict[str, Sequence[str]] = {"case": [row.label for row in rows]}
    for title, values in (("of", [row.subject for row in rows]), ("threads", [str(row.threads) for row in rows])):
        if len(set(values)) > 1:
            lead = {title: values, **lead}
    columns = {**lead, **{title: [cell(row, f) for row, f in zip(rows, found, strict=True)] for title, cell in COLUMNS.items()}}
    kept = {title: values for title, values in columns.items() if any(values)}
    return Table(tuple(kept), tuple(zip(*kept.values(), strict=True)))
