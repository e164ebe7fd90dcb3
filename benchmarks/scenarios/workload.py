"""A bundle opened in the measured process: one object for each kind of model, with the same calls.

Knows bundles, recordings as .npy files, and schedules as dictionaries. Knows no case and no report.
"""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.benchmarks.measure.bundles import undrafted
from unmask.benchmarks.measure.machine import peak_rss_mib
from unmask.benchmarks.scenarios.graph_cost import CostCounter
from unmask.benchmarks.scenarios.runner import Sample
from unmask.bundle.graph_spec import STREAMS, kind_of
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.decoding.schedule import Schedule
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.speech.captioner import TASK, Captioner, Segment
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.text.denoiser import BackboneDenoiser
from unmask.text.generator import Generator, Request
from unmask.voice.denoiser import frame_rows
from unmask.voice.generator import TEXT, StreamGenerator

PROMPT = "Why is the sky blue? "
PAST = 16  # tokens of a transcript that are settled before a timed pass
Samples = NDArray[np.float32]
Costs = dict[str, list[int]]


class CaptionWorkload:
    """A captioner: contexts are seconds of a recording, windows tokens of its text."""

    def __init__(self, bundle: Bundle, options: EngineOptions, recordings: list[str], costs: Costs) -> None:
        self.counter = CostCounter(costs)
        self.captioner = Captioner(bundle, engine=Engine(bundle, options, observe=self.counter))
        self.captioner.load()
        self._recordings = recordings

    def samples(self, recording: int, seconds: float | None = None) -> Samples:
        audio: Samples = np.load(self._recordings[recording])
        return audio if seconds is None else audio[: round(seconds * SAMPLE_RATE_HZ)]

    def window(self, recording: int, seconds: float) -> Segment:
        return self.captioner.encode(self.samples(recording, seconds))

    def step(self, rows: int, context: float) -> Callable[[], Sample]:
        """Read tokens after `PAST` others; the time does not depend on which ones. context: seconds of the first recording."""
        window = self.window(0, context)
        decoder, ids = window.decoder, np.zeros(PAST + rows - 1, np.int64)
        decoder.next_token_scores(ids[:PAST], 0)
        return lambda: measured(self.counter, lambda: len(decoder.next_token_scores(ids, PAST).ids))

    def fill(self, length: float, schedule: dict[str, Any], drafted: bool = True) -> Callable[[], Sample]:
        """Write the text of `length` seconds of the first recording, which is encoded before.

        drafted False: a transcript is written token by token."""
        window, chosen = self.window(0, length), _schedule(self.captioner.bundle, TASK, schedule)
        if not drafted:
            window = undrafted(window)

        def call() -> Sample:
            began = time.perf_counter()
            reading = self.captioner.decode(window, chosen)
            text = " ".join(word.text for word in self.captioner.spell(reading.text))
            return _sample(self.counter, began, reading.passes, reading.rows, len(reading.text.ids), text)

        return call

    def whole(self, recording: int) -> Callable[[], Sample]:
        """Caption a whole recording, encoder included."""
        audio = self.samples(recording)

        def call() -> Sample:
            began = time.perf_counter()
            done = self.captioner.caption(audio)
            return _sample(self.counter, began, done.passes, done.rows, done.tokens, done.text)

        return call


