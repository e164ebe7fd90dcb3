"""The search on a fake engine: which stages run, what they build on, and what an interruption leaves."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from unmask import EngineOptions, Schedule
from unmask.benchmarks.tuning.pareto import Rules, Setting
from unmask.benchmarks.tuning.search import FINALISTS, Stage, Trials, runs_of, search
from unmask.benchmarks.tuning.search_space import _orders, _reuse, caption_stages, machine, thread_counts

DEFAULT = Setting(Path("a"), EngineOptions(), Schedule(verify=64))


class Model:
    """Takes a time and has a quality that follow from the setting alone, but for 1 % of noise."""

    def __init__(self, seconds: Callable[[Setting], float], quality: Callable[[Setting], float] = lambda setting: 0.9) -> None:
        self.seconds, self.worth = seconds, quality
        self.ran: list[Setting] = []
        self.kept: list[Sequence[Setting]] = []
        self.quality: dict[Setting, float] = {}
        self.rng = np.random.default_rng(0)

    def run(self, setting: Setting) -> float:
        self.ran.append(setting)
        self.quality[setting] = self.worth(setting)
        return self.seconds(setting) * (1 + 0.01 * self.rng.standard_normal())

    def trials(self, rounds: int = 7) -> Trials:
        return Trials(self.run, self.quality, self.kept.append, rounds)


def stage(name: str, **values: Sequence[object]) -> Stage:
    ((field, some),) = values.items()
    return Stage(name, lambda best: [best.having(**{field: value}) for value in some])


PASSES = stage("passes", passes=(1, 2, 4))
CHECKS = stage("checks", verify=(0, 8, 64))


def cost(setting: Setting) -> float:
    return 0.01 * (setting.schedule.passes or 10) + 0.001 * setting.schedule.verify


def test_each_stage_builds_on_the_best_of_the_one_before() -> None:
    model = Model(cost)
    found = search(DEFAULT, [PASSES, CHECKS], model.trials(), Rules())
    assert found.choice
    assert found.choice.point.setting == DEFAULT.having(passes=1, verify=0)
    assert not found.stopped
    tried = {setting.schedule.passes for setting in model.ran if setting.schedule.verify == 8}
    assert tried == {1}  # not the full product


def test_quality_is_kept_at_every_stage() -> None:
    model = Model(cost, lambda setting: 0.5 if setting.schedule.verify < 8 or setting.schedule.passes == 1 else 0.9)
    found = search(DEFAULT, [PASSES, CHECKS], model.trials(), Rules())
    assert found.choice
    assert found.choice.point.setting == DEFAULT.having(passes=2, verify=8)


def test_the_default_is_in_every_run_and_the_last_run_alone_decides() -> None:
    model = Model(cost)
    found = search(DEFAULT, [PASSES, CHECKS], model.trials(rounds=6), Rules())
    for point in found.measured.points:
        assert len(point.seconds) == len(point.default) in (6, 12)
    assert found.choice
    assert len(found.choice.point.seconds) == 12
    assert all(DEFAULT in kept for kept in model.kept)


def test_a_model_that_nothing_makes_faster_keeps_its_default() -> None:
    found = search(DEFAULT, [PASSES, CHECKS], Model(lambda setting: 0.1).trials(), Rules())
    assert found.choice
    assert found.choice.point.setting == DEFAULT


def test_nothing_fits_the_budget() -> None:
    assert search(DEFAULT, [PASSES], Model(cost).trials(), Rules(budget_ms=1)).choice is None


def test_stages_without_anything_new_are_left_out() -> None:
    told: list[str] = []
    search(DEFAULT, [PASSES, Stage("none", lambda best: []), PASSES], Model(cost).trials(), Rules(), told.append)
    assert told == ["passes", "the best once more"]


def interrupted(after: int) -> Model:
    def seconds(setting: Setting) -> float:
        if len(model.ran) > after:
            raise KeyboardInterrupt
        return cost(setting)

    model = Model(seconds)
    return model


def test_an_interruption_keeps_the_stages_that_are_whole() -> None:
    whole = 4 * 8  # the first stage: the default and three others, seven rounds and one that warms up
    for after in (whole, whole + 5, whole + 3 * 8 + 2):
        found = search(DEFAULT, [PASSES, CHECKS], interrupted(after).trials(), Rules())
        assert found.stopped
        assert found.choice
        assert found.choice.point.setting.schedule.passes == 1
        assert (found.choice.point.setting.schedule.verify == 0) == (after > whole + 5)


def test_an_interruption_before_anything_is_whole_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt):
        search(DEFAULT, [PASSES], interrupted(9).trials(), Rules())


def test_the_plan_counts_what_is_run_at_most() -> None:
    model = Model(cost)
    expected = runs_of(DEFAULT, [PASSES, CHECKS], 7)
    assert expected == [("passes", 4 * 8), ("checks", 3 * 8), ("the best once more", (FINALISTS + 1) * 15)]
    search(DEFAULT, [PASSES, CHECKS], model.trials(), Rules())
    assert len(model.ran) <= sum(count for _, count in expected) + 8


# ---- what is tried


def test_precisions_are_tried_with_all_counts_of_threads() -> None:
    bundles = [(Path("a"), EngineOptions()), (Path("b"), EngineOptions(engine="litert"))]
    tried = machine(bundles, [1, 2]).around(DEFAULT)
    assert {(str(s.bundle), s.engine.engine, s.engine.threads) for s in tried} == {
        ("a", "onnx", 1),
        ("a", "onnx", 2),
        ("b", "litert", 1),
        ("b", "litert", 2),
    }
    assert [thread_counts(cores) for cores in (1, 2, 3, 6, 8)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_one_pass_has_no_order_and_nothing_to_reuse() -> None:
    assert (_orders(DEFAULT.having(passes=1)), _reuse(DEFAULT.having(passes=1))) == ([], [])
    assert {s.schedule.order for s in _orders(DEFAULT)} == {"probability", "margin", "negative_entropy"}
    assert {s.schedule.window for s in _reuse(DEFAULT)} == {"masked"}
    assert {s.schedule.window for s in _reuse(DEFAULT.having(block=8))} == {"masked", "block", "suffix"}


def test_of_captions_only_the_lookahead_is_tried() -> None:
    (only,) = caption_stages()
    assert [setting.schedule.verify_lookahead for setting in only.around(DEFAULT)] == [None, 4, 8, 12, 16, 24, 32]
