"""Tune one bundle on this device: plan, search, and what to store.

Knows bundles, subjects and stages. Knows no screen and no files but bundles.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.engines import engine_of
from unmask.benchmarks.tuning.objective import Answers, Captions, Subject, same_model
from unmask.benchmarks.tuning.pareto import Choice, Measured, Rules, Setting
from unmask.benchmarks.tuning.search import Found, Stage, Trials, runs_of, search
from unmask.benchmarks.tuning.search_space import answer_stages, caption_stages, machine, thread_counts
from unmask.bundle.manifest import Bundle
from unmask.engines.engine_options import EngineOptions
from unmask.engines.tuned_settings import FORMAT, Figures, Other, Tuned, bundle_key, device_key
from unmask.errors import InputError
from unmask.speech.captioner import FAMILY


@dataclass(frozen=True)
class Asked:
    """What a bundle is tuned on."""

    recordings: Sequence[NDArray[np.float32]] = ()
    texts: Sequence[str] = ()
    prompts: Sequence[str] = ()
    length: int | None = None


@dataclass(frozen=True)
class Plan:
    """A tuning that is ready to begin."""

    bundle: Bundle
    task: str
    default: Setting
    stages: tuple[Stage, ...]
    subject: Subject
    rounds: int

    def runs(self) -> list[tuple[str, int]]:
        return runs_of(self.default, self.stages, self.rounds)

    def minutes(self, clock: Callable[[], float] = time.perf_counter) -> float:
        """Expected from one run of the default, after one that opens its graphs."""
        self.subject.run(self.default)
        began = clock()
        self.subject.run(self.default)
        return sum(count for _, count in self.runs()) * (clock() - began) / 60


def make_plan(
    bundle: Bundle,
    others: Sequence[Bundle],
    task: str,
    asked: Asked,
    engine: EngineOptions,
    threads: int | None,
    cores: int,
    rounds: int,
) -> Plan:
    """others: bundles of the same model in other precisions or for other engines. threads: that alone is tried; None: all counts
    up to `cores`.

    Raises InputError for bundles of another model, for a task that the bundle lacks, and for nothing to ask it.
    """
    if rounds < 1:
        raise InputError(f"rounds is {rounds}; at least 1 is needed, and 6 to tell anything apart")
    for other in others:
        if not same_model(bundle, other):
            raise InputError(f"{other.folder} and {bundle.folder} do not predict the same ids; give bundles of one model")
    default = Setting(bundle.folder, engine, replace(bundle.schedule(task), budget_ms=None))
    counts = [threads] if threads else thread_counts(cores)
    bundles = [(bundle.folder, engine), *((other.folder, _engine(other, engine)) for other in others)]
    subject: Subject
    if bundle.manifest.family == FAMILY:
        subject, stages = Captions(asked.recordings, asked.texts), caption_stages(bundle.manifest)
    else:
        subject = Answers(default, task, asked.prompts, asked.length)
        stages = answer_stages(bundle.manifest, subject.length)
    return Plan(bundle, task, default, (machine(bundles, counts), *stages), subject, rounds)


def _engine(bundle: Bundle, asked: EngineOptions) -> EngineOptions:
    """What was asked for where it runs the bundle, else the engine that the bundle is for, with its defaults."""
    own = engine_of(bundle.manifest)
    return asked if asked.engine == own else EngineOptions(engine=own)


def tune(plan: Plan, rules: Rules, say: Callable[[str], None], ran: Callable[[], None]) -> Found:
    """Search. say: is told each stage; ran: is called after each run. Ctrl-C ends it with what it has."""

    def run(setting: Setting) -> float:
        seconds = plan.subject.run(setting)
        ran()
        return seconds

    return search(plan.default, plan.stages, Trials(run, plan.subject.quality, plan.subject.keep, plan.rounds), rules, say)


def to_store(plan: Plan, measured: Measured, choice: Choice) -> Tuned:
    point, setting = choice.point, choice.point.setting
    other = None
    if setting.bundle != plan.bundle.folder:
        other = Other(str(setting.bundle.resolve()), bundle_key(setting.bundle))
    ms = [round(measured.ms(p), 3) for p in (point, measured.base)]
    figures = Figures(plan.subject.unit, *ms, plan.subject.measure, point.quality, measured.base.quality)
    device = device_key(plan.default.engine)
    return Tuned(FORMAT, plan.task, bundle_key(plan.bundle.folder), device, setting.engine, setting.schedule, figures, other)
