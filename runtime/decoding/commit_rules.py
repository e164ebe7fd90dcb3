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


MEASURED: dict[str, Callable[[Scores, Scores, Scores], Scores]] = {
    "probability": by_probability,
    "margin": by_margin,
    "negative_entropy": by_negative_entropy,
}


# ---- orders that look at no numbers: ranks of a span's positions, 0 first


def random_ranks(count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(count)


def halton_ranks(count: int, seed: int = 0) -> NDArray[np.int64]:
    """An even spread over a grid as square as `count` allows, filled row by row. seed: not used, the sequence is fixed.

    Points (radical inverse of n in base 2, in base 3) scaled to the grid, each cell when it is first hit (Halton scheduler,
    Besnier et al. 2025, arXiv 2503.17076).
    """
    width = math.isqrt(max(0, count - 1)) + 1
    height = -(-count // width)
    order: dict[int, None] = {}
    n = 0
    while len(order) < count:
        cell = int(radical_inverse(n, 2) * height) * width + int(radical_inverse(n, 3) * width)
        if cell < count:
            order.setdefault(cell)
        n += 1
    ranks = np.empty(count, np.int64)
    ranks[list(order)] = np.arange(count)
    return ranks


def radical_inverse(n: int, base: int) -> float:
    """The digits of n in `base`, mirrored at the point: 6 = 110 in base 2 gives 0.011 = 3/8."""
    value, unit = 0.0, 1.0
    while n:
        unit /= base
        n, digit = divmod(n, base)
        value += digit * unit
    return value


RANKED: dict[str, Callable[[int, int], NDArray[np.int64]]] = {"random": random_ranks, "halton": halton_ranks}
ORDERS = (*MEASURED, *RANKED)


# ---- commit rules


def quota(masked: int, passes_left: int) -> int:
    """Even quota: what is masked, spread over the passes that are left; the larger shares come first (LLaDA's rule)."""
    return math.ceil(masked / max(1, passes_left))


def cosine(total: int, number: int, passes: int) -> int:
    """Masks left after pass `number` of `passes`: few are committed first, many last (MaskGIT, arXiv 2202.04200)."""
    return math.floor(total * math.cos(math.pi / 2 * number / passes))


def arccos(total: int, number: int, passes: int) -> int:
    """The Halton scheduler's curve: total * (1 - 2 arccos(number / passes) / pi) are committed after pass `number`."""
    return total - math.floor(total * (1 - 2 * math.acos(number / passes) / math.pi))


CURVES: dict[str, Callable[[int, int, int], int] | None] = {"even": None, "cosine": cosine, "arccos": arccos}


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


def entropy_bound(entropies: Scores, limit: float) -> int:
    """EB-Sampler's bound: the most rows whose entropies add up to at most `limit`, the largest of them left out.

    entropies: (R,) nats, rising. Source: Ben-Hamu et al. 2025, arXiv 2505.24857, with the entropy itself as the error proxy.
    """
    if not len(entropies):
        return 0
    before = np.concatenate(([0.0], np.cumsum(entropies)[:-1]))  # of a rising row the last is the largest
    return max(1, int((before <= limit).sum()))


def deadline(masked: int, remaining_s: float, pass_s: float) -> int:
    """The fewest rows to commit now so that the rest fits: an even quota over the passes that still fit `remaining_s`.

    pass_s: the cost of a pass, from the slowest seen. When no further pass fits, all that is masked.
    """
    fitting = int(remaining_s / pass_s) if pass_s > 0 else masked
    return masked if fitting < 1 else math.ceil(masked / (fitting + 1))
