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
    """At most this many passes in each block; the last one commits all that is left. If unset, the commit rule decides."""
    rule: str = "threshold"
    """Commit rule: quota (spreads commits over `passes`), threshold, factor or entropy_bound."""
    order: str = "probability"
    """What is committed first: a confidence metric (probability, margin or negative_entropy) or a fixed order (random, or halton:
    evenly spread over the grid of an image)."""
    threshold: float = 0.9
    """Rule threshold: commit positions whose best id has at least this probability."""
    factor: float = 1.0
    """Rule factor: commit the n most probable positions for which (n + 1) x (1 - probability of the nth) is below this."""
    budget_ms: float | None = None
    """Milliseconds for the fill. Passes are timed, and more is committed when the time gets short. Overruns by at most one pass,
    two with blocks."""
    draft_min_confidence: float = 0.9
    """Positions of a draft start filled if their confidence is at least this."""
    verify: int = 0
    """After the fill, a causal verifier reads and corrects the text in at most this many passes. 0: the text stays as filled."""
    verify_accept_ratio: float = 1.0
    """Keep a draft token that is the verifier's second choice if its probability is at least this fraction of the first's. 1.0
    gives exactly the verifier's greedy text."""
    verify_lookahead: int | None = None
    """Tokens after the settled text that one pass of the verifier reads. If unset, all of them."""
    reuse: bool = False
    """Compute only the rows that `window` selects; the keys and values of other rows are those of an earlier pass."""
    window: str = "masked"
    """With reuse, the rows that a pass computes: masked (masked rows of the block, and rows committed by the previous pass),
    block (the whole block: a dual cache) or suffix (the block and everything after it: a prefix cache)."""
    refresh: int | None = None
    """With reuse, compute all rows again after this many passes. The first pass of each block always computes all rows."""
    block: int | None = None
    """Fill this many positions before the next ones. If unset: the model's own block length, or the whole canvas at once."""
    curve: str = "even"
    """Rule quota: how commits are spread over the passes: even, cosine (few at first) or arccos (of the Halton scheduler)."""
    entropy_bound: float = 0.1
    """Rule entropy_bound: nats of entropy that positions committed together may add up to, the last one excepted."""
    temperature: float = 0.0
    """Above 0, ids are drawn at random from the best candidates; 0 takes the best one."""
    revise: float = 0.0
    """When everything is filled, mask those less probable than this again, at most a quarter, and fill them once more."""
    seed: int = 0
    """Seed of the random order and of drawn ids."""

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
