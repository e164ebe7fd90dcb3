"""Which masked positions to commit after a pass: an order sorts them, a commit rule chooses how many.

Pure functions on NumPy arrays; no clock and no model. A rule gets the rows sorted best first and returns the number to commit. It
returns at least 1 if there is any row, so that a fill cannot hang.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]


# ---- orders by confidence: probability of the best id, of the second, entropy in nats, each (R,) -> (R,), most confident largest


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


def gumbel(uniform: Scores) -> Scores:
    """Gumbel noise of uniform numbers in [0, 1), in float32, kept finite as OmniVoice's code keeps it."""
    least = np.float32(1e-10)
    noise: Scores = -np.log(-np.log(uniform + least) + least)
    return noise


def noisy(confidence: Scores, temperature: float, rng: np.random.Generator) -> Scores:
    """Confidences divided by a temperature, with noise added. Probabilities are given as logarithms."""
    found: Scores = confidence / np.float32(temperature) + gumbel(rng.random(confidence.shape, np.float32))
    return found


# ---- fixed orders, independent of the model: length of a span, seed -> (count,) rank of each position, 0 is committed first


def random_ranks(count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(count)


def halton_ranks(count: int, seed: int = 0) -> NDArray[np.int64]:
    """Ranks that spread evenly over a grid, in row-major order and as square as `count` allows. seed: ignored.

    Cells are ranked in the order in which points of the Halton sequence (bases 2 and 3), scaled to the grid, first hit them.
    Source: the Halton scheduler, Besnier et al. 2025, arXiv 2503.17076.
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
    """The digits of n in `base`, mirrored at the radix point: 6 = 110 in base 2 gives 0.011 = 3/8."""
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
    """Number of rows to commit so that the masked ones spread evenly over the passes left; larger shares first (LLaDA's rule)."""
    return math.ceil(masked / max(1, passes_left))


def cosine(total: int, number: int, passes: int, shift: float = 1.0) -> int:
    """Number of masks left after pass `number` of `passes`: few commits at first, many at the end (MaskGIT, arXiv 2202.04200)."""
    return math.floor(total * math.cos(math.pi / 2 * number / passes))


def arccos(total: int, number: int, passes: int, shift: float = 1.0) -> int:
    """The same for the Halton scheduler's curve: total * (1 - 2 arccos(number / passes) / pi) are committed by then."""
    return total - math.floor(total * (1 - 2 * math.acos(number / passes) / math.pi))


def shifted(total: int, number: int, passes: int, shift: float) -> int:
    """The same where the share s u / (1 + (s - 1) u) is committed by time u: the smaller the shift s, the later (OmniVoice)."""
    return total - sum(shifted_counts(total, passes, shift)[:number])


def shifted_counts(total: int, passes: int, shift: float) -> list[int]:
    """Number of positions that each pass commits: the shares' differences in float32, rounded up; the last pass takes the rest.

    Times are those of torch.linspace(0, 1, passes + 1), bit for bit. Source: OmniVoice 0.2.1, whose counts these are.
    """
    times = evenly(0.0, 1.0, passes)
    scale = np.float32(shift)
    shares = (scale * times / (np.float32(1) + np.float32(shift - 1) * times)).astype(np.float64)
    counts, left = list[int](), total
    for number in range(passes - 1):
        counts.append(min(left, math.ceil(total * float(shares[number + 1] - shares[number]))))
        left -= counts[-1]
    return [*counts, left]


def evenly(start: float, end: float, steps: int) -> NDArray[np.float32]:
    """(steps + 1,): torch.linspace(start, end, steps + 1), bit for bit: both halves from their ends, each point rounded once."""
    width = np.float64((np.float32(end) - np.float32(start)) / np.float32(steps))
    at = np.arange(steps + 1)
    low, high = np.float64(np.float32(start)), np.float64(np.float32(end))
    times = np.where(at < (steps + 1) // 2, low + width * at, high - width * (steps - at))
    return times.astype(np.float32)


Curve = Callable[[int, int, int, float], int]
CURVES: dict[str, Curve | None] = {"even": None, "cosine": cosine, "arccos": arccos, "shifted": shifted}


def threshold(probabilities: Scores, limit: float) -> int:
    """Fast-dLLM's threshold: the number of rows at or above `limit`. probabilities: (R,), in the order of commits."""
    return max(1, int((probabilities >= limit).sum())) if len(probabilities) else 0


def factor(probabilities: Scores, limit: float) -> int:
    """Fast-dLLM's factor: the largest n with (n + 1) (1 - p_n) < limit for it and all smaller n.

    probabilities: (R,), decreasing.
    """
    if not len(probabilities):
        return 0
    risk = np.arange(2, len(probabilities) + 2) * (1 - probabilities)
    failing = np.flatnonzero(risk >= limit)
    return max(1, int(failing[0]) if failing.size else len(probabilities))


def entropy_bound(entropies: Scores, limit: float) -> int:
    """EB-Sampler's bound: the most rows whose entropies, without the largest, add up to at most `limit`.

    entropies: (R,) nats, increasing. Source: Ben-Hamu et al. 2025, arXiv 2505.24857, with the entropy itself as the error proxy.
    """
    if not len(entropies):
        return 0
    before = np.concatenate(([0.0], np.cumsum(entropies)[:-1]))  # entropies increase, so the last one is the largest
    return max(1, int((before <= limit).sum()))


@dataclass(frozen=True)
class CommitRule:
    """A rule that depends on the scores of a pass. Its limit is the option of `Schedule` with the rule's name."""

    sort: Callable[[Scores, Scores, float], NDArray[np.generic]]
    """(probability of the best id (R,), entropy (R,), limit) -> (R,) sort keys, smallest first; ties keep their order."""
    count: Callable[[Scores, Scores, float], int]
    """The same arguments, sorted -> number of rows to commit, from the first."""


RULES = {
    "quota": None,  # independent of the scores: it spreads commits over a number of passes
    "threshold": CommitRule(lambda best, entropy, limit: best < limit, lambda best, entropy, limit: threshold(best, limit)),
    "factor": CommitRule(lambda best, entropy, limit: -best, lambda best, entropy, limit: factor(best, limit)),
    "entropy_bound": CommitRule(lambda best, entropy, limit: entropy, lambda best, entropy, limit: entropy_bound(entropy, limit)),
}


def deadline(masked: int, remaining_s: float, pass_s: float) -> int:
    """Smallest number of rows to commit now to finish in time: an even quota over the passes that fit into `remaining_s`.

    pass_s: duration of the slowest pass so far, in seconds. Returns all masked rows if no further pass fits.
    """
    fitting = int(remaining_s / pass_s) if pass_s > 0 else masked
    return masked if fitting < 1 else math.ceil(masked / (fitting + 1))
