"""Fill a masked canvas: one denoiser pass after the other, commits in between, a frozen `Step` after each.

Knows canvases, policies and the `Denoiser` protocol. Knows no engine, no audio and no text; the clock is passed in.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask import policy
from unmask.canvas import Canvas, IdRange, Span
from unmask.errors import InputError

RULES = ("quota", "threshold", "factor")


@dataclass(frozen=True)
class Numbers:
    """What a pass says of each wanted row, reduced inside the graph. R rows, k best ids, best first."""

    ids: NDArray[np.int64]  # (R, k)
    logits: NDArray[np.float32]  # (R, k)
    logsumexp: NDArray[np.float32]  # (R,) over the allowed ids
    entropy: NDArray[np.float32]  # (R,) nats


class Denoiser(Protocol):
    """One canvas's view of a model. It may keep keys and values of rows that it has computed; `reset` forgets them."""

    def reset(self) -> None: ...

    def window(
        self,
        ids: NDArray[np.int64],  # (W,)
        positions: NDArray[np.int64],  # (W,) where these rows stand on the canvas, rising
        wanted: NDArray[np.int64],  # (R,) indices into the window
        allowed: tuple[tuple[IdRange, ...], ...],  # one entry for all wanted rows, or one for each
    ) -> Numbers: ...


@dataclass(frozen=True)
class Schedule:
    """How a canvas is filled. Checked on construction; InputError names the option."""

    passes: int | None = None
    """At most this many passes; the last commits all that is left. None: as many as the rule takes."""
    rule: str = "threshold"
    """quota (needs passes), threshold or factor."""
    order: str = "probability"
    """probability, margin or negative_entropy."""
    threshold: float = 0.9
    """Commit rows whose probability reaches it (rule threshold)."""
    factor: float = 1.0
    """Bound of the factor rule."""
    budget_ms: float | None = None
    """Passes are measured and commits raised so that the fill ends in time; it overruns by at most one pass."""
    keep: float = 0.9
    """Draft positions at or above this confidence start filled."""
    verify: int = 0
    """After the fill a causal verifier reads and corrects the text in at most this many passes (`unmask.verify`)."""
    accept: float = 1.0
    """The verifier lets its second choice stand where that has this share of the first's probability; 1: its greedy text."""
    reuse: bool = False
    """Compute only masked rows and those committed a pass ago; the other rows' keys and values are an older pass's."""

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InputError(f"rule {self.rule!r} is not one of {', '.join(RULES)}")
        if self.order not in policy.ORDERS:
            raise InputError(f"order {self.order!r} is not one of {', '.join(policy.ORDERS)}")
        if self.passes is not None and self.passes < 1:
            raise InputError(f"passes is {self.passes}; at least 1 is needed")
        if self.rule == "quota" and self.passes is None:
            raise InputError("the quota rule spreads commits over passes: give passes")
        if not 0 < self.threshold <= 1:  # also not a number
            raise InputError(f"threshold is {self.threshold}; it is a probability above 0")
        if not 0 < self.factor < math.inf:
            raise InputError(f"factor is {self.factor}; it must be above 0")
        if self.verify < 0:
            raise InputError(f"verify is {self.verify}; 0 or more passes are possible")
        if not 0 <= self.accept <= 1:
            raise InputError(f"accept is {self.accept}; it is a share of a probability, 0 to 1")
        if self.budget_ms is not None and not 0 < self.budget_ms < math.inf:
            raise InputError(f"budget_ms is {self.budget_ms}; it must be above 0")


@dataclass(frozen=True)
class Step:
    """One pass and the commits that followed. Arrays are the step's own and read-only."""

    number: int  # from 1
    committed: NDArray[np.int64]  # (C,) positions, rising
    ids: NDArray[np.int64]  # (N,) the canvas after the commits, mask ids included
    tentative: NDArray[np.int64]  # (N,) the same with the best guess at each mask
    confidence: NDArray[np.float32]  # (N,) probability of `tentative` when last computed; 1 where given
    masked: int  # left after this step
    rows: int  # rows computed by this pass
    seconds: float  # this pass with its commits


