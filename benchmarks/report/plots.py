"""A report's pictures: latency by window, distributions, quality against latency, live delays and backlog, a soak over time.

Knows reports and matplotlib, which is imported on use. Pictures without rows in the report are left out.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unmask.benchmarks.measure.word_errors import WER_PERCENT
from unmask.benchmarks.report.figures import figures
from unmask.benchmarks.report.record import Report, Row, thinned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Also distinguishable with color blindness.
COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#444444",
    "#8B6914",
)
MOST_LINES = len(COLORS)
SIZE, DPI = (8.0, 4.5), 110


@dataclass(frozen=True)
class Picture:
    png: bytes
    caption: str


def pictures(report: Report) -> dict[str, Picture]:
    """By name, which is that of a file too."""
    found = {}
    for name, (caption, draw) in PICTURES.items():
        if (png := drawn(lambda axes, draw=draw: draw(axes, report))) is not None:
            found[name] = Picture(png, caption)
    return found


def drawn(draw: Callable[["Axes"], bool], kind: str = "png") -> bytes | None:
    """A picture as bytes of a file; None when `draw` says that it has nothing to show. kind: png or svg."""
    from matplotlib import cycler
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set_prop_cycle(cycler(color=COLORS))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if not draw(axes):
        return None
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    out = io.BytesIO()
    figure.savefig(out, format=kind, metadata={"Software": None} if kind == "png" else {"Date": None})
    return out.getvalue()


def by_window(axes: "Axes", report: Report) -> bool:
    """A line for each subject and context, with the intervals of the medians."""
    lines: dict[str, list[Row]] = {}
    for row in whole(report, "step"):
        lines.setdefault(f"{row.subject}, {row.case.partition(', ')[2]}", []).append(row)
    for label, rows in lines.items():
        rows = sorted(rows, key=lambda row: row.rows)
        found = [figures(row, report) for row in rows]
        middle = np.array([f.p50_ms for f in found])
        low = np.array([f.p50_ms if f.low_ms is None else f.low_ms for f in found])
        high = np.array([f.p50_ms if f.high_ms is None else f.high_ms for f in found])
        axes.errorbar([row.rows for row in rows], middle, (middle - low, high - middle), marker="o", capsize=3, label=label)
    if lines:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("rows in the window")
        axes.set_ylabel("ms a pass")
    return bool(lines)


def distribution(scenario: str) -> Callable[["Axes", Report], bool]:
    """Share of samples below each time: one case for each color, evenly spread from the fastest to the slowest."""

    def draw(axes: "Axes", report: Report) -> bool:
        rows = [row for row in whole(report, scenario) if len(row.samples_us) > 1]
        for row in thinned(sorted(rows, key=lambda row: np.median(row.samples_us)), MOST_LINES):
            cumulative(axes, [us / 1000 for us in row.samples_us], named(row, rows))
        if rows:
            from matplotlib.ticker import LogLocator, NullFormatter

            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel("ms")
        return bool(rows)

    return draw


def live_delays(axes: "Axes", report: Report) -> bool:
    """All recordings together."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in report.rows:
        if row.scenario == "caption" and row.measure in ("tentative", "stable", "final"):
            found.setdefault((row.subject, row.measure), []).extend(us / 1e6 for us in row.samples_us)
    subjects = {subject for subject, _ in found}
    for (subject, measure), delays in found.items():
        cumulative(axes, delays, f"{subject}, {measure}" if len(subjects) > 1 else measure)
    axes.set_xlabel("seconds after the end of the word")
    return bool(found)


def quality(axes: "Axes", report: Report) -> bool:
    """Word errors of fills of a whole recording; each point is a schedule."""
    rows = [row for row in whole(report, "fill") if row.error_rate is not None]
    for row in rows:
        axes.plot([figures(row, report).p50_ms], [100 * row.error_rate], "o", label=named(row, rows))
    if rows:
        axes.set_xlabel("ms a fill, median")
        axes.set_ylabel(WER_PERCENT)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=-1)
    return bool(rows)


def backlog(axes: "Axes", report: Report) -> bool:
    rows = [row for row in report.rows if "backlog_s" in row.series]
    for row in rows[:MOST_LINES]:
        times, seconds = np.array(row.series["backlog_s"]).T
        axes.plot(times, seconds, drawstyle="steps-post", label=named(row, rows, measure=False))
    axes.set_xlabel("seconds")
    axes.set_ylabel("unprocessed audio, s")
    axes.set_ylim(bottom=0)
    return bool(rows)


def over_time(series: str, unit: str, scale: float = 1.0) -> Callable[["Axes", Report], bool]:
    def draw(axes: "Axes", report: Report) -> bool:
        rows = [row for row in report.rows if series in row.series]
        for row in rows[:MOST_LINES]:
            times, values = np.array(row.series[series]).T
            axes.plot(times / 60, scale * values, linewidth=1, label=named(row, rows, measure=False))
        axes.set_xlabel("minutes")
        axes.set_ylabel(unit)
        return bool(rows)

    return draw


PICTURES: dict[str, tuple[str, Callable[["Axes", Report], bool]]] = {
    "window": ("Milliseconds a pass by rows in the window, medians with their 95 % intervals.", by_window),
    "step": ("How many passes took no longer than a time.", distribution("step")),
    "fill": ("How many fills took no longer than a time.", distribution("fill")),
    "quality": ("Word errors against the time of a fill, a point for each schedule.", quality),
    "offline": ("How many transcriptions of a recording took no longer than a time.", distribution("caption")),
    "live": ("Delays of live captions: the share of words that were shown after each delay.", live_delays),
    "backlog": ("Audio that had arrived and was not processed yet, over a live run.", backlog),
    "load": ("How many starts took no longer than a time.", distribution("load")),
    "soak": ("Milliseconds a fill over a soak.", over_time("latency_s", "ms a fill", 1000)),
    "memory": ("Memory that the process held over a soak.", over_time("rss_mib", "MiB")),
    "temperature": ("Temperature of the hottest zone over a soak.", over_time("temperature_c", "°C")),
}


def cumulative(axes: "Axes", values: Sequence[float], label: str) -> None:
    ordered = np.sort(values)
    axes.plot(ordered, np.arange(1, len(ordered) + 1) / len(ordered), drawstyle="steps-post", label=label)
    axes.set_ylabel("share")
    axes.set_ylim(0, 1.02)


def whole(report: Report, scenario: str) -> list[Row]:
    return [row for row in report.rows if row.scenario == scenario and not row.measure]


def named(row: Row, among: Sequence[Row], measure: bool = True) -> str:
    own = row.label if measure else row.case
    return f"{row.subject}, {own}" if len({other.subject for other in among}) > 1 else own
