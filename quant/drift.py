"""How much two models' answers to the same canvas differ. Pure functions of logits. Knows no bundle and no clock.

A sampler reads two things from a row, the best id and its probability, and commits the most confident rows first. So there are
three questions: do the models choose the same id, would they commit the same rows first, and how much do their distributions
differ?
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
EARLY = 0.25  # share of the masked rows that the first passes commit


@dataclass(frozen=True)
class Drift:
    """Model B compared with model A, over canvases with one share of masked positions, over texts, or over slots of drafts."""

    role: str
    """The graph that answered: window, verify or context."""
    ratio: float | None
    """Share of masked positions; None for texts that a causal model reads, and for slots."""
    canvases: int
    rows: int
    argmax: float
    """Share of rows with the same best id."""
    first: float
    """Share of canvases with the same most confident row."""
    early: float
    """Share of A's most confident quarter of a canvas's rows that is also in B's most confident quarter."""
    kl: float
    """Mean of KL(A || B) over rows, nats."""
    kl_p95: float


def log_softmax(logits: Floats) -> Floats:  # (R, V) -> (R, V)
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def kl_rows(a: Floats, b: Floats) -> Floats:
    """KL(A || B) of each row in nats: (R, V) log-probabilities twice -> (R,)."""
    return np.maximum(0, (np.exp(a) * (a - b)).sum(-1))


def most_confident(logs: Floats, count: int) -> NDArray[np.int64]:
    """The `count` rows with the most probable best id. Ties go to the earlier row, as in the sampler."""
    return np.argsort(-logs.max(-1), kind="stable")[:count]


def drift(role: str, ratio: float | None, pairs: Sequence[tuple[Floats, Floats]]) -> Drift:
    """pairs: log-probabilities (R, V) of A and of B for each canvas. role, ratio: what they are of.

    A row that is NaN in either agrees with nothing, and its KL is NaN, so that no gate is passed by it.
    """
    kl = np.concatenate([kl_rows(a, b) for a, b in pairs])
    real = [np.isfinite(a.max(-1)) & np.isfinite(b.max(-1)) for a, b in pairs]  # two rows of NaN agree on nothing
    argmax = np.concatenate([(a.argmax(-1) == b.argmax(-1)) & rows for (a, b), rows in zip(pairs, real, strict=True)])
    first, early, wanted = [], 0, 0
    for (a, b), rows in zip(pairs, real, strict=True):
        count = max(1, round(EARLY * len(a)))
        wanted += count
        first.append(bool(rows.all()) and most_confident(a, 1)[0] == most_confident(b, 1)[0])
        if rows.all():
            early += len(np.intersect1d(most_confident(a, count), most_confident(b, count)))
    return Drift(
        role,
        ratio,
        len(pairs),
        len(kl),
        float(argmax.mean()),
        float(np.mean(first)),
        early / wanted,
        float(kl.mean()),
        float(np.percentile(kl, 95)),
    )
