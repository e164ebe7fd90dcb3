"""The harness on a fake clock: order, warm-up, rounds; and calls in processes of their own."""

import io
import json
import os
import sys

import pytest

from unmask.benchmarks.measure import worker as worker_module
from unmask.benchmarks.measure.harness import interleave, overhead_s, seconds_of_each, timed
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
    monkeypatch.setattr(worker_module, "find", lambda target: adder)
    answers = _run_worker(monkeypatch, ['{"target": "x", "arguments": {"start": 2}}', '{"call": {"number": 3}}'])
    assert answers[0] == {"result": None}
    assert answers[1]["result"][0] == 5


def _run_worker(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> list[dict]:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
    monkeypatch.setattr(sys, "stdout", out)
    worker_module.main()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_errors_of_a_worker_arrive_as_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "find", lambda target: adder)
    (answer,) = _run_worker(monkeypatch, ['{"target": "x", "arguments": {"start": -1}}'])
    assert answer == {"error": "start is below 0"}


def test_a_real_worker_answers_and_a_strange_target_is_refused() -> None:
    with Worker("unmask.benchmarks.measure.worker:echo", {}) as worker:
        first, second = worker(text="ä"), worker(text="b")
    assert first["text"] == "ä"
    assert first["pid"] == second["pid"] != os.getpid()
    with pytest.raises(InputError, match=r"only unmask\.\* and benchmarks\.lab\.\*"):
        Worker("os:system", {})


def test_a_worker_that_dies_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="ended with code 1"):
        Worker("unmask.benchmarks.measure.worker:echo", {"nonsense": 1})
    assert "TypeError" in capfd.readouterr().err


def test_variants_of_several_calls_are_kept_apart() -> None:
    began: list[str] = []
    calls = {"a": [lambda: began.append("a0"), lambda: began.append("a1")], "b": [lambda: began.append("b0")]}
    taken = seconds_of_each(calls, 5, warmup=2)
    assert {name: seconds.shape for name, seconds in taken.items()} == {"a": (5, 2), "b": (5, 1)}
    assert [began.count(name) for name in ("a0", "a1", "b0")] == [7, 7, 7]
    assert all(set(began[i : i + 3]) == {"a0", "a1", "b0"} for i in range(0, 21, 3))