def fill(
    canvas: Canvas, denoiser: Denoiser, schedule: Schedule, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Step]:
    """Yield a Step after each pass until nothing is masked. Deterministic: one canvas and schedule give the same bytes.

    Close the generator to cancel. A canvas without masks yields nothing. clock: seconds, only differences matter.
    """
    began = clock()
    state = _State(canvas)
    denoiser.reset()
    slowest = 0.0
    number = 0
    while state.masked.any():
        number += 1
        start = clock()
        before = state.masked.copy()
        wanted = np.flatnonzero(before)
        window = np.flatnonzero(before | state.fresh) if schedule.reuse and number > 1 else np.arange(len(canvas.ids))
        allowed = state.allowed(wanted)
        numbers = denoiser.window(state.ids[window], window, np.searchsorted(window, wanted), allowed)
        spent = clock()
        slowest = max(slowest, spent - start)
        chosen = state.read(wanted, numbers, schedule, number, (spent - began, slowest))
        state.commit(chosen)
        state.fresh = before & ~state.masked
        seconds = clock() - start
        slowest = max(slowest, seconds)
        yield state.step(number, np.flatnonzero(state.fresh), len(window), seconds)


class _State:
    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.ids = canvas.ids.copy()
        self.masked = canvas.ids == canvas.mask_id
        self.fresh = np.zeros(len(self.ids), dtype=bool)
        self.tentative = canvas.ids.copy()
        self.confidence = np.where(self.masked, 0.0, 1.0).astype(np.float32)
        self.span_of = np.full(len(self.ids), -1)
        for i, span in enumerate(canvas.spans):
            self.span_of[span.start : span.stop] = i

    def allowed(self, wanted: NDArray[np.int64]) -> tuple[tuple[IdRange, ...], ...]:
        rows = tuple(self.canvas.spans[i].allowed for i in self.span_of[wanted])
        return rows[:1] if len(set(rows)) == 1 else rows

    def read(
        self, wanted: NDArray[np.int64], numbers: Numbers, schedule: Schedule, number: int, spent: tuple[float, float]
    ) -> NDArray[np.int64]:
        """Take in a pass and return the positions to commit. spent: seconds since the start, and of the slowest pass."""
        probabilities = np.exp(numbers.logits - numbers.logsumexp[:, None])
        best = probabilities[:, 0]
        second = probabilities[:, 1] if probabilities.shape[1] > 1 else np.zeros_like(best)
        self.tentative[wanted] = numbers.ids[:, 0]
        self.confidence[wanted] = best
        scores = policy.ORDERS[schedule.order](best, second, numbers.entropy)
        order = np.argsort(-scores, kind="stable")  # ties: the lowest position first
        if schedule.rule == "threshold":  # whoever reaches it goes first, whatever the order
            order = order[np.argsort(best[order] < schedule.threshold, kind="stable")]
        elif schedule.rule == "factor":  # defined on falling probabilities
            order = order[np.argsort(-best[order], kind="stable")]
        count = self._count(best[order], schedule, number, spent)
        return wanted[order[:count]]

    def _count(self, best: NDArray[np.float32], schedule: Schedule, number: int, spent: tuple[float, float]) -> int:
        masked = len(best)
        if schedule.passes is not None and number >= schedule.passes:
            return masked
        if schedule.rule == "quota":
            count = policy.quota(masked, (schedule.passes or 1) - number + 1)
        elif schedule.rule == "threshold":
            count = policy.threshold(best, schedule.threshold)
        else:
            count = policy.factor(best, schedule.factor)
        if schedule.budget_ms is not None:
            elapsed_s, pass_s = spent
            count = max(count, policy.deadline(masked, schedule.budget_ms / 1000 - elapsed_s, pass_s))
        return count

    def commit(self, positions: NDArray[np.int64]) -> None:
        self._stop_at_ends()  # a draft may hold the end already
        positions = positions[self.masked[positions]]
        self.ids[positions] = self.tentative[positions]
        self.masked[positions] = False
        self._stop_at_ends()

    def _stop_at_ends(self) -> None:
        for span in self.canvas.spans:
            if span.end_id is not None:
                self._end(span, span.end_id)

    def _end(self, span: Span, end_id: int) -> None:
        """Stop at end of text: nothing is computed behind an end that has only committed text before it."""
        ids, masked = self.ids[span.start : span.stop], self.masked[span.start : span.stop]
        ends = np.flatnonzero((ids == end_id) & ~masked)
        if ends.size and not masked[: ends[0]].any():
            self.tentative[span.start : span.stop][masked] = end_id
            ids[masked] = end_id
            masked[:] = False

    def step(self, number: int, committed: NDArray[np.int64], rows: int, seconds: float) -> Step:
        arrays = (committed, self.ids.copy(), self.tentative.copy(), self.confidence.copy())
        for array in arrays:
            array.flags.writeable = False
        return Step(number, *arrays, masked=int(self.masked.sum()), rows=rows, seconds=seconds)
