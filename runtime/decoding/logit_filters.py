"""What the published samplers do to a row's candidates after the graph: nucleus, k best, penalties, confidences.

Pure functions on the k best logits of each row, best first, with the logsumexp over the whole vocabulary. That is enough: the
full-vocabulary filters of Dream's `sample_tokens` (DreamLM/Dream and VITA-MLLM/Omni-Diffusion, generation_utils.py) end with the
50 best, and everything after works on what they leave. Removed candidates are -inf.
"""

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]  # (R, k)
Ids = NDArray[np.int64]  # (R, k)
PENALTY_FREE = 100  # masked rows, in positional order, that the position penalty leaves alone


def top_p(logits: Logits, logsumexp: NDArray[np.float32], limit: float) -> Logits:
    """Remove what more probable candidates outweigh already: their mass exceeds the limit. The best always stays."""
    if limit >= 1:
        return logits
    mass = np.cumsum(np.exp(logits - logsumexp[:, None]), 1, dtype=np.float32)
    before = np.concatenate([np.zeros((len(logits), 1), np.float32), mass[:, :-1]], 1)
    return np.where(before > np.float32(limit), np.float32(-np.inf), logits)


def top_k(logits: Logits, count: int) -> Logits:
    """Remove what lies below the k-th; equals of the k-th stay, as far as there are candidates."""
    if count >= logits.shape[1]:
        return logits
    return np.where(logits < logits[:, count - 1 : count], np.float32(-np.inf), logits)


def penalise_repetition(logits: Logits, ids: Ids, seen: NDArray[np.int64], penalty: float) -> Logits:
    """Ids that stand on the canvas already: negative logits times the penalty, others divided by it."""
    if penalty == 1:
        return logits
    return np.where(np.isin(ids, seen), _penalize(logits, np.float32(penalty)), logits)


def penalise_position(logits: Logits, most: float) -> Logits:
    """Masked rows behind the first hundred: a penalty that grows from 1 towards `most`. Rows are all masked ones, in order."""
    rows = len(logits)
    if rows <= PENALTY_FREE or most == 1:
        return logits
    penalty = np.ones(rows, np.float32)
    behind = np.arange(rows - PENALTY_FREE, dtype=np.float32)
    penalty[PENALTY_FREE:] = 1 + behind / np.float32(rows - PENALTY_FREE) * np.float32(most - 1)
    return _penalize(logits, penalty[:, None])


def _penalize(logits: Logits, penalty: np.float32 | NDArray[np.float32]) -> Logits:
    penalized: Logits = np.where(logits < 0, logits * penalty, logits / penalty)
    return penalized


def softmax(logits: Logits) -> Logits:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    probabilities: Logits = powers / powers.sum(1, keepdims=True)
    return probabilities


def argmax(values: Logits, ids: Ids) -> NDArray[np.int64]:
    """(R,) column of the largest value; among equals that of the lowest id, as an argmax over the vocabulary has it."""
    tied = values == values.max(1, keepdims=True)
    column: NDArray[np.int64] = np.where(tied, ids, np.iinfo(np.int64).max).argmin(1)
    return column


def margin(probabilities: Logits) -> NDArray[np.float32]:
    ordered = np.sort(probabilities, 1)
    found: NDArray[np.float32] = ordered[:, -1] - (ordered[:, -2] if ordered.shape[1] > 1 else 0)
    return found


def negative_entropy(probabilities: Logits) -> NDArray[np.float32]:
    """Of the filtered distribution; the published code keeps the logarithm finite by 1e-10."""
    found: NDArray[np.float32] = (probabilities * np.log(probabilities + np.float32(1e-10))).sum(1)
    return found
