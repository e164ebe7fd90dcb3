"""A report as Markdown: the machine, a summary row for each bundle, a table for each scenario, and what the words mean."""

from collections.abc import Sequence

from unmask.benchmarks.measure.conditions import Conditions
from unmask.benchmarks.report import tables
from unmask.benchmarks.report.record import Report

NOTES = (
    "Times are medians with the 95 % interval of the median from order statistics (none below 6 samples); n counts the samples "
    "after warm-up. The cases of a scenario take turns in random order. p99 is given from 500 samples.",
    "Rows are positions that the passes computed. Useful tokens: no padding and nothing after an end of text.",
    "Compute and reads: products with weights, and bytes of weights, per second, as shares of the most that this machine reached "
    "in the same run. Attention and convolutions are not counted, and weights that stay in a cache are read faster than memory. "
    "Of the roofline: the time in multiples of the slower of the two alone.",
    "Tokens per pass (rho): of a whole fill. AUP, d3LLM's accuracy under parallelism: tokens per pass over the settings, weighed "
    "by the words that are right in percent; 100 is all words right and one token a pass.",
    "Live delays: wall-clock time from the end of a word in the finished caption. tentative: the word is first shown as it reads "
    "in the end; stable: it can no longer change; final: all text of a segment is stable, from the end of its last word.",
    "A start happens in a running Python: imports, reading and opening, the first pass. Cold: the system was asked to drop the "
    "bundle's files from memory.",
    "Word error rates are computed by jiwer after Whisper's English normalizer.",
    "RTF: real-time factor, seconds of computing per second of audio. RSS: peak memory of the measured process so far.",
)


def to_markdown(report: Report) -> str:
    lines = "  \n".join(conditions(report))
    parts = [
        f"# {title(report)}",
        lines,
        tables.summary(report).to_markdown(),
        "## Ceiling",
        tables.ceiling(report).to_markdown(),
    ]
    for name, table in tables.scenarios(report):
        parts += [f"## {name}", table.to_markdown()]
    return "\n\n".join([*parts, *ending(report, NOTES)]) + "\n"


def one_table(name: str, table: tables.Table, asked: str, report: Report, notes: Sequence[str]) -> str:
    """A page with one table instead of the scenarios'. asked: a line on what was measured, shown after the conditions."""
    lines = "  \n".join([*conditions(report), asked])
    return "\n\n".join([f"# {name}", lines, table.to_markdown(), *ending(report, notes)]) + "\n"


def ending(report: Report, notes: Sequence[str]) -> list[str]:
    """What could not be measured and why, and what the words mean."""
    skipped = ["## Not measured", "\n".join(f"- {name}: {why}" for name, why in report.skipped.items())]
    return [*(skipped if report.skipped else []), "\n".join(f"- {note}" for note in notes)]


def title(report: Report) -> str:
    return f"unmask bench: {', '.join(dict.fromkeys(row.subject for row in report.rows))}"


def conditions(report: Report) -> list[str]:
    """A few lines: machine, versions, how it was measured, and the state of the system."""
    machine, before, after, plan = report.machine, report.before, report.after, report.plan
    engines = ", ".join(f"{name} {version}" for name, version in machine.engines.items())
    degrees = (before.temperature_c, after.temperature_c)
    known = [
        f"load {_load(before)} before, {_load(after)} after",
        *([f"governor {before.governor}"] if before.governor else []),
        *([f"power from {before.power}"] if before.power else []),
        *(["{:.0f} to {:.0f} °C".format(*degrees)] if all(degrees) else []),
        *([f"{report.energy.joules:.0f} J by {report.energy.source} in the whole run"] if report.energy else []),
    ]
    unknown = [name for name in ("governor", "power", "temperature_c") if not getattr(before, name)]
    unknown += [] if report.energy else ["energy"]
    return [
        f"{report.created[:10]}, unmask {report.version}, {machine.system}, Python {machine.python}, {engines}",
        f"{machine.cpu}, {machine.cores} cores, {' '.join(machine.flags) or 'flags unknown'}, {machine.memory_mib or '?'} MiB",
        f"{', '.join(known)}{'; unknown: ' + ', '.join(unknown) if unknown else ''}",
        f"{plan['rounds']} rounds and {plan['min_seconds']:g} s a scenario at least, seed {plan['seed']}, "
        f"{'pinned' if plan['pin'] else 'not pinned'}; the harness adds {1e6 * report.overhead_s:.1f} µs to a pass",
    ]


def _load(at: Conditions) -> str:
    return "/".join(f"{value:.1f}" for value in at.load) or "unknown"
