"""A report as Markdown: the machine, a row to paste for each thing measured, a table for each scenario, what the words mean."""

from collections.abc import Sequence

from unmask.benchmarks.report import tables
from unmask.benchmarks.report.record import Report

NOTES = (
    "Times are medians with the 95 % interval of the median from order statistics (none below 6 samples); n samples "
    "after warm-up, the cases of a scenario in turns in random order. p99 is given from 500 samples.",
    "Rows are positions that the passes computed. Useful tokens: no padding, nothing behind an end of text.",
    "Compute and reads: products with weights, and bytes of weights, a second, as shares of what this machine did at most in the "
    "same run. Attention and convolutions are not counted, and weights that stay in a cache are read faster than memory is.",
    "Live delays: on the clock on the wall, from the end of a word in the finished caption. tentative: first shown as it reads "
    "in the end; stable: it can change no more; final: all text of a segment is stable, from the end of its last word.",
    "A start is that of a Python that runs already: imports, reading and opening, the first pass. Cold: the system was asked to "
    "forget the bundle's files.",
    "RTF: seconds of computing for a second of audio. RSS: most memory that the measured process held so far.",
)


def to_markdown(report: Report) -> str:
    told = "  \n".join(conditions(report))
    parts = [f"# {title(report)}", told, tables.summary(report).to_markdown(), "## Ceiling", tables.ceiling(report).to_markdown()]
    for name in scenarios(report):
        parts += [f"## {name}", tables.scenario(report, name).to_markdown()]
    return "\n\n".join([*parts, *ending(report, NOTES)]) + "\n"


def one_table(name: str, table: tables.Table, asked: str, report: Report, notes: Sequence[str]) -> str:
    """A page with a table of its own instead of the scenarios'. asked: a line on what was measured, behind the conditions."""
    told = "  \n".join([*conditions(report), asked])
    return "\n\n".join([f"# {name}", told, table.to_markdown(), *ending(report, notes)]) + "\n"


def ending(report: Report, notes: Sequence[str]) -> list[str]:
    """What could not be measured and why, and what the words mean."""
    skipped = ["## Not measured", "\n".join(f"- {name}: {why}" for name, why in report.skipped.items())]
    return [*(skipped if report.skipped else []), "\n".join(f"- {note}" for note in notes)]


def title(report: Report) -> str:
    return f"unmask bench: {', '.join(dict.fromkeys(row.subject for row in report.rows))}"


def scenarios(report: Report) -> list[str]:
    return list(dict.fromkeys(row.scenario for row in report.rows))


def conditions(report: Report) -> list[str]:
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
    return [
        f"{report.created[:10]}, unmask {report.version}, {own['system']}, Python {own['python']}, {engines}",
        f"{own['cpu']}, {own['cores']} cores, {' '.join(own['flags']) or 'flags unknown'}, {own['memory_mib'] or '?'} MiB",
        f"{', '.join(told)}{'; not told: ' + ', '.join(silent) if silent else ''}",
        f"{plan['rounds']} rounds and {plan['min_seconds']:g} s a scenario at least, seed {plan['seed']}, "
        f"{'pinned' if plan['pin'] else 'not pinned'}; the harness adds {1e6 * report.overhead_s:.1f} µs to a pass",
    ]


def _load(at: dict) -> str:
    return "/".join(f"{value:.1f}" for value in at["load"]) or "unknown"
