"""Tune one bundle on this device: plan, search, and what to store.

Knows bundles, objectives and stages. Knows no screen and no files but bundles.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unmask.benchmarks.measure.bundles import engine_of, same_model
from unmask.benchmarks.tuning.objective import AnswerObjective, CaptionObjective, Objective
from unmask.benchmarks.tuning.pareto import Choice, Measured, Rules, Setting
from unmask.benchmarks.tuning.search import Stage, Trials, TuningResult, runs_of, search
from unmask.benchmarks.tuning.search_space import Device, answer_stages, caption_stages, machine, thread_counts
from unmask.benchmarks.tuning.speech import SpeechObjective, speech_stages
from unmask.bundle.graph_spec import STREAMS, kind_of
from unmask.bundle.manifest import Bundle
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.tuned_settings import FORMAT, Figures, Other, Tuned, bundle_key, device_key


@dataclass(frozen=True)
class Examples:
    """What a bundle is tuned on."""

    recordings: Sequence[NDArray[np.float32]] = ()
    texts: Sequence[str] = ()
    prompts: Sequence[str] = ()
    length: int | None = None


@dataclass(frozen=True)
class TuningPlan:
    """A tuning that is ready to start."""

    bundle: Bundle
    task: str
    default: Setting
    stages: tuple[Stage, ...]
    objective: Objective
    rounds: int
    tokens: int | None = None
    """Positions of an answer; None for captions."""
    device: Device | None = None

    def runs(self) -> list[tuple[str, int]]:
        return runs_of(self.default, self.stages, self.rounds)

    def minutes(self, clock: Callable[[], float] = time.perf_counter) -> float:
        """Estimated from one run of the default, after one that opens its graphs."""
        self.objective.run(self.default)
        began = clock()
        self.objective.run(self.default)
        return sum(count for _, count in self.runs()) * (clock() - began) / 60


def make_plan(
    bundle: Bundle,
    others: Sequence[Bundle],
    task: str,
    examples: Examples,
    engine: EngineOptions,
    threads: int | None,
    cores: int,
    rounds: int,
) -> TuningPlan:
    """others: bundles of the same model in other precisions or for other engines. threads: the only number to
    try; None: all numbers up to `cores`.

    Raises InputError for bundles of another model, for a task that the bundle does not have, and without examples.
    """
    if rounds < 1:
        raise InputError(f"rounds is {rounds}; at least 1 is needed, and 6 for any interval")
    for other in others:
        if not same_model(bundle, other):
            raise InputError(f"{other.folder} and {bundle.folder} do not predict the same ids; give bundles of one model")
    default = Setting(bundle.folder, engine, replace(bundle.schedule(task), budget_ms=None))
    counts = [threads] if threads else thread_counts(cores)
    bundles = [(bundle.folder, engine), *((other.folder, _engine(other, engine)) for other in others)]
    objective: Objective
    tokens, device = None, None
    if kind_of(bundle.manifest).takes == "speech":
        objective, stages = CaptionObjective(examples.recordings, examples.texts), caption_stages()
    elif kind_of(bundle.manifest) is STREAMS:
        objective, stages = SpeechObjective(default, task, examples.prompts, examples.length), speech_stages()
    else:
        answers = AnswerObjective(default, task, examples.prompts, examples.length)
        objective, tokens, device = answers, answers.length, Device(answers.curve, answers.commits)
        stages = answer_stages(bundle.manifest, tokens, device)
    return TuningPlan(bundle, task, default, (machine(bundles, counts), *stages), objective, rounds, tokens, device)


def _engine(bundle: Bundle, given: EngineOptions) -> EngineOptions:
    """The given options if their engine runs the bundle, otherwise the engine that the bundle is for, with its defaults."""
    own = engine_of(bundle.manifest)
    return given if given.engine == own else EngineOptions(engine=own)


def tune(plan: TuningPlan, rules: Rules, say: Callable[[str], None], ran: Callable[[], None]) -> TuningResult:
    """Search. say: called with each stage's name. ran: called after each run. Ctrl-C ends the search with what it has found."""

    def run(setting: Setting) -> float:
        seconds = plan.objective.run(setting)
        ran()
        return seconds

    return search(plan.default, plan.stages, Trials(run, plan.objective.quality, plan.objective.keep, plan.rounds), rules, say)


def to_store(plan: TuningPlan, measured: Measured, choice: Choice) -> Tuned:
    point, setting = choice.point, choice.point.setting
    other = None
    if setting.bundle != plan.bundle.folder:
        other = Other(str(setting.bundle.resolve()), bundle_key(setting.bundle))
    ms = [round(measured.ms(p), 3) for p in (point, measured.base)]
    figures = Figures(plan.objective.unit, *ms, plan.objective.measure, point.quality, measured.base.quality)
    device = device_key(plan.default.engine)
    return Tuned(FORMAT, plan.task, bundle_key(plan.bundle.folder), device, setting.engine, setting.schedule, figures, other)
