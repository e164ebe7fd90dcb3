"""Filters of the published samplers on each row's candidates: top-p, top-k, penalties, and confidence metrics.

Pure functions on the k best logits of each row, best first, with the logsumexp over the whole vocabulary. That is enough: the
full-vocabulary filters of Dream's `sample_tokens` (DreamLM/Dream and VITA-MLLM/Omni-Diffusion, generation_utils.py) keep at most
the 50 best, and everything after them uses only those. Removed candidates are set to -inf.
"""

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]  # (R, k)
Ids = NDArray[np.int64]  # (R, k)
PENALTY_FREE = 100  # number of masked rows, in order of position, to which the position penalty does not apply


def top_p(logits: Logits, logsumexp: NDArray[np.float32], limit: float) -> Logits:
    """Nucleus filter: remove candidates if the more probable ones add up to more than `limit`. The best always stays.

    logits: (R, k), best first. logsumexp: (R,). Returns (R, k).
    """
    if limit >= 1:
        return logits
    mass = np.cumsum(np.exp(logits - logsumexp[:, None]), 1, dtype=np.float32)
    before = np.concatenate([np.zeros((len(logits), 1), np.float32), mass[:, :-1]], 1)
    return np.where(before > np.float32(limit), np.float32(-np.inf), logits)


def top_k(logits: Logits, count: int) -> Logits:
    """(R, k) -> (R, k): remove candidates below the `count`-th best; ties with it stay, if they are among the candidates."""
    if count >= logits.shape[1]:
        return logits
    return np.where(logits < logits[:, count - 1 : count], np.float32(-np.inf), logits)


def penalize_repetition(logits: Logits, ids: Ids, seen: NDArray[np.int64], penalty: float) -> Logits:
    """Penalize ids that are already on the canvas: negative logits are multiplied by the penalty, others are divided by it.

    logits, ids: (R, k). seen: (S,) ids on the canvas. Returns (R, k).
    """
    if penalty == 1:
        return logits
    return np.where(np.isin(ids, seen), _penalize(logits, np.float32(penalty)), logits)


def penalize_position(logits: Logits, most: float) -> Logits:
    """Penalize masked rows after the first hundred, by a penalty that grows from 1 toward `most`.

    logits: (R, k) of all masked rows, in order of position. Returns (R, k).
    """
    rows = len(logits)
    if rows <= PENALTY_FREE or most == 1:
        return logits
    penalty = np.ones(rows, np.float32)
    late = np.arange(rows - PENALTY_FREE, dtype=np.float32)
    penalty[PENALTY_FREE:] = 1 + late / np.float32(rows - PENALTY_FREE) * np.float32(most - 1)
    return _penalize(logits, penalty[:, None])


def _penalize(logits: Logits, penalty: np.float32 | NDArray[np.float32]) -> Logits:
    penalized: Logits = np.where(logits < 0, logits * penalty, logits / penalty)
    return penalized


def softmax(logits: Logits) -> Logits:
    """(R, k) -> (R, k): probabilities among the candidates only."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    probabilities: Logits = powers / powers.sum(1, keepdims=True)
    return probabilities


def argmax(values: Logits, ids: Ids) -> NDArray[np.int64]:
    """(R,) column of the largest value. Ties go to the lowest id, as in an argmax over the vocabulary."""
    tied = values == values.max(1, keepdims=True)
    column: NDArray[np.int64] = np.where(tied, ids, np.iinfo(np.int64).max).argmin(1)
    return column


def margin(probabilities: Logits) -> NDArray[np.float32]:
    """(R, k) -> (R,): the largest probability minus the second."""
    ordered = np.sort(probabilities, 1)
    found: NDArray[np.float32] = ordered[:, -1] - (ordered[:, -2] if ordered.shape[1] > 1 else 0)
    return found


def negative_entropy(probabilities: Logits) -> NDArray[np.float32]:
    """(R, k) -> (R,): negative entropy of the filtered distribution, in nats. The published code adds 1e-10 in the logarithm."""
    found: NDArray[np.float32] = (probabilities * np.log(probabilities + np.float32(1e-10))).sum(1)
    return found
