"""The Pareto set and the choice, on hand-made points."""

from pathlib import Path

import numpy as np
import pytest

from unmask import EngineOptions, Schedule
from unmask.benchmarks.tuning.pareto import Measured, Point, Rules, Setting, changes, choose, clearly_different, front
from unmask.benchmarks.tuning.report import picture, table
from unmask.benchmarks.tuning.search import TuningResult

DEFAULT = Setting(Path("models/a"), EngineOptions(), Schedule())
BASE = (0.100, 0.101, 0.099, 0.102, 0.100, 0.098, 0.100, 0.101)


def passes(count: int) -> Setting:
    return DEFAULT.having(passes=count)


def point(setting: Setting, ratio: float, quality: float, jitter: float = 0.0, run: int = 0) -> Point:
    """Seconds of `ratio` times the default's, one round more and the next less by the jitter."""
    signs = np.where(np.arange(len(BASE)) % 2, 1 + jitter, 1 - jitter)
    return Point(setting, tuple(ratio * signs * BASE), BASE, quality, run)


def measured(*points: Point, quality: float = 0.9) -> Measured:
    return Measured(DEFAULT, (Point(DEFAULT, BASE, BASE, quality, 0), *points))


def chosen(found: Measured, **rules: float) -> Setting | None:
    choice = choose(found, Rules(**rules))
    return choice.point.setting if choice else None


def test_changes_are_what_differs() -> None:
    other = Setting(Path("models/b"), EngineOptions(threads=2), Schedule(reuse=True, passes=3, verify=4))
    assert changes(other, DEFAULT) == ["b", "threads 2", "passes 3", "verify 4", "reuse yes"]
    assert changes(DEFAULT, other) == ["a", "threads 1", "passes none", "verify 0", "reuse False"]
    assert changes(DEFAULT, DEFAULT) == []


def test_the_front_by_hand() -> None:
    """Times 0.5, 0.5, 0.8, 1, 1.2, 2 with qualities .6, .5, .6, .9, .8, .95: the second, third and fifth are dominated."""
    found = measured(
        point(passes(1), 0.5, 0.6),
        point(passes(2), 0.5, 0.5),
        point(passes(3), 0.8, 0.6),
        point(passes(4), 1.2, 0.8),
        point(passes(5), 2.0, 0.95),
    )
    assert [p.setting for p in front(found)] == [passes(1), DEFAULT, passes(5)]


def test_no_point_of_the_front_is_beaten_and_every_other_is() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        found = measured(*(point(passes(i + 1), t, q) for i, (t, q) in enumerate(rng.integers(1, 6, (12, 2)) / 5)))
        kept = front(found)

        def beaten(one: Point, found: Measured = found) -> bool:
            other = ((found.ms(p), -p.quality) for p in found.points)
            own = found.ms(one), -one.quality
            return any(a <= own[0] and b <= own[1] and (a, b) != own for a, b in other)

        assert not any(beaten(p) for p in kept)
        left = [p for p in found.points if p not in kept]
        assert all(beaten(p) or (found.ms(p), p.quality) in {(found.ms(k), k.quality) for k in kept} for p in left)


def test_times_of_other_runs_are_told_by_their_ratio() -> None:
    slow = tuple(2 * second for second in BASE)  # the machine was busy in that run
    late = Point(passes(1), tuple(0.5 * second for second in slow), slow, 0.9, run=1)
    assert measured(late).ms(late) == pytest.approx(50)


def test_the_fastest_that_keeps_the_quality_is_chosen() -> None:
    found = measured(point(passes(1), 0.5, 0.85), point(passes(2), 0.7, 0.895), point(passes(3), 0.8, 0.9))
    assert chosen(found) == passes(2)
    assert chosen(found, tolerance=0.001) == passes(3)
    assert chosen(found, tolerance=0.06) == passes(1)


def test_better_quality_is_worth_time_but_not_beyond_the_budget() -> None:
    found = measured(point(passes(1), 0.5, 0.9), point(passes(5), 2.0, 0.95))
    assert chosen(found) == passes(5)
    assert chosen(found, budget_ms=150) == passes(1)
    assert chosen(found, budget_ms=60) == passes(1)


def test_nothing_under_the_budget_keeps_the_quality() -> None:
    found = measured(point(passes(1), 0.5, 0.85))
    assert chosen(found, budget_ms=60) is None
    assert chosen(found, budget_ms=60, tolerance=0.05) == passes(1)
    assert chosen(found, budget_ms=100.4) == DEFAULT


def test_what_cannot_be_told_from_the_default_is_the_default() -> None:
    noisy = point(passes(1), 0.97, 0.9, jitter=0.1)
    found = measured(noisy)
    choice = choose(found, Rules())
    assert choice
    assert (choice.point.setting, [p.setting for p in choice.equal]) == (DEFAULT, [passes(1)])


def test_among_equals_what_differs_least_is_chosen() -> None:
    two = Setting(DEFAULT.bundle, EngineOptions(threads=2), Schedule(passes=1))
    found = measured(point(two, 0.5, 0.9, jitter=0.02), point(passes(1), 0.505, 0.9, jitter=-0.02))
    choice = choose(found, Rules())
    assert choice
    assert (choice.point.setting, [p.setting for p in choice.equal]) == (passes(1), [two])


def test_an_equal_that_is_not_clearly_faster_than_the_default_is_not_chosen() -> None:
    """Not being told apart is not transitive."""
    vague = point(passes(2), 0.9, 0.9, jitter=0.3)
    clear = point(Setting(DEFAULT.bundle, EngineOptions(threads=2), Schedule(passes=1)), 0.85, 0.9)
    found = measured(vague, clear)
    assert not clearly_different(vague, clear)
    assert not clearly_different(vague, found.base)
    assert chosen(found) == clear.setting


def test_too_few_rounds_tell_nothing_apart() -> None:
    few = Measured(DEFAULT, tuple(Point(s, (t,) * 5, (0.1,) * 5, 0.9, 0) for s, t in ((DEFAULT, 0.1), (passes(1), 0.05))))
    assert chosen(few) == DEFAULT


def test_points_of_two_runs_are_apart_when_their_intervals_are() -> None:
    assert clearly_different(point(passes(1), 0.5, 0.9, 0.05), point(passes(2), 0.9, 0.9, 0.05, run=1))
    assert not clearly_different(point(passes(1), 0.85, 0.9, 0.2), point(passes(2), 0.9, 0.9, 0.2, run=1))


def test_the_table_and_the_drawing_hold_the_front() -> None:
    found = measured(point(passes(1), 0.5, 0.6), point(passes(2), 0.7, 0.9), point(passes(3), 0.9, 0.5))
    told = TuningResult(found, choose(found, Rules()), stopped=False)
    lines = table(told, "a window", "words right").splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == ["passes 1", "**passes 2**", "default"]
    assert "| 70.0 (70.0 to 70.0) | 0.70 (0.70 to 0.70) |" in lines[3]
    drawn = picture(told, "a <model>", "a window", "words right").decode()
    assert drawn.startswith("<?xml")
    assert "a &lt;model&gt;" in drawn
    assert picture(told, "a model", "a window", "words right", "png").startswith(b"\x89PNG")
