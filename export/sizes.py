"""Which fixed sizes a bundle's graphs get. Pure functions on numbers. Knows no graph.

Sizes are geometric steps down from the longest that the bundle takes: a call whose size is equally likely on a logarithmic scale
computes (ratio - 1) / ln(ratio) of what is of use, 1.20 at sqrt(2), 1.44 at 2 and 2.16 at 4, wherever between the steps it lies.
On recordings (table in docs/measurements-engines.md) a text had at most 0.6 tokens
a slot, half of the checks read fewer than 15 tokens, and a fill's first pass, by default the only one, computes all rows.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unmask.bundle.graph_spec import TIMELINE
from unmask.bundle.manifest import Manifest
from unmask.engines.padding import Sizes, fits
from unmask.errors import InputError


@dataclass(frozen=True)
class SizeRule:
    """How fine the steps are. Finer ones pad less and make more graphs, each with memory of its own for activations."""

    shortest: int = 24
    """Slots (rows of a backbone's canvas) below which no smaller graph is made."""
    ratio: float = 2**0.5
    """Between the slots of one context or window graph and the next."""
    read: int = 9
    """Tokens of the smallest check: most checks read few new ones."""
    read_ratio: float = 3.0
    """Between the tokens of one verify graph and the next; their slots are every other step."""
    density: float = 0.6
    """Tokens a slot that a text is taken to have; where it has more, a graph for more slots takes it."""

    def __post_init__(self) -> None:
        if min(self.shortest, self.read) < 1 or min(self.ratio, self.read_ratio) <= 1 or not 0 < self.density <= 1:
            raise InputError(f"sizes cannot be stepped by {self}: sizes of 1 or more, ratios above 1, a density up to 1")


def steps(shortest: int, longest: int, ratio: float) -> list[int]:
    """Rising sizes from about `shortest`, the last of them `longest`, each at most `ratio` (rounded up) of the one before."""
    found = [longest]
    while (below := math.ceil(longest / ratio ** len(found))) >= shortest and below < found[-1]:
        found.append(below)
    return found[::-1]


def caption_limits(manifest: Manifest) -> tuple[int, int, int]:
    """`captioner_sizes`'s first arguments, of a captioner's manifest."""
    line, verifier = manifest.timeline, manifest.verifier
    if line is None:
        raise InputError(f"{manifest.name} has no timeline, so it is no captioner")
    longest = int(line.longest_s / line.slot_s)
    return longest, len(verifier.prompt) if verifier else 0, (verifier.positions if verifier else None) or longest


def captioner_sizes(longest: int, prompt: int, positions: int, rule: SizeRule = SizeRule()) -> list[tuple[str, dict[str, int]]]:
    """(role, sizes) of every graph of a captioner.

    longest: slots of the longest canvas. prompt: rows that the verifier reads before a text, 0 without one. positions: most rows
    that it can read. A canvas holds at most one token a slot, so the largest verify graph reads any draft.
    """
    lengths = steps(rule.shortest, longest, rule.ratio)
    made: list[tuple[str, dict[str, int]]] = [("context", {"slots": slots}) for slots in lengths]
    # every row is computed and wanted in the first pass; one more slot is there for padding to stand at
    made += [("window", {"rows": slots, "wanted": slots, "slots": slots + 1}) for slots in lengths]
    for slots in lengths[::-2][::-1] if prompt else ():
        text = min(positions, prompt + math.ceil(slots * (1 if slots == longest else rule.density)))
        made += [
            ("verify", {"tokens": tokens, "past": text, "slots": slots}) for tokens in steps(rule.read, text, rule.read_ratio)
        ]
    return made


def backbone_sizes(
    longest: int, windows: Sequence[int], heads: Sequence[str], rule: SizeRule = SizeRule()
) -> list[tuple[str, dict[str, int]]]:
    """(role, sizes) of every graph of a backbone.

    longest: positions of the longest canvas, its prompt included. windows: rows of a pass over a part of it, by the schedules'
    blocks. heads: their roles. A head is given all rows of a window, or of a pass over the whole canvas only those of a window:
    what is wanted of a canvas stands in its current block.
    """
    lengths = steps(rule.shortest, longest, rule.ratio)
    made: list[tuple[str, dict[str, int]]] = []
    blocks = sorted({rows for rows in windows if rows < longest})
    for slots in lengths:
        wanted = max((rows for rows in blocks if rows < slots), default=slots)
        made.append(("window", {"rows": slots, "wanted": wanted, "slots": slots + 1}))
        made += [("window", {"rows": rows, "wanted": rows, "slots": slots + 1}) for rows in blocks if rows < slots]
    wanted = blocks or lengths
    return made + [(role, {"wanted": count}) for role in heads for count in wanted]


def waste(role: str, needs: Iterable[Sizes], sizes: Sequence[Mapping[str, int]]) -> float:
    """What calls of these sizes compute, as a multiple of what is of use, when each goes to the smallest that holds it.

    Raises InputError for a call that none holds.
    """
    work, computed, useful = "slots" if role == "context" else TIMELINE.graph(role).work, 0, 0
    for need in needs:
        holding = [size for size in sizes if fits(role, need, size)]
        if not holding:
            raise InputError(f"no {role} graph of {list(sizes)} holds {dict(need)}")
        computed += min(holding, key=lambda size: math.prod(size.values()))[work]
        useful += need[work]
    return computed / useful
