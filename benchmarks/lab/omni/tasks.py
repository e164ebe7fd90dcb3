"""Seconds of Omni-Diffusion's tasks with random weights, pass by pass: trimmed and published, in the same engine.

Random weights are sure of nothing, so where a commit rule asks how sure a model is, so many positions are said to be sure in each
pass. Every pass is computed. The published decoding of a picture has 260 passes over the same number of rows, which differ in how
many masks the head predicts: some are measured, and the others lie between them.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Bundle
from unmask.decoding.canvas import Canvas, IdRange
from unmask.decoding.denoiser import Denoiser, Step, TopKScores
from unmask.decoding.reference import adapted, reference_fill
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Reference, Schedule
from unmask.engines.engine import Engine
from unmask.text.denoiser import BackboneDenoiser, attention_layout
from unmask.text.generator import Generator, Input, Request

PROMPTS = {"t2i": 24, "asr": 10, "tts": 15, "s2i": 18, "vqa": 11, "svqa": 14, "sqa": 8}
"""Tokens of a task's own words in the published tokenizer, before what is given: the random checkpoint's has a token a letter."""
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Pass:
    rows: int
    predicted: int
    seconds: float
    cpu_s: float


def request_of(bundle: Bundle, task: str, given: dict[str, Input], published: bool) -> Request:
    """A task's canvas with as many rows as the published tokenizer gives it."""
    template = bundle.manifest.templates[task]
    words = "x" * PROMPTS[task] + "".join("{" + name + "}" for name in template.inputs)
    templates = {task: replace(template, prompt=words, unconditional="x" * PROMPTS[task])}
    short = replace(bundle, manifest=replace(bundle.manifest, templates=templates))
    return Generator(short).request(task, given, reference=published)


class Timed:
    """Adds up how many positions the passes of a denoiser predict."""

    def __init__(self, inner: Denoiser) -> None:
        self.inner, self.predicted = inner, 0

    def reset(self) -> None:
        self.inner.reset()

    def window(self, ids: Ids, positions: Ids, wanted: Ids, allowed: tuple[tuple[IdRange, ...], ...]) -> TopKScores:
        self.predicted = len(wanted)
        return self.inner.window(ids, positions, wanted, allowed)


class Sure(Timed):
    """In every pass, the first `count` of the predicted positions are sure and the others are not."""

    def __init__(self, inner: Denoiser, count: int) -> None:
        super().__init__(inner)
        self._count = count

    def window(self, ids: Ids, positions: Ids, wanted: Ids, allowed: tuple[tuple[IdRange, ...], ...]) -> TopKScores:
        scores = super().window(ids, positions, wanted, allowed)
        logits = np.full_like(scores.logits, -20)
        logits[:, 0] = np.log(np.where(np.arange(len(wanted)) < self._count, 0.95, 0.5))
        return TopKScores(scores.ids, logits, np.zeros_like(scores.logsumexp), scores.entropy)


class Counted:
    """Neither computes nor remembers: a model whose numbers are random, to see how many rows a schedule asks for."""

    def __init__(self, ids: IdRange) -> None:
        self._ids, self._rng = ids, np.random.default_rng(0)

    def reset(self) -> None: ...

    def window(self, ids: Ids, positions: Ids, wanted: Ids, allowed: tuple[tuple[IdRange, ...], ...]) -> TopKScores:
        return self.numbers(np.zeros((len(wanted), 1), np.float32), 1.0)

    def hidden(self, ids: Ids, wanted: Ids) -> NDArray[np.float32]:
        return np.zeros((len(wanted), 1), np.float32)

    def numbers(self, hidden: NDArray[np.float32], scale: float) -> TopKScores:
        count = len(hidden)
        best = self._ids[0] + np.tile(np.arange(64), (count, 1))
        logits = -np.sort(-self._rng.standard_normal((count, 64)).astype(np.float32), axis=1)
        return TopKScores(best, logits, np.full(count, 10, np.float32), self._rng.random(count, np.float32))


def trimmed(
    engine: Engine | None, request: Request, schedule: Schedule, sure: int | None, bundle: Bundle
) -> tuple[list[Pass], Ids]:
    """Each pass, and the filled canvas. engine: None counts rows and computes nothing. sure: positions that a model is sure of
    in each pass; None: as the weights have it."""
    span = request.canvas.spans[0]
    plain: Denoiser = (
        Counted(span.allowed[0])
        if engine is None
        else BackboneDenoiser(engine, len(request.canvas.ids), request.prompt, request.canvas.rows)
    )
    denoiser = Timed(plain) if sure is None else Sure(plain, sure)
    steps = fill(request.canvas, denoiser, schedule, layout=attention_layout(bundle.manifest, request.prompt))
    return timed(steps, lambda: denoiser.predicted)


def timed(steps: Iterator[Step], predicted: Callable[[], int]) -> tuple[list[Pass], Ids]:
    passes, ids, began, cpu = list[Pass](), np.zeros(0, np.int64), time.perf_counter(), time.process_time()
    for step in steps:
        now, used = time.perf_counter(), time.process_time()
        passes.append(Pass(step.rows, predicted(), now - began, used - cpu))
        ids, began, cpu = step.ids, now, used
    return passes, ids


# ---- the published decoding


def published_masks(bundle: Bundle, request: Request) -> list[int]:
    """Masks before each pass of the published decoding, without those that guidance adds."""
    found, span = [], request.canvas.spans[0]
    reference = replace(adapted_reference(request), guidance=0.0)
    left = span.stop - span.start
    for step in reference_fill(request.canvas, Counted((0, 64)), reference):
        found.append(left)
        left = step.masked
    return found


def adapted_reference(request: Request) -> Reference:
    own = request.template.reference
    assert own is not None
    return adapted(own, own, int((request.canvas.ids == request.canvas.mask_id).sum()))


def published_pass(engine: Engine, request: Request, masks: int) -> Pass:
    """The first pass over the request's canvas with so many masks left."""
    ids, span = request.canvas.ids.copy(), request.canvas.spans[0]
    ids[span.start : span.stop - masks] = 1
    canvas = Canvas(ids, request.canvas.spans, request.canvas.mask_id, rows=request.canvas.rows)
    denoiser = BackboneDenoiser(engine, len(ids), request.prompt, canvas.rows)
    steps = reference_fill(canvas, denoiser, replace(adapted_reference(request), steps=masks))
    return timed(islice(steps, 1), lambda: masks)[0][0]


def published(measured: list[Pass], masks: list[int]) -> tuple[float, float]:
    """Seconds and seconds of a processor of all passes, from some of them. masks: before each pass."""
    known = sorted(measured, key=lambda one: one.predicted)
    at = [one.predicted for one in known]
    seconds, cpu_s = (float(np.interp(masks, at, [getattr(one, name) for one in known]).sum()) for name in ("seconds", "cpu_s"))
    return seconds, cpu_s
