"""What was measured of settings, which of them are worth keeping, and which is best under a budget.

Knows numbers. Knows no clock, no bundle and no plan.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from unmask.benchmarks.measure.statistics import Interval, Ratio, median_interval, paired_ratio
from unmask.decoding.schedule import Schedule
from unmask.engines.engine_options import EngineOptions


@dataclass(frozen=True)
class Setting:
    """A bundle and how it is run."""

    bundle: Path
    engine: EngineOptions
    schedule: Schedule

    def having(self, **changes: object) -> "Setting":
        """This setting with other values in its schedule."""
        return replace(self, schedule=replace(self.schedule, **changes))


def changes(setting: Setting, default: Setting) -> list[str]:
    """What differs, as text."""
    found = [] if setting.bundle == default.bundle else [setting.bundle.name]
    for part in ("engine", "schedule"):
        own, usual = getattr(setting, part), getattr(default, part)
        for field in fields(own):
            value = getattr(own, field.name)
            if value != getattr(usual, field.name):
                found.append(f"{field.name} {'none' if value is None else 'yes' if value is True else value}")
    return found


@dataclass(frozen=True)
class Point:
    """A setting, seconds of its runs, and those of the default in the same rounds."""

    setting: Setting
    seconds: tuple[float, ...]  # a unit each
    default: tuple[float, ...]
    quality: float  # 0 to 1, more is better
    run: int  # points of one run were measured in the same rounds

    @property
    def ratio(self) -> Ratio:
        """To the default; of the default itself 1."""
        return paired_ratio(self.default, self.seconds)


@dataclass(frozen=True)
class Measured:
    """All points. The default's is among them."""

    default: Setting
    points: tuple[Point, ...]

    @property
    def base(self) -> Point:
        return next(point for point in self.points if point.setting == self.default)

    def ms(self, point: Point) -> float:
        """Milliseconds: the default's median, of its last run, times the ratio, so that settings of different runs compare."""
        return 1000 * float(np.median(self.base.seconds)) * point.ratio.value

    def ms_interval(self, point: Point) -> Interval | None:
        """Of the default's own runs; of any other the interval of its ratio, at the default's median."""
        if point.setting == self.default:
            own = median_interval(point.seconds)
            return Interval(1000 * own.low, 1000 * own.high) if own else None
        spread, scale = point.ratio.interval, 1000 * float(np.median(self.base.seconds))
        return Interval(scale * spread.low, scale * spread.high) if spread else None

    def with_points(self, points: Iterable[Point]) -> "Measured":
        """New points replace older ones of the same setting."""
        own = {point.setting: point for point in (*self.points, *points)}
        return replace(self, points=tuple(own.values()))


def clearly_different(a: Point, b: Point) -> bool:
    """Whether the times of two settings differ: by the ratio of their rounds, or, of different runs, if their intervals do not
    overlap."""
    if a.run == b.run:
        return paired_ratio(a.seconds, b.seconds).clear
    one, other = a.ratio.interval, b.ratio.interval
    return one is not None and other is not None and (one.high < other.low or other.high < one.low)


def front(measured: Measured) -> list[Point]:
    """The Pareto set, the fastest first: no other setting is as good in both quality and time and better in one."""
    kept: list[Point] = []
    for point in sorted(measured.points, key=lambda point: (measured.ms(point), -point.quality)):
        if not kept or point.quality > kept[-1].quality:
            kept.append(point)
    return kept


@dataclass(frozen=True)
class Rules:
    """What may be chosen."""

    budget_ms: float | None = None
    """Largest median time of a unit."""
    tolerance: float = 0.01
    """Loss of quality against the default that is allowed, and difference in quality that does not count."""


@dataclass(frozen=True)
class Choice:
    point: Point
    equal: tuple[Point, ...]
    """Others that are as good and whose time is not clearly different."""


def choose(measured: Measured, rules: Rules) -> Choice | None:
    """The best quality under the budget, and the fastest of those that are as good within the tolerance.

    If its time is not clearly different from the default's, the default is chosen. Otherwise it is the setting with the fewest
    changes among those whose time is not clearly different from the fastest, but is from the default.
    None when nothing keeps both the quality and the budget.
    """
    base = measured.base
    allowed = [
        point
        for point in measured.points
        if point.quality >= base.quality - rules.tolerance and (rules.budget_ms is None or measured.ms(point) <= rules.budget_ms)
    ]
    if not allowed:
        return None
    best = max(point.quality for point in allowed)
    good = [point for point in allowed if point.quality >= best - rules.tolerance]
    fastest = min(good, key=measured.ms)
    equal = [point for point in good if point is fastest or not clearly_different(fastest, point)]
    if base in equal:
        chosen = base
    else:
        better = [point for point in equal if base not in good or point is fastest or clearly_different(point, base)]
        chosen = min(better, key=lambda point: (len(changes(point.setting, measured.default)), measured.ms(point)))
    return Choice(chosen, tuple(point for point in equal if point is not chosen))


def as_points(default: Setting, seconds: dict[Setting, list[float]], quality: dict[Setting, float], run: int) -> list[Point]:
    base: Sequence[float] = seconds[default]
    return [Point(setting, tuple(own), tuple(base), quality[setting], run) for setting, own in seconds.items()]
