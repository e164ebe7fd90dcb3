"""The Pareto front as a table and as a picture. Knows points; measures nothing."""

from typing import TYPE_CHECKING

import numpy as np

from unmask.benchmarks.measure.statistics import Interval
from unmask.benchmarks.report.plots import drawn
from unmask.benchmarks.tuning.pareto import Measured, Point, changes, front
from unmask.benchmarks.tuning.search import TuningResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("svg", "png")
FRONT, OTHER, CHOSEN = "#0072B2", "#BBBBBB", "#D55E00"


def named(measured: Measured, point: Point) -> str:
    return ", ".join(changes(point.setting, measured.default)) or "default"


def table(found: TuningResult, unit: str, measure: str, tokens: int | None = None) -> str:
    """Markdown: the front, the default and what was chosen. tokens: of a unit, where their number is fixed."""
    measured, chosen = found.measured, found.choice.point.setting if found.choice else None
    kept = {point.setting for point in front(measured)} | {measured.default, chosen}
    rows = sorted((point for point in measured.points if point.setting in kept), key=measured.ms)
    head = ["setting", f"{measure}, %", f"ms {unit} (95 %)", *(["tokens/s"] if tokens else []), "ratio to the default"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for point in rows:
        name = named(measured, point)
        quality = f"{100 * point.quality:.1f}"
        spread = _spread(measured.ms_interval(point))
        ratio = "" if point.setting == measured.default else str(point.ratio)
        shown = f"**{name}**" if point.setting == chosen else name
        rate = [f"{1000 * tokens / measured.ms(point):.1f}"] if tokens else []
        lines.append(f"| {' | '.join([shown, quality, f'{measured.ms(point):.1f}{spread}', *rate, ratio])} |")
    return "\n".join(lines)


def _spread(interval: Interval | None) -> str:
    return f" ({interval.low:.1f} to {interval.high:.1f})" if interval else ""


def picture(found: TuningResult, title: str, unit: str, measure: str, kind: str = "svg") -> bytes:
    """Time to the right, quality upwards; the front is joined, other settings are pale, bars are intervals of time.

    kind: of `FORMATS`.
    """

    def draw(axes: "Axes") -> bool:
        measured, best = found.measured, front(found.measured)
        chosen = found.choice.point if found.choice else None
        axes.plot([measured.ms(p) for p in best], [100 * p.quality for p in best], color=FRONT, zorder=1)
        rest = [p for p in measured.points if p not in best and p is not chosen]
        for points, color in ((rest, OTHER), (best, FRONT), ([chosen] if chosen else [], CHOSEN)):
            _points(axes, measured, points, color)
        for point in {id(p): p for p in (chosen, measured.base) if p}.values():
            at = (measured.ms(point), 100 * point.quality)
            axes.annotate(named(measured, point), at, xytext=(6, 6), textcoords="offset points")
        axes.set_title(title)
        axes.set_xlabel(f"ms {unit}")
        axes.set_ylabel(f"{measure}, %")
        return True

    drawing = drawn(draw, kind)
    assert drawing is not None  # there is always the default
    return drawing


def _points(axes: "Axes", measured: Measured, points: list[Point], color: str) -> None:
    if points:
        middle = np.array([measured.ms(point) for point in points])
        ends = np.array([_ends(measured, point) for point in points]).T
        spread = np.abs(ends - middle)
        axes.errorbar(middle, [100 * p.quality for p in points], xerr=spread, fmt="o", color=color, capsize=2)


def _ends(measured: Measured, point: Point) -> tuple[float, float]:
    interval, own = measured.ms_interval(point), measured.ms(point)
    return (interval.low, interval.high) if interval else (own, own)
