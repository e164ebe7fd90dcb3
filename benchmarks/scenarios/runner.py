"""Cases, what they answer, and the runner that takes them in turns. Other systems are added as cases.

A `Case` names a function that is opened in a process of its own (`measure.worker`) and the arguments of each call.
The process answers every call with `Sample.to_json()`. Cases with the same target and arguments share a process.
Knows processes, clocks and numbers. Knows no bundle and no report.
"""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from unmask.benchmarks.measure.harness import Clock, interleave
from unmask.benchmarks.measure.worker import Worker
from unmask.decoding.schedule import check_seed
from unmask.errors import InputError

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sample:
    """What one call of a case did. seconds are measured in the process that did it, without the pipe."""

    seconds: float
    passes: int = 0
    rows: int = 0  # computed in the passes
    tokens: int = 0  # useful ones: no padding, nothing after an end of text
    macs: int = 0  # multiplications with weights, if they can be counted
    bytes: int = 0  # weights read by the passes
    rss_mib: float = 0.0  # peak of the process so far
    text: str | None = None  # the result
    more: dict[str, list[float]] = field(default_factory=dict)  # further measures in seconds, each a row of its own
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # over seconds since the call began

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(raw: dict[str, Any]) -> "Sample":
        return Sample(**{**raw, "series": {name: [(t, v) for t, v in points] for name, points in raw["series"].items()}})


@dataclass(frozen=True)
class Case:
    """One thing to be timed repeatedly."""

    scenario: str
    subject: str  # bundle, shape or peer
    name: str  # distinguishes it from the scenario's others
    target: str  # module:function, opened in a process of its own
    arguments: dict[str, Any]
    call: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    fresh: bool = False  # a new process for every call
    once: bool = False  # one call is enough: it runs alone, after the others
    reference: str | None = None  # what `text` should say
    audio_s: float | None = None  # of a recording that a call reads completely

    @property
    def title(self) -> str:
        return ", ".join(part for part in (self.subject, self.name) if part)

    @property
    def process(self) -> str:
        return json.dumps([self.target, self.arguments], sort_keys=True)


@dataclass(frozen=True)
class Plan:
    """How long to measure. Every case of a scenario has the same number of samples. Raises InputError for bad values."""

    rounds: int = 10
    """Samples of each case at least."""
    min_seconds: float = 10.0
    """Continue until the cases of a scenario have taken this long together."""
    warmup: int = 2
    """Rounds at the beginning that do not count."""
    seed: int = 0
    """Seed of the order of turns."""
    pin: bool = False
    """Keep each process on as many processors as it has threads. Linux only."""

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.warmup < 0 or self.min_seconds < 0:
            given = f"rounds is {self.rounds}, warmup {self.warmup}, min-seconds {self.min_seconds:g}"
            raise InputError(f"{given}: at least 1 round is needed, and no value is below 0")
        check_seed(self.seed)
        if self.pin and not hasattr(os, "sched_setaffinity"):
            raise InputError("this system cannot keep a process on one processor; leave out --pin")


def run_cases(
    cases: Sequence[Case], plan: Plan, say: Say = lambda line: None, clock: Clock = time.perf_counter
) -> list[tuple[Case, list[Sample]]]:
    """All samples of every case, in the order given. Cases of a scenario are interleaved in random order.

    Raises InputError for what a process refuses and RuntimeError when one dies: incomplete work is no result.
    """
    taken: dict[int, list[Sample]] = {}
    for scenario in dict.fromkeys(case.scenario for case in cases):
        own = {i: case for i, case in enumerate(cases) if case.scenario == scenario}
        say(f"{scenario}: {len(own)} cases")
        with ExitStack() as stack:
            calls = _calls(own, plan, stack)
            turns = {i: _kept(calls[i], taken.setdefault(i, [])) for i, case in own.items() if not case.once}
            if turns:
                interleave(turns, plan.rounds, plan.seed, plan.warmup, plan.min_seconds, clock)
                for i in turns:
                    del taken[i][: plan.warmup]
            for i in (i for i, case in own.items() if case.once):
                taken[i] = [calls[i]()]
    return [(case, taken[i]) for i, case in enumerate(cases)]


def _kept(call: Callable[[], Sample], samples: list[Sample]) -> Callable[[], float]:
    def variant() -> float:
        samples.append(call())
        return samples[-1].seconds

    return variant


def _calls(cases: dict[int, Case], plan: Plan, stack: ExitStack) -> dict[int, Callable[[], Sample]]:
    workers: dict[str, Worker] = {}
    calls: dict[int, Callable[[], Sample]] = {}
    for i, case in cases.items():
        if case.fresh:
            calls[i] = lambda case=case: _alone(case, plan)
            continue
        if case.process not in workers:
            workers[case.process] = stack.enter_context(_opened(case, plan))
        calls[i] = lambda case=case, worker=workers[case.process]: Sample.from_json(worker(**case.call))
    return calls


def _alone(case: Case, plan: Plan) -> Sample:
    with _opened(case, plan) as worker:
        return Sample.from_json(worker(**case.call))


def _opened(case: Case, plan: Plan) -> Worker:
    return Worker(case.target, case.arguments, processors(case.threads) if plan.pin else ())


def processors(count: int) -> Sequence[int]:
    """The first `count` processors that this process may use; none where the system cannot pin."""
    return sorted(os.sched_getaffinity(0))[:count] if hasattr(os, "sched_getaffinity") else ()
