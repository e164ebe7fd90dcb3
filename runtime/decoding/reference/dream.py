"""The published decoding of Dream and Omni-Diffusion (generation_utils.py of DreamLM/Dream and VITA-MLLM/Omni-Diffusion)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from unmask.decoding import logit_filters as filters
from unmask.decoding.commit_rules import evenly
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.reference.state import Ids, Rows, State, surest
from unmask.errors import InputError


def dream(state: State) -> Iterator[Ids]:
    """Fill blocks from left to right; a block gets steps in proportion to its length, rounded down, and at least one.

    A block that is full before its steps are done is left. (The published code goes on and would overwrite the prompt.)
    """
    if state.reference.guidance and state.unconditional is None:
        raise InputError("guidance needs an unconditional prompt, and this task has none; set guidance to 0")
    total, began = len(state.answer), 0
    length = state.reference.block or total
    steps = min(state.reference.steps, total)
    while began < total:
        block = state.answer[began : began + length]
        began += length
        own = max(1, int(len(block) / total * steps))
        for step in range(own):
            masked = int((state.ids[block] == state.mask_id).sum())
            if masked:
                yield _step(state, block, step, own, masked)


def _step(state: State, block: Ids, step: int, steps: int, masked: int) -> Ids:
    reference, wanted = state.reference, state.masked
    confidence = _guess(state, wanted, first=step == 0 and int(block[0]) == int(state.answer[0]))
    inside = wanted[np.isin(wanted, block)]
    if reference.algorithm == "origin":  # each position is drawn on its own, whatever its confidence
        times = timesteps(steps, reference.eps)
        share = 1.0 if step == steps - 1 else float(np.float32(1) - times[step + 1] / times[step])
        return state.commit(inside[state.rng.random(len(inside)) < share])
    count = min(len(inside), dream_quota(masked, step, steps, reference.eps, reference.at_least_one))
    own = confidence[np.isin(wanted, block)]
    if reference.algorithm_temperature and count:
        shares = filters.softmax(own[None] / np.float32(reference.algorithm_temperature))[0].astype(np.float64)
        noisy = np.log(shares + np.finfo(np.float64).tiny) + state.rng.gumbel(size=len(shares))  # sampling without replacement
        return state.commit(inside[surest(noisy.astype(np.float32), count)])
    return state.commit(inside[surest(own, count)])


def _guess(state: State, wanted: Ids, first: bool) -> Rows:
    """Guess an id at every masked position, as `sample_tokens` does: filters, penalties, softmax, in that order.

    Returns the confidence of each, (R,), by the algorithm's metric.
    """
    reference = state.reference
    scores = _scores(state, wanted)
    logits = filters.top_k(filters.top_p(scores.logits, scores.logsumexp, reference.top_p), reference.top_k)
    if reference.algorithm == "entropy-penalty" and not first:
        seen = np.unique(state.ids[state.answer])
        seen = seen[(seen != state.mask_id) & (seen != 0)]  # the published code writes id 0 in place of the prompt
        logits = filters.penalize_repetition(logits, scores.ids, seen, reference.repetition_penalty)
    probabilities = filters.softmax(filters.penalize_position(logits, reference.position_penalty))
    if reference.temperature:
        drawn = np.log(probabilities.astype(np.float64) + 1e-300) + state.rng.gumbel(size=probabilities.shape)
        column = np.where(probabilities > 0, drawn, -np.inf).argmax(1)
    else:
        column = filters.argmax(probabilities, scores.ids)
    rows = np.arange(len(wanted))
    probability = probabilities[rows, column]
    state.guess(wanted, scores.ids[rows, column], probability)
    if reference.algorithm == "topk_margin":
        return filters.margin(probabilities)
    return filters.negative_entropy(probabilities) if reference.algorithm.startswith("entropy") else probability


def _scores(state: State, wanted: Ids) -> TopKScores:
    """Scores of one pass, divided by the temperature. Guidance leads away from the unconditional prompt."""
    reference = state.reference
    away = state.unconditional.hidden(state.ids, wanted) if state.unconditional and reference.guidance else None
    found = state.numbers(wanted, 1 / reference.temperature if reference.temperature else 1.0, away)
    if found.ids.shape[1] < min(reference.top_k, 50):
        raise InputError(
            f"the head returns {found.ids.shape[1]} ids and this decoding needs {reference.top_k}; "
            f"export again with --top {reference.top_k}"
        )
    return found


def dream_quota(masked: int, step: int, steps: int, eps: float, at_least_one: bool) -> int:
    """Number of positions to commit in step 0 <= step < steps: trunc(masked (1 - s / t)) in float32, and all in the last step.

    t and s are the step's own and the next value of linspace(1, eps, steps + 1).
    """
    if step == steps - 1:
        return masked
    times = timesteps(steps, eps)
    count = int(np.float32(masked) * (np.float32(1) - times[step + 1] / times[step]))
    return max(count, 1) if at_least_one else count


def timesteps(steps: int, eps: float) -> NDArray[np.float32]:
    """(steps + 1,) values from 1 to eps, as the published code has them."""
    return evenly(1.0, eps, steps)