class GenerationWorkload:
    """A generator: contexts are rows before the window, which are in its cache."""

    def __init__(self, bundle: Bundle, options: EngineOptions, costs: Costs) -> None:
        self.counter = CostCounter(costs)
        self.engine = Engine(bundle, options, observe=self.counter)
        self.generator = Generator(bundle, engine=self.engine)
        self.generator.load()
        templates = bundle.manifest.templates
        self.task = next((name for name, t in templates.items() if set(t.inputs.values()) == {"text"}), None)

    def step(self, rows: int, context: int) -> Callable[[], Sample]:
        denoiser = BackboneDenoiser(self.engine, context + rows)
        at = np.arange(context, context + rows)
        manifest = self.engine.bundle.manifest
        ids, allowed = np.full(rows, manifest.vocabulary.mask_id), (((0, manifest.vocabulary.size),),)
        wanted = np.arange(rows)
        return lambda: measured(self.counter, lambda: (denoiser.window(ids, at, wanted, allowed), rows)[1])

    def fill(self, length: int, schedule: dict[str, Any]) -> Callable[[], Sample]:
        if self.task is None:
            name = self.engine.bundle.manifest.name
            raise InputError(f"{name} has no task whose only input is text; leave out the scenarios fill and soak")
        request = self.generator.request(self.task, {"text": PROMPT}, length)
        chosen = _schedule(self.engine.bundle, self.task, schedule)
        return lambda: self._filled(request, chosen)

    def _filled(self, request: Request, schedule: Schedule) -> Sample:
        began, passes, rows, ids = time.perf_counter(), 0, 0, request.canvas.ids
        for step in self.generator.steps(request, schedule):
            passes, rows, ids = step.number, rows + step.rows, step.ids
        seconds = time.perf_counter() - began
        answer = self.generator.read(request, ids)
        return _sample(self.counter, began, passes, rows, answer.tokens, answer.text, seconds)


class StreamWorkload:
    """A model that fills several streams: contexts are rows before the window, which are in its cache, and windows frames."""

    def __init__(self, bundle: Bundle, options: EngineOptions, costs: Costs) -> None:
        self.counter = CostCounter(costs)
        self.engine = Engine(bundle, options, observe=self.counter)
        self.generator = StreamGenerator(bundle, engine=self.engine).load()
        self.task = next((name for name, t in bundle.manifest.templates.items() if t.text_alone == TEXT), None)

    def step(self, rows: int, context: int) -> Callable[[], Sample]:
        denoiser, streams = BackboneDenoiser(self.engine, context + rows), self.generator.streams
        at, codes = np.arange(context, context + rows), np.full((streams.count, rows), streams.codes)

        def call() -> int:
            hidden = denoiser.compute(frame_rows(self.engine, codes), at, np.arange(rows))
            return len(self.engine.run("streams", {"hidden": hidden})["ids"])

        return lambda: measured(self.counter, call)

    def fill(self, length: int, schedule: dict[str, Any]) -> Callable[[], Sample]:
        """Say a text in `length` frames, without its sound. Tokens are codes."""
        if self.task is None:
            name = self.engine.bundle.manifest.name
            raise InputError(f"{name} has no task that needs a text alone; leave out the scenarios fill and soak")
        request = self.generator.request(self.task, {TEXT: PROMPT}, length)
        chosen = _schedule(self.engine.bundle, self.task, schedule)

        def call() -> Sample:
            began = time.perf_counter()
            answer = self.generator.answer(request, chosen)
            return _sample(self.counter, began, answer.passes, answer.rows, answer.tokens)

        return call


Workload = CaptionWorkload | GenerationWorkload | StreamWorkload


def opened(folder: str, engine: dict[str, Any], recordings: list[str], costs: Costs) -> Workload:
    """A bundle's folder, `EngineOptions` as a dictionary, recordings at 16 kHz as .npy files, and `bundle_costs`."""
    bundle, options = load_bundle(Path(folder)), EngineOptions(**engine)
    if (kind := kind_of(bundle.manifest)).takes == "speech":
        return CaptionWorkload(bundle, options, recordings, costs)
    return (StreamWorkload if kind is STREAMS else GenerationWorkload)(bundle, options, costs)


def measured(counter: CostCounter, call: Callable[[], int]) -> Sample:
    """call: computes rows in one pass and returns how many."""
    began = time.perf_counter()
    rows = call()
    return _sample(counter, began, 1, rows, 0)


def _sample(
    counter: CostCounter, began: float, passes: int, rows: int, tokens: int, text: str | None = None, seconds: float | None = None
) -> Sample:
    taken = time.perf_counter() - began if seconds is None else seconds
    macs, size = counter.take()
    return Sample(taken, passes, rows, tokens, macs, size, peak_rss_mib(), text)


def _schedule(bundle: Bundle, task: str, changes: dict[str, Any]) -> Schedule:
    return dataclasses.replace(bundle.schedule(task), **changes)
