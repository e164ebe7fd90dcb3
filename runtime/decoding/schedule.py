"""How a canvas is filled: the options of `unmask.decoding.sampler.fill`, checked when they are made.

Knows names and numbers. Knows no canvas and no model.
"""

import math
from dataclasses import dataclass

from unmask.decoding import commit_rules as policy
from unmask.errors import InputError

RULES = ("quota", "threshold", "factor", "entropy_bound")
ALGORITHMS = {
    "dream": ("origin", "maskgit_plus", "topk_margin", "entropy", "entropy-penalty"),
    "llada": ("low_confidence", "random"),
}
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
    draft_min_confidence: float = 0.9
    """Draft positions at or above this confidence start filled."""
    verify: int = 0
    """After the fill a causal verifier reads and corrects the text in at most this many passes (`speculative`)."""
    verify_accept_ratio: float = 1.0
    """The verifier lets its second choice stand where that has this share of the first's probability; 1: its greedy text."""
    verify_lookahead: int | None = None
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
        for name in ("passes", "verify_lookahead", "refresh", "block"):
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
        if not 0 <= self.verify_accept_ratio <= 1:
            raise InputError(f"verify_accept_ratio is {self.verify_accept_ratio}; it is a share of a probability, 0 to 1")
        if not 0 <= self.revise < 1:
            raise InputError(f"revise is {self.revise}; it is a probability below 1")
        if not 0 <= self.temperature < math.inf:
            raise InputError(f"temperature is {self.temperature}; it must be 0 or above")
        for name in ("factor", "entropy_bound", "budget_ms"):
            if (value := getattr(self, name)) is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value}; it must be above 0")


@dataclass(frozen=True)
class Reference:
    """A published decoding. Checked on construction; InputError names the option."""

    sampler: str
    """dream or llada."""
    steps: int
    """Passes over the whole answer; at most as many as it has positions."""
    algorithm: str
    """dream: origin, maskgit_plus, topk_margin, entropy, entropy-penalty; llada: low_confidence, random."""
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 50
    """Dream's generation takes it from a default of transformers, unsaid in its own code. LLaDA filters nothing."""
    algorithm_temperature: float = 0.0
    """Above 0, which positions are committed is drawn too."""
    repetition_penalty: float = 1.0
    """Algorithm entropy-penalty only."""
    position_penalty: float = 1.0
    guidance: float = 0.0
    """Classifier-free guidance: logits are u + (guidance + 1)(c - u)."""
    block: int | None = None
    """Blocks filled from left to right; None: one."""
    eps: float = 1e-3
    """Where the timesteps end."""
    at_least_one: bool = False
    """Commit one position even where the schedule says none (Omni-Diffusion)."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sampler not in ALGORITHMS:
            raise InputError(f"sampler {self.sampler!r} is not one of {', '.join(ALGORITHMS)}")
        if self.algorithm not in ALGORITHMS[self.sampler]:
            known = ", ".join(ALGORITHMS[self.sampler])
            raise InputError(f"algorithm {self.algorithm!r} is not one of {self.sampler}'s: {known}")
        for name in ("steps", "top_k"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; at least 1 is needed")
        if self.block is not None and self.block < 1:
            raise InputError(f"block is {self.block}; at least 1 is needed")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p is {self.top_p}; it is a probability above 0")
        if not 0 < self.eps < 1:
            raise InputError(f"eps is {self.eps}; it lies between 0 and 1")
        for name in ("temperature", "algorithm_temperature", "guidance"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be 0 or above")
        for name in ("repetition_penalty", "position_penalty"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be above 0")
