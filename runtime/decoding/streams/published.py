"""The published decoding of OmniVoice (omnivoice 0.2.1), token for token where the noise is the same. Slow on purpose.

Computes prompt and frames with the prompt, and frames without it, in every step. Knows canvases and the `StreamModel` protocol.
"""

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.commit_rules import gumbel, shifted_counts
from unmask.decoding.denoiser import Step, TopKScores
from unmask.decoding.schedule import Reference
from unmask.decoding.streams.canvas import Rows, StreamCanvas, StreamModel, StreamState, by_stream
from unmask.errors import InputError

DRAWN_SHARE = 0.1  # of a stream's ids, its mask among them, from which a code is drawn
Uniform = Callable[[tuple[int, ...]], Rows]
"""Shape -> numbers in [0, 1), float32. Asked in each step that commits anything: with a temperature for (Q, T, V), a number for
each of a stream's V ids, then for (Q, T)."""


def published_streams(
    canvas: StreamCanvas,
    model: StreamModel,
    reference: Reference,
    uniform: Uniform | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Step]:
    """Yield a Step after each step that commits anything. Ties of confidence go to the lower stream, then the earlier frame.

    uniform: by default NumPy's generator with the reference's seed. clock: returns seconds. Raises InputError for a canvas that
    is not all masks, as the published code has no other, and for another sampler's options.
    """
    if reference.sampler != "omnivoice":
        raise InputError(f"the sampler {reference.sampler!r} does not fill several streams")
    state = StreamState(canvas)
    if not state.masked.all():
        raise InputError("the published decoding starts from masks alone; leave out the codes that are given")
    rng = np.random.default_rng(reference.seed)
    draw = uniform or (lambda shape: rng.random(shape, np.float32))
    model.reset()
    number, start = 0, clock()
    for count in shifted_counts(canvas.codes.size, reference.steps, reference.shift):
        if not count:  # the published code computes a pass here, and does nothing with it
            continue
        number += 1
        hidden = model.hidden(state.codes, None)
        rows = model.rows
        if reference.guidance:
            away = model.away(state.codes)
            hidden, rows = away + np.float32(reference.guidance + 1) * (hidden - away), rows + model.rows
        cells = _chosen(state, model.numbers(hidden, wide=reference.temperature > 0), reference, draw, count)
        state.commit(cells)
        yield state.step(number, cells, rows, clock() - start)
        start = clock()


def _chosen(state: StreamState, scores: TopKScores, reference: Reference, draw: Uniform, count: int) -> NDArray[np.int64]:
    """Guess at every cell, and return the `count` to commit: indices into the flat (Q, T) arrays."""
    streams, frames = state.codes.shape
    log_probabilities = scores.logits - scores.logsumexp[:, None]
    picked = np.zeros(len(scores.ids), np.int64)
    if reference.temperature:
        ids = scores.ids[:, : drawn_ids(state.mask + 1)]
        noise = gumbel(draw((streams, frames, state.mask + 1))).transpose(1, 0, 2).reshape(-1, state.mask + 1)
        own = np.take_along_axis(noise, ids, 1)
        picked = (log_probabilities[:, : ids.shape[1]] / np.float32(reference.temperature) + own).argmax(1)
    chosen = scores.ids[np.arange(len(picked)), picked]
    best = by_stream(log_probabilities[:, 0], streams)
    state.guess(np.arange(frames), by_stream(chosen, streams), np.exp(best))
    score = best - np.float32(reference.stream_penalty) * np.arange(streams, dtype=np.float32)[:, None]
    if reference.position_temperature:
        score = score / np.float32(reference.position_temperature) + gumbel(draw((streams, frames)))
    score = np.where(state.masked, score, np.float32(-np.inf)).reshape(-1)
    return np.argsort(-score, kind="stable")[:count]


def drawn_ids(ids: int) -> int:
    """Number of the best ids from which one of a stream's `ids` is drawn."""
    return math.ceil(DRAWN_SHARE * ids)
