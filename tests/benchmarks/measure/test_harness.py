"""The harness on a fake clock: order, warm-up, and every statistic against a hand computation."""

import io
import json
import math
import os
import sys

import numpy as np
import pytest

from unmask.benchmarks.measure import worker as isolate
from unmask.benchmarks.measure.harness import (
    Interval,
    interleave,
    median_interval,
    overhead_s,
    paired_ratio,
    seconds_of_each,
    summarize,
    timed,
)
from unmask.benchmarks.measure.worker import Worker
from unmask.errors import InputError


class Clock:
    """Moves only when a fake engine works."""

    def __init__(self) -> None:
        self.now_s, self.calls = 0.0, list[str]()

    def __call__(self) -> float:
        return self.now_s

    def engine(self, name: str, *seconds: float) -> "object":
        """Takes these seconds in turn, then the last of them for ever."""
        left = list(seconds)

        def run() -> None:
            self.calls.append(name)
            self.now_s += left.pop(0) if len(left) > 1 else left[0]

        return run


def test_each_round_calls_every_variant_once_and_warm_up_does_not_count() -> None:
    clock = Clock()
    variants = {"a": timed(clock.engine("a", 9.0, 1.0, 2.0, 3.0), clock), "b": timed(clock.engine("b", 9.0, 4.0), clock)}
    samples = interleave(variants, rounds=3, seed=1, warmup=1, clock=clock)
    assert samples == {"a": [1.0, 2.0, 3.0], "b": [4.0, 4.0, 4.0]}
    assert [sorted(clock.calls[i : i + 2]) for i in range(0, 8, 2)] == [["a", "b"]] * 4


def test_the_order_is_drawn_anew_each_round_and_the_seed_repeats_it() -> None:
    def order(seed: int) -> list[str]:
        clock = Clock()
        interleave({name: timed(clock.engine(name, 1.0), clock) for name in "abc"}, rounds=20, seed=seed, clock=clock)
        return clock.calls

    assert order(3) == order(3)
    assert order(3) != order(4)
    assert len({tuple(order(3)[i : i + 3]) for i in range(0, 60, 3)}) == 6  # all orders of three


def test_rounds_go_on_until_the_seconds_have_gone_by() -> None:
    clock = Clock()
    variants = {"a": timed(clock.engine("a", 1.0), clock), "b": timed(clock.engine("b", 2.0), clock)}
    assert len(interleave(variants, rounds=2, min_seconds=10.0, clock=clock)["a"]) == 4  # 3 s a round
    assert len(interleave(variants, rounds=7, min_seconds=10.0, clock=clock)["a"]) == 7


def test_incomplete_work_is_no_result() -> None:
    def fails() -> float:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        interleave({"good": lambda: 1.0, "bad": fails}, rounds=1)
    with pytest.raises(ValueError, match="rounds is 0"):
        interleave({"good": lambda: 1.0}, rounds=0)


