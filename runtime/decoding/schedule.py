"""Options of the samplers: `Schedule` for `unmask.decoding.sampler.fill`, `Reference` for the published decodings.

Knows names and numbers. Knows no canvas and no model.
"""

import math
import re
from dataclasses import dataclass

from unmask.decoding.commit_rules import CURVES, ORDERS, RULES
from unmask.errors import InputError

ALGORITHMS = {
    "dream": ("origin", "maskgit_plus", "topk_margin", "entropy", "entropy-penalty"),
    "llada": ("low_confidence", "random"),
    "fast_dllm": ("threshold",),
    "omnivoice": ("probability",),
}
UNREAD = {"fast_dllm": ("steps", "temperature", "seed", "block"), "omnivoice": ("block",)}
"""Sampler -> fields of `Reference` that it does not read, or that are the model's own."""
WINDOWS = ("masked", "block", "suffix")


def check_seed(seed: int) -> None:
    """Raises InputError for a number that seeds nothing."""
    if seed < 0:
        raise InputError(f"seed is {seed}; it must be 0 or above")


@dataclass(frozen=True)
class Schedule:
    """How a canvas is filled. Checked on construction; raises InputError that names the option."""

    passes: int | None = None
    """Maximum number of passes in each block; the last one commits everything left. If unset, the commit rule decides."""
    rule: str = "threshold"
    """Commit rule: quota (spreads commits over `passes`), threshold, factor or entropy_bound."""
    order: str = "probability"
    """Order of commits: a confidence metric (probability, margin or negative_entropy) or a fixed order (random, or halton:
    evenly spread over the grid of an image)."""
    threshold: float = 0.9
    """Rule threshold: commit positions whose best id has at least this probability."""
    factor: float = 1.0
    """Rule factor: commit the n most probable positions for which (n + 1) x (1 - probability of the nth) is below this."""
    budget_ms: float | None = None
    """Time limit, in milliseconds. Passes of a fill commit more as time runs short; it may exceed the limit by one pass, or by
    two with blocks. Captions start no check that would end after it."""
    draft_min_confidence: float = 0.9
    """Positions of a draft start filled if their confidence is at least this."""
    verify: int = 0
    """Maximum number of passes in which a captioner's decoder checks and corrects the draft. 0 leaves the text as drafted."""
    verify_accept_ratio: float = 1.0
    """Keep a draft token that is the decoder's second choice if its probability is at least this fraction of the first's. 1.0
    gives exactly the decoder's greedy text."""
    verify_lookahead: int | None = None
    """Number of tokens after the settled text that one check reads. If unset, all of them."""
    reuse: bool = False
    """Compute only the rows that `window` selects, and reuse the keys and values of all other rows from earlier passes."""
    window: str = "masked"
    """With reuse, the rows that a pass computes: masked (masked rows of the block, and rows committed by the previous pass),
    block (the whole block: a dual cache) or suffix (the block and everything after it: a prefix cache)."""
    refresh: int | None = None
    """With reuse, compute all rows again after this many passes, and in the first pass of each block unless `across_blocks`."""
    across_blocks: bool = False
    """With reuse, the first pass of a later block computes only what `window` selects too, so that small blocks cost few rows."""
    block: int | None = None
    """Fill this many positions before the next ones. If unset: the model's own block length, or the whole canvas at once."""
    curve: str = "even"
    """Rule quota: how commits are spread over the passes: even, cosine (few at first), arccos (the Halton scheduler's) or shifted
    (the fewer at first, the smaller `shift` is)."""
    shift: float = 0.1
    """Curve shifted: share of the passes' slope that the first ones have. 1 is even."""
    entropy_bound: float = 0.1
    """Rule entropy_bound: maximum total entropy, in nats, of the positions committed together, not counting the largest."""
    temperature: float = 0.0
    """Sampling temperature. 0 takes the most probable id; above 0, ids are drawn from the best candidates."""
    revise: float = 0.0
    """After the fill, mask the ids that are less probable than this (at most a quarter of them) and fill them once more."""
    guidance: float = 0.0
    """Classifier-free guidance, for tasks with an unconditional prompt: how far predictions lead away from what they would be
    without the inputs. 0 is off; a guided pass costs two."""
    guided: str = "all"
    """With guidance, the passes that are guided: all, first, or an interval such as 2-8, counted from 1. For models with several
    streams of codes also every-2 and so on: the passes between are led away from the last unconditional predictions."""
    position_temperature: float = 0.0
    """Temperature of the order of commits. 0 commits the most confident; above 0, noise is added to confidences divided by it."""
    stream_penalty: float = 0.0
    """For models with several streams of codes: nats of confidence by which each stream comes after the one before it."""
    seed: int = 0
    """Seed of the random order and of drawn ids."""

    def __post_init__(self) -> None:
        choices = {"rule": RULES, "order": ORDERS, "window": WINDOWS, "curve": CURVES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InputError(f"{name} {getattr(self, name)!r} is not one of {', '.join(known)}")
        for name in ("passes", "verify_lookahead", "refresh", "block"):
            if (number := getattr(self, name)) is not None and number < 1:
                raise InputError(f"{name} is {number}; at least 1 is needed")
        if self.rule == "quota" and self.passes is None:
            raise InputError("the quota rule spreads commits over passes; set passes")
        if self.refresh is not None and not self.reuse:
            raise InputError("refresh limits how long keys and values are reused; set reuse too")
        if not 0 < self.threshold <= 1:  # also not a number
            raise InputError(f"threshold is {self.threshold}; it must be above 0 and at most 1")
        if self.verify < 0:
            raise InputError(f"verify is {self.verify}; it must be 0 or above")
        if not 0 <= self.verify_accept_ratio <= 1:
            raise InputError(f"verify_accept_ratio is {self.verify_accept_ratio}; it must be between 0 and 1")
        if not 0 <= self.revise < 1:
            raise InputError(f"revise is {self.revise}; it must be at least 0 and below 1")
        for name in ("temperature", "guidance", "position_temperature", "stream_penalty"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be 0 or above")
        if not 0 < self.shift <= 1:
            raise InputError(f"shift is {self.shift}; it must be above 0 and at most 1")
        if self.guided_every is None:
            self.guided_passes  # noqa: B018  (raises)
        check_seed(self.seed)
        for name in ("factor", "entropy_bound", "budget_ms"):
            if (value := getattr(self, name)) is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value}; it must be above 0")

    @property
    def guided_every(self) -> int | None:
        """The distance of guided passes, the first among them, for every-2 and so on; None for other values."""
        found = re.fullmatch(r"every-([2-9]|[1-9]\d{1,8})", self.guided)
        return int(found[1]) if found else None

    @property
    def guided_passes(self) -> tuple[int, int | None]:
        """The first and the last guided pass, from 1; None: all after it. Raises InputError for what says neither."""
        if self.guided in ("all", "first"):
            return 1, None if self.guided == "all" else 1
        found = re.fullmatch(r"([1-9]\d{0,8})-([1-9]\d{0,8})", self.guided)
        if found is None or int(found[1]) > int(found[2]):
            raise InputError(
                f"guided {self.guided!r} is not all, first, or an interval of passes such as 2-8; every-2 is for models with "
                "several streams of codes"
            )
        return int(found[1]), int(found[2])

    def leads_anew(self, number: int) -> bool:
        """Whether the pass of this number, from 1, computes what predictions are led away from, if there is guidance."""
        if (every := self.guided_every) is not None:
            return (number - 1) % every == 0
        first, last = self.guided_passes
        return first <= number and (last is None or number <= last)

    def unread(self) -> dict[str, str]:
        """Options that this schedule does not read -> the option, and its value, with which it would."""
        found = {name: f"rule {name}" for name, rule in RULES.items() if rule is not None and name != self.rule}
        if self.rule != "quota":
            found["curve"] = "rule quota"
        if self.curve != "shifted":
            found["shift"] = "curve shifted"
        if not self.reuse:
            found |= dict.fromkeys(("window", "across_blocks"), "reuse")
        if not self.guidance:
            found["guided"] = "guidance 2"
        if not self.verify:
            found |= dict.fromkeys(("verify_accept_ratio", "verify_lookahead"), "verify 50")
        return found


@dataclass(frozen=True)
class Reference:
    """A family's published decoding. Checked on construction; raises InputError that names the option."""

    sampler: str
    """dream, llada, fast_dllm or omnivoice."""
    steps: int
    """Number of passes over the whole answer. dream: at most the number of its masks. fast_dllm: not used; a block has the passes
    that it needs."""
    algorithm: str
    """dream: origin, maskgit_plus, topk_margin, entropy or entropy-penalty; llada: low_confidence or random; fast_dllm:
    threshold; omnivoice: probability."""
    temperature: float = 0.0
    """Sampling temperature of the ids. 0 takes the most probable id."""
    top_p: float = 1.0
    """Dream only: nucleus filter. 1.0 is off."""
    top_k: int = 50
    """Dream only: candidates of each row. Dream's code inherits 50 from a default of transformers; LLaDA filters nothing."""
    algorithm_temperature: float = 0.0
    """Dream only: above 0, the positions to commit are drawn by confidence too."""
    repetition_penalty: float = 1.0
    """Algorithm entropy-penalty only: penalty of ids that are already on the canvas. 1.0 is off."""
    position_penalty: float = 1.0
    """Dream only: penalty of late masked rows, which grows from 1 to this. 1.0 is off."""
    guidance: float = 0.0
    """Classifier-free guidance: logits are u + (guidance + 1)(c - u), for conditional c and unconditional u. 0 is off."""
    block: int | None = None
    """Length of the blocks, which are filled from left to right. None: the whole answer is one block. fast_dllm: the model's own
    blocks, counted from position 0."""
    sub_block: int | None = None
    """fast_dllm only: length of the parts of a block, which are filled from left to right. None: the block is one part."""
    threshold: float = 1.0
    """fast_dllm only: ids above this probability are committed, and the most probable one in any case."""
    stop_id: int | None = None
    """llada and fast_dllm: the block that this id is committed in is the last one. None: all blocks are filled."""
    eps: float = 1e-3
    """Dream only: the last timestep."""
    at_least_one: bool = False
    """Commit at least one position in every step, even where the schedule asks for none (Omni-Diffusion)."""
    shift: float = 1.0
    """omnivoice only: as that of `Schedule`."""
    position_temperature: float = 0.0
    """omnivoice only: as that of `Schedule`."""
    stream_penalty: float = 0.0
    """omnivoice only: as that of `Schedule`."""
    seed: int = 0
    """Seed of drawn ids and positions."""

    def __post_init__(self) -> None:
        if self.sampler not in ALGORITHMS:
            raise InputError(f"sampler {self.sampler!r} is not one of {', '.join(ALGORITHMS)}")
        if self.algorithm not in ALGORITHMS[self.sampler]:
            known = ", ".join(ALGORITHMS[self.sampler])
            raise InputError(f"algorithm {self.algorithm!r} is not one of {self.sampler}'s: {known}")
        for name in ("steps", "top_k"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; at least 1 is needed")
        for name in ("block", "sub_block"):
            if (length := getattr(self, name)) is not None and length < 1:
                raise InputError(f"{name} is {length}; at least 1 is needed")
        if self.sampler == "fast_dllm" and (self.block is None or self.block % (self.sub_block or 1)):
            raise InputError(f"fast_dllm fills blocks of whole parts; block is {self.block}, sub_block {self.sub_block}")
        for name in ("top_p", "threshold"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be above 0 and at most 1")
        if not 0 < self.eps < 1:
            raise InputError(f"eps is {self.eps}; it must be between 0 and 1")
        if not 0 < self.shift <= 1:
            raise InputError(f"shift is {self.shift}; it must be above 0 and at most 1")
        for name in ("temperature", "algorithm_temperature", "guidance", "position_temperature", "stream_penalty"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be 0 or above")
        check_seed(self.seed)
        for name in ("repetition_penalty", "position_penalty"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; it must be above 0")
