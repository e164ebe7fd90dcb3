"""What settings are judged by: recordings to caption, or prompts to answer. Knows models and a clock; no plan and no choice."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from unmask.benchmarks.measure.word_errors import normalize, word_error_rate
from unmask.benchmarks.tuning.curve import Curve, measure_curve
from unmask.benchmarks.tuning.pareto import Setting
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.speech.captioner import Captioner
from unmask.text.generator import Generator

Clock = Callable[[], float]
Model = TypeVar("Model")


class Objective(Protocol):
    """What settings are tried on.

    Models stay open until `keep` closes them."""

    unit: str  # what a time is of
    measure: str  # what quality is
    quality: dict[Setting, float]
    """Of each setting that ran, 0 to 1."""

    def run(self, setting: Setting) -> float:
        """Seconds a unit."""
        ...

    def keep(self, settings: Sequence[Setting]) -> None:
        """Close the models that none of these needs."""
        ...


class OpenModels(Generic[Model]):
    """Models of settings, each opened when it is first asked for."""

    def __init__(self, open: Callable[[Bundle, EngineOptions], Model]) -> None:
        self._open, self._models = open, dict[tuple[Path, EngineOptions], Model]()

    def of(self, setting: Setting) -> Model:
        key = setting.bundle, setting.engine
        if key not in self._models:
            self._models[key] = self._open(load_bundle(setting.bundle), setting.engine)
        return self._models[key]

    def keep(self, settings: Sequence[Setting]) -> None:
        """Close those that none of the settings needs."""
        for key in self._models.keys() - {(setting.bundle, setting.engine) for setting in settings}:
            del self._models[key]


class CaptionObjective:
    """Recordings, from samples to words. quality: 1 - word error rate over all recordings, never below 0."""

    unit = "a window"

    def __init__(self, recordings: Sequence[NDArray[np.float32]], texts: Sequence[str], clock: Clock = time.perf_counter) -> None:
        """texts: what is said in each. Raises InputError when they hold no words."""
        self._recordings, self._texts, self._clock = recordings, list(texts), clock
        count = sum(len(normalize(text).split()) for text in texts)
        if not count:
            raise InputError("the recordings' texts hold no words; quality is measured by them")
        self.measure = f"word accuracy, Whisper normalizer, {count} words"
        self.quality: dict[Setting, float] = {}
        self._open = OpenModels(lambda bundle, engine: Captioner(bundle, engine).load())

    def run(self, setting: Setting) -> float:
        captioner, began = self._open.of(setting), self._clock()
        captions = [captioner.caption(samples, setting.schedule) for samples in self._recordings]
        taken = self._clock() - began
        windows = sum(caption.segments for caption in captions)
        if not windows:
            raise InputError("the recordings are silent; give recordings of speech")
        self.quality[setting] = max(0.0, 1 - word_error_rate(self._texts, [caption.text for caption in captions]))
        return taken / windows

    def keep(self, settings: Sequence[Setting]) -> None:
        self._open.keep(settings)


class AnswerObjective:
    """Prompts. quality: the share of positions with the same id as under the finest setting: the default's bundle, one commit
    a pass, every row computed in every pass."""

    unit = "an answer"

    def __init__(
        self, default: Setting, task: str, prompts: Sequence[str], length: int | None, clock: Clock = time.perf_counter
    ) -> None:
        """Raises InputError for a task with any other input than text."""
        self._task, self._prompts, self._length, self._clock = task, prompts, length, clock
        self.quality: dict[Setting, float] = {}
        self._passes: dict[Setting, int] = {}  # of all prompts
        self._curves: dict[tuple[Path, EngineOptions], Curve] = {}
        self._open = OpenModels(lambda bundle, engine: Generator(bundle, engine).load())
        template = self._open.of(default).bundle.template(task)
        if set(template.inputs.values()) != {"text"}:
            raise InputError(f"{task} takes {', '.join(template.inputs) or 'nothing'}; tune a task whose only input is text")
        self._inputs = [dict.fromkeys(template.inputs, prompt) for prompt in prompts]
        self.length = sum(piece.size for piece in template.resized(length))
        self._finest = default.having(
            rule="quota", passes=self.length, reuse=False, refresh=None, block=None, budget_ms=None, curve="even"
        )
        self._truth: NDArray[np.int64] | None = None
        self.measure = "ids as with one commit per pass"

    def run(self, setting: Setting) -> float:
        if self._truth is None:
            self._truth, _ = self._ids(self._finest)
        ids, seconds = self._ids(setting)
        self.quality[setting] = float(np.mean(ids == self._truth))
        return seconds / len(self._inputs)

    def keep(self, settings: Sequence[Setting]) -> None:
        self._open.keep(settings)

    def commits(self, setting: Setting) -> float:
        """Positions that a pass commits in the mean; of a setting that has not run yet, 1."""
        return len(self._inputs) * self.length / self._passes[setting] if setting in self._passes else 1.0

    def curve(self, setting: Setting) -> Curve:
        """What passes take with a setting's bundle and engine, measured once."""
        key = setting.bundle, setting.engine
        if key not in self._curves:
            self._curves[key] = measure_curve(self._open.of(setting).engine, self.length)
        return self._curves[key]

    def _ids(self, setting: Setting) -> tuple[NDArray[np.int64], float]:
        generator, found, passes, began = self._open.of(setting), list[int](), 0, self._clock()
        for inputs in self._inputs:
            answer = generator.generate(self._task, inputs, self._length, setting.schedule)
            found, passes = [*found, *answer.ids], passes + answer.passes
        self._passes[setting] = passes
        return np.array(found), self._clock() - began
