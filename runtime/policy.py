"""Which masked positions to commit after a pass: orders score them, commit rules choose how many.

Pure functions on NumPy arrays; no clock and no model. A rule sees rows sorted best first and returns how many to take, always at
least one when there is one, so that a fill cannot hang.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


# ---- orders: (probability of the best id, of the second, entropy in nats), each (R,) -> (R,), larger is surer


def by_probability(best: Scores, second: Scores, entropy: Scores) -> Scores:
    return best


def by_margin(best: Scores, second: Scores, entropy: Scores) -> Scores:
    return best - second


def by_negative_entropy(best: Scores, second: Scores, entropy: Scores) -> Scores:
    return -entropy


ORDERS: dict[str, Callable[[Scores, Scores, Scores], Scores]] = {
    "probability": by_probability,
    "margin": by_margin,
    "negative_entropy": by_negative_entropy,
}


# ---- commit rules


def quota(masked: int, passes_left: int) -> int:
    """Even quota: what is masked, spread over the passes that are left; the larger shares come first (LLaDA's rule)."""
    return math.ceil(masked / max(1, passes_left))


def threshold(probabilities: Scores, limit: float) -> int:
    """Fast-dLLM's threshold: every row at or above `limit`. probabilities: (R,), in the order of commitment."""
    return max(1, int((probabilities >= limit).sum())) if len(probabilities) else 0


def factor(probabilities: Scores, limit: float) -> int:
    """Fast-dLLM's factor: the longest run of n rows from the top with (n + 1) (1 - p_n) < limit. probabilities: (R,), falling."""
    if not len(probabilities):
        return 0
    risk = np.arange(2, len(probabilities) + 2) * (1 - probabilities)
    failing = np.flatnonzero(risk >= limit)
    return max(1, int(failing[0]) if failing.size else len(probabilities))


def deadline(masked: int, remaining_s: float, pass_s: float) -> int:
    """The fewest rows to commit now so that the rest fits: an even quota over the passes that still fit `remaining_s`.

    pass_s: the cost of a pass, from the slowest seen. When no further pass fits, all that is masked.
    """
    fitting = int(remaining_s / pass_s) if pass_s > 0 else masked
    return masked if fitting < 1 else math.ceil(masked / (fitting + 1))