def test_percentiles_by_hand() -> None:
    found = summarize([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (found.n, found.p50) == (5, 3.0)
    assert found.p90 == pytest.approx(4.6)  # 0.9 * 4 = 3.6 steps from the smallest
    assert found.p99 is None
    assert found.interval is None  # five samples leave 2 / 32 outside
    many = summarize([float(i) for i in range(500)])
    assert many.p99 == pytest.approx(494.01)
    assert summarize([float(i) for i in range(499)]).p99 is None
    with pytest.raises(ValueError, match="no samples"):
        summarize([])


def test_the_median_interval_by_hand() -> None:
    """n = 6: 2 / 64 outside the extremes. n = 10: k = 2 leaves 2 * 11 / 1024, k = 3 would leave 2 * 56 / 1024 > 5 %."""
    assert median_interval([6, 1, 5, 2, 4, 3]) == Interval(1, 6)
    assert median_interval(list(range(1, 11))) == Interval(2, 9)
    assert median_interval(list(range(1, 11)), confidence=0.99) == Interval(1, 10)
    assert median_interval([]) is None


def test_the_interval_of_many_samples_is_the_normal_approximation() -> None:
    """k is about n / 2 - 1.96 sqrt(n) / 2."""
    for n in (999, 1000, 5000):
        found = median_interval(list(range(n)))
        assert found is not None
        assert found.low == pytest.approx(n / 2 - 0.98 * math.sqrt(n), abs=1.5)
        assert found.low + found.high == n - 1


def test_the_interval_covers_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hit = [math.log(2) in (median_interval(rng.exponential(size=25).tolist()) or ()) for _ in range(2000)]
    assert 0.94 < np.mean(hit) < 0.975  # 25 samples: 95.7 %


def test_paired_ratios_cancel_what_slows_a_round_down() -> None:
    rounds = np.array([1.0, 10.0, 2.0, 5.0, 3.0, 7.0, 4.0])
    found = paired_ratio(list(rounds), list(1.5 * rounds))
    assert (found.value, found.n) == (1.5, 7)
    assert found.interval == Interval(1.5, 1.5)
    assert found.clear
    assert str(found) == "1.50 (1.50 to 1.50)"


def test_a_ratio_that_scatters_around_one_is_no_clear_difference() -> None:
    found = paired_ratio([1.0] * 6, [0.9, 1.1, 0.8, 1.2, 1.05, 0.95])
    assert found.value == pytest.approx(1.0)
    assert not found.clear
    assert "no clear difference" in str(found)
    assert not paired_ratio([1.0] * 5, [2.0] * 5).clear  # too few to tell
    with pytest.raises(ValueError, match="zip"):
        paired_ratio([1.0], [1.0, 2.0])


def test_overhead_is_what_an_empty_call_costs() -> None:
    ticks = iter(range(10_000))
    assert overhead_s(lambda: 0.25 * next(ticks)) == 0.25


# ---- processes


def adder(start: int) -> object:
    """A target: adds up what it is given."""
    if start < 0:
        raise InputError("start is below 0")
    total = [start]

    def add(number: int) -> list[int]:
        print("printing does not disturb the answers")
        total[0] += number
        return [total[0], os.getpid()]

    return add


def test_a_worker_keeps_its_state_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolate, "find", lambda target: adder)
    answers = _run_worker(monkeypatch, ['{"target": "x", "arguments": {"start": 2}}', '{"call": {"number": 3}}'])
    assert answers[0] == {"result": None}
    assert answers[1]["result"][0] == 5


def _run_worker(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> list[dict]:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
    monkeypatch.setattr(sys, "stdout", out)
    isolate.main()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_errors_of_a_worker_arrive_as_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolate, "find", lambda target: adder)
    (answer,) = _run_worker(monkeypatch, ['{"target": "x", "arguments": {"start": -1}}'])
    assert answer == {"error": "start is below 0"}


def test_a_real_worker_answers_and_a_strange_target_is_refused() -> None:
    with Worker("unmask.benchmarks.measure.worker:echo", {}) as worker:
        first, second = worker(text="ä"), worker(text="b")
    assert first["text"] == "ä"
    assert first["pid"] == second["pid"] != os.getpid()
    with pytest.raises(InputError, match=r"only unmask\.benchmarks"):
        Worker("os:system", {})


def test_a_worker_that_dies_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="ended with code 1"):
        Worker("unmask.benchmarks.measure.worker:echo", {"nonsense": 1})
    assert "TypeError" in capfd.readouterr().err


def test_variants_of_several_calls_are_told_apart() -> None:
    began: list[str] = []
    calls = {"a": [lambda: began.append("a0"), lambda: began.append("a1")], "b": [lambda: began.append("b0")]}
    taken = seconds_of_each(calls, 5, warmup=2)
    assert {name: seconds.shape for name, seconds in taken.items()} == {"a": (5, 2), "b": (5, 1)}
    assert [began.count(name) for name in ("a0", "a1", "b0")] == [7, 7, 7]
    assert all(set(began[i : i + 3]) == {"a0", "a1", "b0"} for i in range(0, 21, 3))
