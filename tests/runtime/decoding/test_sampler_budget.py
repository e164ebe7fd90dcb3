"""Time budgets with a clock that only passes advance, and the checks of a schedule's options."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding.canvas import Canvas, IdRange
from unmask.decoding.denoiser import Step, TopKScores
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError


class Timed:
    """A denoiser whose passes take the given seconds in turn, and the clock that they advance. It is never confident."""

    def __init__(self, costs_s: list[float]) -> None:
        self.costs_s, self.spent_s = costs_s, list[float]()

    def clock(self) -> float:
        return 1000.0 + sum(self.spent_s)

    def reset(self) -> None: ...

    def window(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        wanted: NDArray[np.int64],
        allowed: tuple[tuple[IdRange, ...], ...],
    ) -> TopKScores:
        self.spent_s.append(self.costs_s[len(self.spent_s) % len(self.costs_s)])
        count = len(wanted)
        logits = np.linspace(-1, -2, count, dtype=np.float32)[:, None]
        return TopKScores(np.zeros((count, 1), np.int64), logits, np.zeros(count, np.float32), np.ones(count, np.float32))


def run(masks: int, timed: Timed, schedule: Schedule) -> list[Step]:
    return list(fill(Canvas.masked(masks, "text", ((0, 5),), 5), timed, schedule, timed.clock))


@given(
    masks=st.integers(1, 40),
    costs_s=st.lists(st.integers(1, 400).map(lambda n: n / 64), min_size=1, max_size=12),
    budget_ms=st.integers(1, 60_000),
    rule=st.sampled_from(["threshold", "factor", "quota"]),
)
def test_overruns_by_at_most_the_slowest_pass(masks: int, costs_s: list[float], budget_ms: int, rule: str) -> None:
    timed = Timed(costs_s)
    steps = run(masks, timed, Schedule(passes=60 if rule == "quota" else None, rule=rule, threshold=1.0, budget_ms=budget_ms))
    assert steps[-1].masked == 0
    assert sum(timed.spent_s) <= budget_ms / 1000 + max(timed.spent_s) + 1e-9


@given(masks=st.integers(1, 40), budget=st.integers(1, 50))
def test_steady_passes_end_in_time(masks: int, budget: int) -> None:
    timed = Timed([1.0])
    steps = run(masks, timed, Schedule(threshold=1.0, budget_ms=budget * 1000 + 1))
    assert len(steps) <= budget
    assert len(steps) == masks or masks > budget


def test_commits_are_spread_over_the_budget() -> None:
    steps = run(10, Timed([1.0]), Schedule(threshold=1.0, budget_ms=4500))
    assert [len(step.committed) for step in steps] == [3, 3, 2, 2]
    assert [step.seconds for step in steps] == [1.0] * 4


def test_plans_with_the_slowest_pass() -> None:
    steps = run(12, Timed([2.0, 1.0]), Schedule(threshold=1.0, budget_ms=6500))
    assert [len(step.committed) for step in steps] == [4, 4, 4]  # 4.5 s: two more of 2 s; 3.5 s: one; 1.5 s: none


@pytest.mark.parametrize("budget_ms", [0.001, 1.0, 999.0])
def test_budget_below_a_pass_is_one_pass(budget_ms: float) -> None:
    steps = run(20, Timed([1.0]), Schedule(threshold=1.0, budget_ms=budget_ms))
    assert [step.masked for step in steps] == [0]


def test_no_budget_no_hurry() -> None:
    assert len(run(20, Timed([1.0]), Schedule(threshold=1.0))) == 20


def test_a_budget_never_slows_the_rule() -> None:
    steps = run(20, Timed([0.0]), Schedule(passes=4, rule="quota", budget_ms=1e6))
    assert [len(step.committed) for step in steps] == [5, 5, 5, 5]


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "thresold"}, "rule 'thresold' is not one of quota, threshold, factor"),
        ({"order": "prob"}, "order 'prob' is not one of probability, margin, negative_entropy"),
        ({"passes": 0}, "passes is 0; at least 1"),
        ({"passes": -3}, "passes is -3; at least 1"),
        ({"rule": "quota"}, "quota rule .* set passes"),
        ({"threshold": 0.0}, r"threshold is 0\.0; it must be above 0 and at most 1"),
        ({"threshold": 1.5}, r"threshold is 1\.5"),
        ({"threshold": NAN}, "threshold is nan"),
        ({"rule": "factor", "factor": 0.0}, r"factor is 0\.0; it must be above 0"),
        ({"factor": -1.0}, r"factor is -1\.0"),
        ({"factor": NAN}, "factor is nan"),
        ({"budget_ms": 0.0}, r"budget_ms is 0\.0; it must be above 0"),
        ({"budget_ms": -5.0}, r"budget_ms is -5\.0"),
        ({"budget_ms": NAN}, "budget_ms is nan"),
        ({"budget_ms": INFINITE}, "budget_ms is inf"),
    ],
)
def test_impossible_schedules(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Schedule(**options)


def test_limits_of_possible_schedules() -> None:
    assert Schedule(passes=1, rule="quota", threshold=1.0, factor=1e-9, budget_ms=1e-9).passes == 1
    assert Schedule() == Schedule(passes=None, rule="threshold", order="probability", budget_ms=None)
