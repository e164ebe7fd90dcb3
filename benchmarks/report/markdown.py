"""A report as Markdown: the machine, a row to paste for each thing measured, a table for each scenario, what the words mean.

Knows reports and figures. Measures nothing.
"""

import math
from collections.abc import Callable, Sequence

from unmask.benchmarks.report.figures import Figures, figures
from unmask.benchmarks.report.record import Report, Row

Cell = Callable[[Row, Figures], str]
NOTES = (
    "Times are medians with the 95 % interval of the median from order statistics (none below 6 samples); n samples "
    "after warm-up, the cases of a scenario in turns in random order. p99 is given from 500 samples.",
    "Rows are positions that the passes computed. Useful tokens: no padding, nothing behind an end of text.",
    "Compute and reads: products with weights, and bytes of weights, a second, as shares of what this machine did at most in the "
    "same run. Attention and convolutions are not counted, and weights that stay in a cache are read faster than memory is.",
    "Live delays: on the clock on the wall, from the end of a word in the finished caption. tentative: first shown as it reads "
    "in the end; stable: it can change no more; final: all text of a segment is stable, from the end of its last word.",
    "RTF: seconds of computing for a second of audio. RSS: most memory that the measured process held so far.",
)


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits, never an exponent; empty for None."""
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
    "useful tokens/s": lambda row, found: number(found.tokens_per_s),
    "% of compute": lambda row, found: percent(found.compute_share),
    "% of reads": lambda row, found: percent(found.memory_share),
    "RTF": lambda row, found: number(found.real_time_factor, 2),
    "WER %": lambda row, found: "" if row.error_rate is None else f"{100 * row.error_rate:.1f}",
    "drift": lambda row, found: str(found.drift or ""),
    "RSS MiB": lambda row, found: f"{row.rss_mib:.0f}" if row.rss_mib else "",
}


def to_markdown(report: Report) -> str:
    names = ", ".join(dict.fromkeys(row.subject for row in report.rows))
    parts = [f"# unmask bench: {names}", conditions(report), summary(report), "## Ceiling", ceiling(report)]
    for scenario in dict.fromkeys(row.scenario for row in report.rows):
        parts += [f"## {scenario}", scenario_table(report, scenario)]
    if report.skipped:
        parts += ["## Not measured", "\n".join(f"- {name}: {why}" for name, why in report.skipped.items())]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in NOTES)]) + "\n"


def conditions(report: Report) -> str:
    """A few lines: machine, versions, how it was measured, and what the system told of its state."""
    own, before, after, plan = report.machine, report.before, report.after, report.plan
    engines = ", ".join(f"{name} {version}" for name, version in own["engines"].items())
    told = [
        f"load {_load(before)} before, {_load(after)} after",
        *(f"{word} {before[key]}" for key, word in (("governor", "governor"), ("power", "power from")) if before[key]),
        *([f"{before['temperature_c']:.0f} to {after['temperature_c']:.0f} °C"] if before["temperature_c"] else []),
        *([f"{report.energy['joules']:.0f} J by {report.energy['source']} in the whole run"] if report.energy else []),
    ]
    silent = [name for name in ("governor", "power", "temperature_c") if not before[name]] + ["energy"] * (not report.energy)
    return "\n".join(
        [
            f"{report.created[:10]}, unmask {report.version}, {own['system']}, Python {own['python']}, {engines}",
            f"{own['cpu']}, {own['cores']} cores, {' '.join(own['flags']) or 'flags unknown'}, {own['memory_mib'] or '?'} MiB",
            f"{', '.join(told)}{'; not told: ' + ', '.join(silent) if silent else ''}",
            f"{plan['rounds']} rounds and {plan['min_seconds']:g} s a scenario at least, seed {plan['seed']}, "
            f"{'pinned' if plan['pin'] else 'not pinned'}; the harness adds {1e6 * report.overhead_s:.1f} µs to a pass",
        ]
    )


def _load(at: dict) -> str:
    return "/".join(f"{value:.1f}" for value in at["load"]) or "unknown"


def summary(report: Report) -> str:
    """The row to paste, one for each thing measured."""
    head = "| model | MiB | CPU, threads | pass ms | fill ms | tokens/s | RTF | word stable, s | start s | RSS MiB |"
    lines = [head, f"|{'---|' * head.count(' | ')}---|"]
    return "\n".join([*lines, *(summary_row(report, s) for s in dict.fromkeys(row.subject for row in report.rows))])


def summary_row(report: Report, subject: str) -> str:
    """The widest pass over the longest context, the last schedule's longest fill, the first recording: medians (p90)."""
    own = [row for row in report.rows if row.subject == subject]
    size = next((f"{s['bytes'] / 2**20:.0f}" for s in report.subjects if s["name"] == subject), "")

    def of(scenario: str, measure: str = "", starts: str = "", last: bool = False) -> tuple[Row, Figures] | None:
        rows = [r for r in own if r.scenario == scenario and r.measure == measure and r.case.startswith(starts)]
        return (chosen, figures(chosen, report)) if rows and (chosen := rows[-1 if last else 0]) else None

    step, fill, offline = of("step", last=True), of("fill", last=True), of("caption", starts="offline")
    stable, start = of("caption", "stable"), of("load", starts="warm")
    threads = ", ".join(str(count) for count in sorted({row.threads for row in own}))
    cells = (
        subject,
        size,
        f"{report.machine['cpu']}, {threads}",
        with_p90(step[1]) if step else "",
        with_p90(fill[1]) if fill else "",
        number(fill[1].tokens_per_s) if fill else "",
        number(offline[1].real_time_factor, 2) if offline else "",
        with_p90(stable[1], 0.001) if stable else "",
        number(start[1].p50_ms / 1000, 2) if start else "",
        f"{max(row.rss_mib for row in own):.0f}",
    )
    return f"| {' | '.join(cells)} |"


def ceiling(report: Report) -> str:
    lines = ["| threads | fp32 GMAC/s | int8 GMAC/s | reads GB/s |", "|---|---|---|---|"]
    for c in report.ceiling:
        figures_ = (c["fp32_macs_per_s"] / 1e9, c["int8_macs_per_s"] / 1e9, c["bytes_per_s"] / 1e9)
        lines.append(f"| {c['threads']} | {' | '.join(number(value) for value in figures_)} |")
    return "\n".join(lines)


def scenario_table(report: Report, scenario: str) -> str:
    """Columns that no row fills are left out."""
    rows = [row for row in report.rows if row.scenario == scenario]
    found = [figures(row, report) for row in rows]
    lead: dict[str, Sequence[str]] = {"case": [row.label for row in rows]}
    for title, values in (("of", [row.subject for row in rows]), ("threads", [str(row.threads) for row in rows])):
        if len(set(values)) > 1:
            lead = {title: values, **lead}
    columns = {**lead, **{name: [cell(row, f) for row, f in zip(rows, found, strict=True)] for name, cell in COLUMNS.items()}}
    kept = {name: values for name, values in columns.items() if any(values)}
    lines = [f"| {' | '.join(kept)} |", f"|{'---|' * len(kept)}"]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in zip(*kept.values(), strict=True))])
