"""Fill a canvas of streams in few passes: guidance in chosen passes, kept keys and values, and commits by quota or by confidence.

Knows canvases, schedules and the `StreamModel` protocol. Knows no engine and no text. With every pass guided, nothing reused and
the published counts this is the published decoding on other noise.
"""

import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from unmask.decoding import commit_rules
from unmask.decoding.denoiser import Step, TopKScores
from unmask.decoding.schedule import Schedule
from unmask.decoding.streams.canvas import Rows, StreamCanvas, StreamModel, StreamState, by_stream
from unmask.errors import InputError


def fill_streams(
    canvas: StreamCanvas, model: StreamModel, schedule: Schedule, clock: Callable[[], float] = time.perf_counter
) -> Iterator[Step]:
    """Yield a Step after each pass until nothing is masked. Its positions are cells, frame by frame.

    clock: returns seconds; only differences matter. The same canvas and schedule give the same bytes. Raises InputError for
    options that streams do not read, and whatever the model raises.
    """
    check(schedule)
    yield from _Fill(canvas, model, schedule, clock).run()


def check(schedule: Schedule) -> None:
    """Raises InputError for options that a canvas of streams does not read."""
    given = {"block": schedule.block, "budget_ms": schedule.budget_ms, "revise": schedule.revise, "verify": schedule.verify}
    for name, value in given.items():
        if value:
            raise InputError(f"{name} is {value}, which a canvas of several streams does not read; leave it out")
    if schedule.order in commit_rules.RANKED:
        raise InputError(f"order {schedule.order!r} is for one stream; take {' or '.join(commit_rules.MEASURED)}")


class _Fill:
    """One fill in progress."""

    def __init__(self, canvas: StreamCanvas, model: StreamModel, schedule: Schedule, clock: Callable[[], float]) -> None:
        self.state, self.model, self.schedule, self.clock = StreamState(canvas), model, schedule, clock
        self.rng = np.random.default_rng(schedule.seed)
        self.number = self.since_all = self.rows = 0
        self.total = int(self.state.masked.sum())
        self.fresh = np.zeros(canvas.codes.shape[1], bool)  # frames that the last pass changed
        self.led: Rows | None = None  # the last unconditional rows, (T, d)
        self.quotas = self._quotas()
        model.reset()

    def run(self) -> Iterator[Step]:
        while self.state.masked.any():
            yield self._pass()

    def _pass(self) -> Step:
        start, state = self.clock(), self.state
        self.number += 1
        frames = self._frames()
        hidden = self.model.hidden(state.codes, frames)
        self.rows = self.model.rows
        frames = np.arange(state.codes.shape[1]) if frames is None else frames
        hidden = self._guided(hidden, frames)
        scores = self.model.numbers(hidden, wide=self.schedule.temperature > 0)
        cells = self._chosen(scores, frames)
        state.commit(cells)
        self.fresh = np.isin(np.arange(state.codes.shape[1]), cells % state.codes.shape[1])
        return state.step(self.number, cells, self.rows, self.clock() - start)

    # ---- which rows a pass computes

    def _frames(self) -> NDArray[np.int64] | None:
        """Frames to compute; None: these and the prompt."""
        schedule = self.schedule
        stale = schedule.refresh is not None and self.since_all >= schedule.refresh
        if not schedule.reuse or self.since_all == 0 or stale:
            self.since_all = 1
            return None
        self.since_all += 1
        if schedule.window != "masked":
            return np.arange(self.state.codes.shape[1])
        return np.flatnonzero(self.state.masked.any(0) | self.fresh)

    def _guided(self, hidden: Rows, frames: NDArray[np.int64]) -> Rows:
        """Hidden rows of frames, led away from what they would be without a prompt, if this pass is guided."""
        schedule = self.schedule
        if not schedule.guidance:
            return hidden
        if schedule.leads_anew(self.number):
            self.led = self._away()
        elif schedule.guided_every is None:
            return hidden
        assert self.led is not None
        away = self.led[frames] if len(self.led) > 1 else self.led
        return away + np.float32(schedule.guidance + 1) * (hidden - away)

    def _away(self) -> Rows:
        if self.state.masked.all():
            return self.model.nothing()
        away = self.model.away(self.state.codes)
        self.rows += self.model.rows
        return away

    # ---- what it commits

    def _chosen(self, scores: TopKScores, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Guess at the masked cells of frames, and return those to commit: indices into the flat (Q, T) arrays."""
        state, schedule = self.state, self.schedule
        streams, length = state.codes.shape
        picked = self._picked(scores.logits)
        rows = np.arange(len(picked))
        probabilities = np.exp(scores.logits - scores.logsumexp[:, None])
        best = probabilities[:, 0]
        state.guess(frames, by_stream(scores.ids[rows, picked], streams), by_stream(best, streams))
        confidence = self._confidence(scores, probabilities) - np.float32(schedule.stream_penalty) * (rows % streams)
        if schedule.position_temperature:
            confidence = commit_rules.noisy(confidence, schedule.position_temperature, self.rng)
        cells = rows % streams * length + frames[rows // streams]
        open_cells = np.flatnonzero(state.masked.flat[cells])
        order = open_cells[np.lexsort((cells[open_cells], -confidence[open_cells]))]
        chosen: NDArray[np.int64] = cells[self._first(order, best, scores.entropy)]
        return chosen

    def _picked(self, logits: Rows) -> NDArray[np.int64]:
        """(R, k) -> (R,): column of the chosen id, the best one or drawn by Gumbel-max from the k best."""
        if not self.schedule.temperature:
            return np.zeros(len(logits), np.int64)
        noise = commit_rules.gumbel(self.rng.random(logits.shape, np.float32))
        drawn: NDArray[np.int64] = (logits / np.float32(self.schedule.temperature) + noise).argmax(1)
        return drawn

    def _confidence(self, scores: TopKScores, probabilities: Rows) -> Rows:
        """(R,): the schedule's order, in nats where it is a probability."""
        if self.schedule.order == "probability":
            return scores.logits[:, 0] - scores.logsumexp
        return commit_rules.MEASURED[self.schedule.order](probabilities[:, 0], probabilities[:, 1], scores.entropy)

    def _first(self, order: NDArray[np.int64], best: Rows, entropy: Rows) -> NDArray[np.int64]:
        """The rows to commit, of those in `order`: by the rule, and never fewer than the curve's quota of this pass."""
        rule = commit_rules.RULES[self.schedule.rule]
        count = self.quotas[self.number - 1] if self.number <= len(self.quotas) else len(order) if self.quotas else 1
        if rule is None:
            return order[: max(1, count)]
        limit = getattr(self.schedule, self.schedule.rule)
        order = order[np.argsort(rule.sort(best[order], entropy[order], limit), kind="stable")]
        return order[: max(count, rule.count(best[order], entropy[order], limit))]

    def _quotas(self) -> list[int]:
        """Commits of each pass by the curve; none without a number of passes."""
        passes = self.schedule.passes
        if passes is None:
            return []
        curve = commit_rules.CURVES[self.schedule.curve]
        if curve is None:
            left = [self.total - self.total * number // passes for number in range(passes + 1)]
        else:
            left = [self.total, *(curve(self.total, number, passes, self.schedule.shift) for number in range(1, passes + 1))]
        quotas = [before - after for before, after in itertools.pairwise(left)]
        return [*quotas[:-1], self.total]  # the last pass commits everything that is left
