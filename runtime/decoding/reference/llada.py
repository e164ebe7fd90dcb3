"""The published decoding of LLaDA (generate.py of ML-GSAI/LLaDA), and with a stop id that of Tiny-A2D (cards of ZHZisZZ/dllm)."""

from collections.abc import Iterator

import numpy as np

from unmask.decoding import logit_filters as filters
from unmask.decoding.reference.state import Ids, Rows, State, surest


def llada(state: State) -> Iterator[Ids]:
    """Fill blocks from left to right with equal numbers of steps; the first steps of a block commit the remainder, one each.

    The number of steps of a block is rounded up, as in the cards of ZHZisZZ/dllm; LLaDA's own code refuses one that is not whole.
    """
    total = len(state.answer)
    length = state.reference.block or total
    blocks = -(-total // length) if total else 0
    for at in range(blocks):
        block = state.answer[at * length : (at + 1) * length]
        steps = -(-state.reference.steps // blocks)
        masks = int((state.ids[block] == state.mask_id).sum())
        for step in range(steps):
            count = masks // steps + (step < masks % steps)
            if len(state.masked) and count:
                yield _step(state, block, count)
        if state.reference.stop_id in state.ids[block]:
            return


def _step(state: State, block: Ids, count: int) -> Ids:
    """One step. With a temperature, ids are drawn by Gumbel-max in float64 from the head's k best, not the whole vocabulary."""
    reference, wanted = state.reference, state.masked
    scores = state.numbers(wanted, 1.0, _without_prompt(state, wanted) if reference.guidance else None)
    if reference.temperature:
        noisy = scores.logits.astype(np.float64) / reference.temperature + state.rng.gumbel(size=scores.logits.shape)
        column = noisy.argmax(1)
    else:
        column = filters.argmax(scores.logits, scores.ids)
    rows = np.arange(len(wanted))
    probability = np.exp(scores.logits[rows, column] - scores.logsumexp)
    state.guess(wanted, scores.ids[rows, column], probability)
    confidence = state.rng.random(len(wanted)).astype(np.float32) if reference.algorithm == "random" else probability
    inside = np.isin(wanted, block)
    return state.commit(wanted[inside][surest(confidence[inside], count)])


def _without_prompt(state: State, wanted: Ids) -> Rows:
    """Hidden rows of the canvas whose prompt is masked, which guidance leads away from."""
    empty = state.ids.copy()
    empty[np.setdiff1d(np.arange(len(empty)), state.answer)] = state.mask_id
    return state.denoiser.hidden(empty, wanted)
