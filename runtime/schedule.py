"""How a canvas is filled: the options of `unmask.sampler.fill`, checked when they are made.

Knows names and numbers. Knows no canvas and no model.
"""

import math
from dataclasses import dataclass

from unmask import policy
from unmask.errors import InputError

RULES = ("quota", "threshold", "factor", "entropy_bound")
WINDOWS = ("masked", "block", "suffix")


@dataclass(frozen=True)
class Schedule:
    """How a canvas is filled. Checked on construction; InputError names the option."""

    passes: int | None = None
    """At most this many passes in each block; the last commits all that is left of it. None: as many as the rule takes."""
    rule: str = "threshold"
    """quota (needs passes), threshold, factor or entropy_bound."""
    order: str = "probability"
    """probability, margin, negative_entropy, random or halton (an even spread over an image span's grid)."""
    threshold: float = 0.9
    """Commit rows whose probability reaches it (rule threshold)."""
    factor: float = 1.0
    """Bound of the factor rule."""
    budget_ms: float | None = None
    """Passes are measured and commits raised so that the fill ends in time; it overruns by at most one pass, two with blocks."""
    keep: float = 0.9
    """Draft positions at or above this confidence start filled."""
    verify: int = 0
    """After the fill a causal verifier reads and corrects the text in at most this many passes (`unmask.verify`)."""
    accept: float = 1.0
    """The verifier lets its second choice stand where that has this share of the first's probability; 1: its greedy text."""
    ahead: int | None = None
    """A pass of the verifier reads so many tokens behind what is settled; what lies further waits. None: all the rest."""
    reuse: bool = False
    """Compute only the rows of `window`; the other rows' keys and values are an older pass's."""
    window: str = "masked"
    """With reuse, the rows of a pass: masked (those still masked in the block, and those committed a pass ago), block (a dual
    cache) or suffix (the block and all behind it: a prefix cache)."""
    refresh: int | None = None
    """With reuse, compute all rows again after this many passes. The first pass of each block computes them anyway."""
    block: int | None = None
    """Fill so many positions before the next ones; None: the model's own block, or the whole canvas at once."""
    curve: str = "even"
    """How the quota rule spreads commits: even, cosine (few first) or arccos (Halton's)."""
    entropy_bound: float = 0.1
    """Nats of entropy that rows committed together may add up to, the surest aside (rule entropy_bound)."""
    temperature: float = 0.0
    """Above 0, ids are drawn from the best candidates instead of taking the best."""
    revise: float = 0.0
    """When all is filled, look once more and mask again what is less probable than this, at most a quarter; then fill again."""
    seed: int = 0
    """Of the random order and of drawn ids."""

    def __post_init__(self) -> None:
        for name, known in (("rule", RULES), ("order", policy.ORDERS), ("window", WINDOWS), ("curve", policy.CURVES)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} {getattr(self, name)!r} is not one of {', '.join(known)}")
        for name in ("passes", "ahead", "refresh", "block"):
            if (number := getattr(self, name)) is not None and number < 1:
                raise InputError(f"{name} is {number}; at least 1 is needed")
        if self.rule == "quota" and self.passes is None:
            raise InputError("the quota rule spreads commits over passes: give passes")
        if self.refresh is not None and not self.reuse:
            raise InputError("refresh says how long keys and values are used again: give reuse too")
        if not 0 < self.threshold <= 1:  # also not a number
            raise InputError(f"threshold is {self.threshold}; it is a probability above 0")
        if self.verify < 0:
            raise InputError(f"verify is {self.verify}; 0 or more passes are possible")
        if not 0 <= self.accept <= 1:
            raise InputError(f"accept is {self.accept}; it is a share of a probability, 0 to 1")
        if not 0 <= self.revise < 1:
            raise InputError(f"revise is {self.revise}; it is a probability below 1")
        if not 0 <= self.temperature < math.inf:
            raise InputError(f"temperature is {self.temperature}; it must be 0 or above")
        for name in ("factor", "entropy_bound", "budget_ms"):
            if (value := getattr(self, name)) is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value}; it must be above 0")
