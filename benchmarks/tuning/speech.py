"""What settings of a model that fills several streams of codes are judged by, and which are tried.

Knows such models, settings and a clock. Knows no sound: codes are compared.
"""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.benchmarks.tuning.objective import Clock, OpenModels
from unmask.benchmarks.tuning.pareto import Setting
from unmask.benchmarks.tuning.search import Stage
from unmask.errors import InputError
from unmask.voice.generator import StreamGenerator

FINEST = 32  # passes, where no decoding is published


class SpeechObjective:
    """Texts, said without their sound. quality: the share of codes that are those of the finest setting: the default's bundle, as
    many passes as are published, every one guided, and nothing kept."""

    unit = "a text"
    measure = "codes as with all passes, all guided"

    def __init__(
        self, default: Setting, task: str, texts: Sequence[str], length: int | None, clock: Clock = time.perf_counter
    ) -> None:
        """length: frames of each text; None: by the rule on its characters. Raises InputError for a task that needs more than a
        text."""
        self._task, self._length, self._clock = task, length, clock
        self.quality: dict[Setting, float] = {}
        self._open = OpenModels(lambda bundle, engine: StreamGenerator(bundle, engine).load())
        template = self._open.of(default).bundle.template(task)
        place = template.text_alone
        if place is None:
            raise InputError(f"{task} takes {', '.join(template.required) or 'nothing'}; tune a task that needs a text alone")
        self._inputs = [{place: text} for text in texts]
        passes = template.reference.steps if template.reference else FINEST
        self._finest = default.having(rule="quota", passes=passes, guided="all", reuse=False, refresh=None, window="masked")
        self._truth: NDArray[np.int64] | None = None

    def run(self, setting: Setting) -> float:
        if self._truth is None:
            self._truth, _ = self._codes(self._finest)
        codes, seconds = self._codes(setting)
        self.quality[setting] = float(np.mean(codes == self._truth))
        return seconds / len(self._inputs)

    def keep(self, settings: Sequence[Setting]) -> None:
        self._open.keep(settings)

    def _codes(self, setting: Setting) -> tuple[NDArray[np.int64], float]:
        generator, found, began = self._open.of(setting), list[int](), self._clock()
        for inputs in self._inputs:
            found += generator.generate(self._task, inputs, self._length, setting.schedule).ids
        return np.array(found), self._clock() - began


def speech_stages() -> list[Stage]:
    return [Stage("passes and rule", _passes), Stage("guidance", _guidance), Stage("rows", _rows)]


def _passes(best: Setting) -> list[Setting]:
    found = [best.having(rule="quota", passes=passes) for passes in (6, 8, 10, 12, 16, 24, 32)]
    return [*found, *(best.having(rule="threshold", threshold=p) for p in (0.95, 0.9, 0.8))]


def _guidance(best: Setting) -> list[Setting]:
    """Which passes are guided. That of an empty canvas costs nothing."""
    return [best.having(guided=which) for which in ("first", "1-2", "1-4", "every-2", "all")] if best.schedule.guidance else []


def _rows(best: Setting) -> list[Setting]:
    """For how many passes the keys and values of the prompt are kept."""
    whole = best.having(reuse=False, refresh=None, window="masked")
    return [whole, *(best.having(reuse=True, refresh=refresh, window="suffix") for refresh in (None, 2, 4))]
