"""Fill a masked canvas: run denoiser passes, commit positions after each, and yield a frozen `Step`.

Knows canvases, schedules, commit rules and the `Denoiser` protocol. Knows no engine, no audio and no text. The caller passes the
clock.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unmask.decoding import commit_rules
from unmask.decoding.canvas import Canvas, IdRange, Span
from unmask.decoding.commit_rules import Scores
from unmask.decoding.denoiser import Denoiser, Step, TopKScores
from unmask.decoding.row_selection import AttentionLayout, block_of, rows_of_pass
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError

PLAIN = AttentionLayout()
REVISED_SHARE = 0.25  # at most this share of the filled positions is masked again; a model that doubts more would not improve it


def fill(
    canvas: Canvas,
    denoiser: Denoiser,
    schedule: Schedule,
    clock: Callable[[], float] = time.perf_counter,
    layout: AttentionLayout = PLAIN,
) -> Iterator[Step]:
    """Yield a Step after each pass until nothing is masked. A canvas without masks yields nothing; close the generator to cancel.

    clock: returns seconds; only differences matter. layout: which row of the model predicts which position. Without `budget_ms`
    the fill is deterministic: the same canvas and schedule give the same bytes. Raises InputError for a draft that does not fit
    the canvas, a schedule for several streams, and whatever the denoiser raises.
    """
    if schedule.stream_penalty:
        raise InputError(f"stream_penalty is {schedule.stream_penalty}, and this model has one stream of ids; leave it out")
    filling = _Fill(canvas, denoiser, schedule, clock, layout)
    yield from filling.run()
    if schedule.revise and filling.number:
        yield filling.revise()
        yield from filling.run()


class _Fill:
    """One fill in progress: the state of the canvas, the current block, and the duration of the passes."""

    def __init__(
        self, canvas: Canvas, denoiser: Denoiser, schedule: Schedule, clock: Callable[[], float], layout: AttentionLayout
    ) -> None:
        self.began = clock()
        self.denoiser, self.schedule, self.clock = denoiser, schedule, clock
        self.layout = layout if schedule.reuse else replace(layout, exact=0)
        self.state = _State(canvas, schedule)
        self.number = 0  # passes so far
        self.slowest = 0.0  # duration of the slowest pass, seconds
        self.block: tuple[int, int] | None = None
        self.in_block = self.since_all = 0  # passes in this block, passes since all rows were computed
        self.in_block_total = 0  # masks in the block before its first pass
        self.origin = min((span.start for span in canvas.spans), default=0)
        denoiser.reset()

    def run(self) -> Iterator[Step]:
        while self.state.masked.any():
            yield self._pass()

    def _pass(self) -> Step:
        state, start = self.state, self.clock()
        before, (block, window) = self.block, self._plan(start)
        inside = np.arange(*block)
        wanted = self._wanted(inside[state.masked[inside]])
        rows = rows_of_pass(state.masked, state.fresh, wanted, block, before, window, self.layout)
        top_k = self._compute(rows, wanted)
        spent = self.clock()
        self.slowest = max(self.slowest, spent - start)
        scores = state.read(wanted, top_k)
        count = self._count(scores, len(inside[state.masked[inside]]), spent - self.began)
        unfilled = state.masked.copy()
        state.commit(wanted[scores.order[:count]])
        state.fresh = unfilled & ~state.masked
        return self._step(np.flatnonzero(state.fresh), len(rows), start)

    def _plan(self, now: float) -> tuple[tuple[int, int], str | None]:
        """The block of this pass, and the window over it; the window is None if all rows are computed."""
        state, schedule = self.state, self.schedule
        block = block_of(state.first, self.origin, len(state.ids), schedule.block, self.layout)
        if schedule.budget_ms is not None and self.layout.block is None:
            block = block[0], max(block[1], self._hurry(now))
        if block != self.block:
            if self.block is None or not schedule.across_blocks:
                self.since_all = 0
            self.block, self.in_block = block, 0
            self.in_block_total = int(state.masked[block[0] : block[1]].sum())
        self.in_block += 1
        stale = schedule.refresh is not None and self.since_all >= schedule.refresh
        whole = not schedule.reuse or self.since_all == 0 or stale
        self.since_all = 1 if whole else self.since_all + 1
        return block, None if whole else schedule.window

    def _hurry(self, now: float) -> int:
        """Smallest end of the block that leaves enough of the budget for the blocks after it."""
        left_s = (self.schedule.budget_ms or 0) / 1000 - (now - self.began) - self.slowest
        masked = np.flatnonzero(self.state.masked)
        return int(masked[commit_rules.deadline(len(masked), left_s, self.slowest) - 1]) + 1 if self.number else 0

    def _wanted(self, masked: NDArray[np.int64]) -> NDArray[np.int64]:
        """Masked positions to predict. With a fixed order and a quota, only those that will be committed."""
        state = self.state
        if state.ranks is None or self.schedule.rule != "quota" or self.schedule.budget_ms is not None:
            return masked
        return np.sort(masked[np.argsort(state.ranks[masked])][: self._quota(len(masked))])

    def _compute(self, rows: NDArray[np.int64], wanted: NDArray[np.int64]) -> TopKScores:
        self.number += 1
        return self.denoiser.window(self.state.ids[rows], rows, np.searchsorted(rows, wanted), self.state.allowed(wanted))

    def _quota(self, masked: int) -> int:
        passes, curve = self.schedule.passes or 1, commit_rules.CURVES[self.schedule.curve]
        if self.in_block >= passes:
            return masked
        if curve is None:
            return commit_rules.quota(masked, passes - self.in_block + 1)
        return max(1, masked - curve(self.in_block_total, self.in_block, passes, self.schedule.shift))

    def _count(self, scores: "_Scores", masked: int, elapsed_s: float) -> int:
        schedule, rule = self.schedule, commit_rules.RULES[self.schedule.rule]
        if schedule.passes is not None and self.in_block >= schedule.passes:
            return masked
        if rule is None:
            count = self._quota(masked)
        else:
            count = rule.count(scores.best[scores.order], scores.entropy[scores.order], getattr(schedule, schedule.rule))
        if schedule.budget_ms is not None:
            left_s = schedule.budget_ms / 1000 - elapsed_s
            count = max(count, commit_rules.deadline(int(self.state.masked.sum()), left_s, self.slowest))
        return count

    def revise(self) -> Step:
        """Predict every filled position once more, and mask again those whose id is too improbable, the least probable first."""
        start, state = self.clock(), self.state
        wanted = np.flatnonzero(state.fillable)
        rows = np.arange(len(state.ids))
        top_k = self._compute(rows, wanted)
        p = np.exp(top_k.logits - top_k.logsumexp[:, None])
        own = np.where(top_k.ids == state.ids[wanted, None], p, 0).max(1)  # 0: not among the k best
        state.confidence[wanted] = own
        doubted = np.argsort(own, kind="stable")[: max(1, int(REVISED_SHARE * len(wanted)))]
        doubted = wanted[doubted[own[doubted] < self.schedule.revise]]
        state.ids[doubted], state.masked[doubted] = state.mask_id, True
        state.fresh[:] = False
        self.block = None
        return self._step(np.zeros(0, np.int64), len(rows), start)

    def _step(self, committed: NDArray[np.int64], rows: int, start: float) -> Step:
        state, seconds = self.state, self.clock() - start
        self.slowest = max(self.slowest, seconds)
        arrays = (committed, state.ids.copy(), state.tentative.copy(), state.confidence.copy())
        for array in arrays:
            array.flags.writeable = False
        return Step(self.number, *arrays, masked=int(state.masked.sum()), rows=rows, seconds=seconds)


@dataclass(frozen=True)
class _Scores:
    """The scores of R predicted positions, as the commit rules need them."""

    order: NDArray[np.int64]  # (R,) indices of the positions in the order of commits
    best: NDArray[np.float32]  # (R,) probability of the chosen id
    entropy: NDArray[np.float32]  # (R,) nats


class _State:
    """The canvas during a fill: ids, masks, best guesses and confidences, each (N,)."""

    def __init__(self, canvas: Canvas, schedule: Schedule) -> None:
        self.spans, self.mask_id, self.schedule = canvas.spans, canvas.mask_id, schedule
        self.ids = canvas.start(schedule.draft_min_confidence)
        self.masked = self.ids == canvas.mask_id
        self.fillable = self.masked.copy()
        self.fresh = np.zeros(len(self.ids), dtype=bool)
        self.tentative = self.ids.copy()
        self.confidence = np.where(self.masked, 0.0, 1.0).astype(np.float32)
        self.span_of = np.full(len(self.ids), -1)
        for i, span in enumerate(canvas.spans):
            self.span_of[span.start : span.stop] = i
        self.ranks = self._ranks()
        self.rng = np.random.default_rng(schedule.seed)

    def _ranks(self) -> NDArray[np.int64] | None:
        rank = commit_rules.RANKED.get(self.schedule.order)
        if rank is None:
            return None
        ranks = np.zeros(len(self.ids), np.int64)
        for span in self.spans:
            ranks[span.start : span.stop] = rank(span.stop - span.start, self.schedule.seed)
        return ranks

    @property
    def first(self) -> int:
        return int(np.argmax(self.masked)) if self.masked.any() else 0

    def allowed(self, wanted: NDArray[np.int64]) -> tuple[tuple[IdRange, ...], ...]:
        rows = tuple(self.spans[i].allowed for i in self.span_of[wanted])
        return rows[:1] if len(set(rows)) == 1 else rows

    def read(self, wanted: NDArray[np.int64], top_k: TopKScores) -> _Scores:
        """Record the best guess at each wanted position, and return the order in which they would be committed."""
        probabilities = np.exp(top_k.logits - top_k.logsumexp[:, None])
        rows, pick = np.arange(len(wanted)), self._pick(top_k.logits)
        best = probabilities[rows, pick]
        others = np.where(np.arange(probabilities.shape[1]) == pick[:, None], 0, probabilities)
        self.tentative[wanted] = top_k.ids[rows, pick]
        self.confidence[wanted] = best
        return _Scores(self._order(wanted, best, others.max(1), top_k.entropy), best, top_k.entropy)

    def _pick(self, logits: NDArray[np.float32]) -> NDArray[np.int64]:
        """(R, k) -> (R,): column of the chosen id, the best one or drawn by Gumbel-max from the k best."""
        if not self.schedule.temperature:
            return np.zeros(len(logits), np.int64)
        noisy: NDArray[np.int64] = (logits / self.schedule.temperature + self.rng.gumbel(size=logits.shape)).argmax(1)
        return noisy

    def _order(self, wanted: NDArray[np.int64], best: Scores, second: Scores, entropy: Scores) -> NDArray[np.int64]:
        schedule = self.schedule
        if self.ranks is None:
            confidence = commit_rules.MEASURED[schedule.order](best, second, entropy)
            if schedule.position_temperature:
                if schedule.order == "probability":
                    confidence = np.log(np.maximum(confidence, np.finfo(np.float32).tiny))
                confidence = commit_rules.noisy(confidence, schedule.position_temperature, self.rng)
            order = np.argsort(-confidence, kind="stable")  # ties: lowest position
        else:
            order = np.argsort(self.ranks[wanted], kind="stable")
        rule = commit_rules.RULES[schedule.rule]
        if rule is not None:
            keys = rule.sort(best[order], entropy[order], getattr(schedule, schedule.rule))
            order = order[np.argsort(keys, kind="stable")]
        return order

    def commit(self, positions: NDArray[np.int64]) -> None:
        self._stop_at_ends()  # a draft may already contain the end
        positions = positions[self.masked[positions]]
        self.ids[positions] = self.tentative[positions]
        self.masked[positions] = False
        self._stop_at_ends()

    def _stop_at_ends(self) -> None:
        for span in self.spans:
            if span.end_id is not None:
                self._end(span, span.end_id)

    def _end(self, span: Span, end_id: int) -> None:
        """Fill the masks after an end id once everything before it is committed, so that they are not computed."""
        ids, masked = self.ids[span.start : span.stop], self.masked[span.start : span.stop]
        ends = np.flatnonzero((ids == end_id) & ~masked)
        if ends.size and not masked[: ends[0]].any():
            self.tentative[span.start : span.stop][masked] = end_id
            ids[masked] = end_id
            masked[:] = False
