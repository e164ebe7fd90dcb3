"""Which fixed sizes the graphs of a bundle get. Pure functions on numbers. Knows no graph.

Sizes are geometric steps down from the longest that the bundle takes. When the logarithm of a call's size is evenly distributed,
padding multiplies the work by (ratio - 1) / ln(ratio): 1.20 at a ratio of sqrt(2), 1.44 at 2 and 2.16 at 4.
On recordings (table in docs/measurements-engines.md) a text had at most 0.6 tokens per slot, half of the verifier's passes read
fewer than 15 tokens, and the first pass of a fill, by default the only one, computed all rows.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unmask.bundle.graph_spec import TIMELINE, TRANSCRIPT
from unmask.bundle.manifest import Manifest
from unmask.engines.padding import Padding, Sizes, fits
from unmask.errors import InputError
from unmask.speech.log_mel import SAMPLE_RATE_HZ
from unmask.speech.reading import TASK
from unmask.speech.transcript import SPARE_TOKENS

LISTED = 64  # ids whose logits a window returns beside the best ones, at most


@dataclass(frozen=True)
class SizeRule:
    """How fine the steps are. Finer steps pad less and make more graphs, each with its own memory for activations."""

    shortest: int = 24
    """Slots (for a backbone: positions) of the smallest graph, at least."""
    ratio: float = 2**0.5
    """Ratio of the slots of one context or window graph to the next smaller one."""
    read: int = 9
    """Tokens of the smallest verify graph: most passes read few new tokens."""
    read_ratio: float = 3.0
    """Ratio of the tokens of one verify graph to the next smaller one. Their slots are every other step."""
    density: float = 0.6
    """Tokens per slot that a text is assumed to have. A text with more of them runs on a graph for more slots."""
    shortest_samples: int = 3 * SAMPLE_RATE_HZ
    """Samples of a transcript's smallest context graph, at least."""

    def __post_init__(self) -> None:
        if (
            min(self.shortest, self.read, self.shortest_samples) < 1
            or min(self.ratio, self.read_ratio) <= 1
            or not 0 < self.density <= 1
        ):
            raise InputError(f"{self}: sizes must be at least 1, ratios above 1, and the density above 0 and at most 1")


def steps(shortest: int, longest: int, ratio: float) -> list[int]:
    """Rising sizes from about `shortest` to `longest`, each at most `ratio` times the one before, rounded up."""
    found = [longest]
    while (below := math.ceil(longest / ratio ** len(found))) >= shortest and below < found[-1]:
        found.append(below)
    return found[::-1]


def transcript_sizes(manifest: Manifest, longest_s: float, rule: SizeRule = SizeRule()) -> list[tuple[str, dict[str, int]]]:
    """(role, sizes) of every graph of a transcript for audio of up to `longest_s` seconds.

    Most passes read as many tokens as the draft is checked by, and one. The largest window of a length reads the longest text at
    once: one that goes on from final tokens, or a draft that is checked as a whole.
    """
    record = manifest.transcript
    assert record is not None  # the caller's promise
    ahead = manifest.tasks[TASK].verify_lookahead if record.states_per_slot else 0
    lengths = steps(rule.shortest_samples, int(longest_s * SAMPLE_RATE_HZ), rule.ratio)
    made: list[tuple[str, dict[str, int]]] = [("context", {"samples": samples}) for samples in lengths]
    for samples in lengths[::-2][::-1]:
        frames = Padding(TRANSCRIPT).whole({"samples": samples})["frames"]
        # A little more audio has as many frames, and before a text stands its start.
        text = int(record.tokens_per_second * (samples + record.samples_per_state) / SAMPLE_RATE_HZ) + SPARE_TOKENS + 1
        read = text if ahead is None else min(text, ahead + 1)
        tokens = sorted({read, *steps(2 * read, text, rule.read_ratio)})
        made += [("window", {"tokens": n, "past": text, "frames": frames, "listed": LISTED}) for n in tokens]
    return made


def caption_limits(manifest: Manifest) -> tuple[int, int, int]:
    """The first arguments of `captioner_sizes` for a captioner's manifest. Raises InputError for any other."""
    line, verifier = manifest.timeline, manifest.verifier
    if line is None:
        raise InputError(f"{manifest.name} has no timeline, so it is no captioner")
    longest = int(line.longest_s / line.slot_s)
    return longest, len(verifier.prompt) if verifier else 0, (verifier.positions if verifier else None) or longest


def captioner_sizes(longest: int, prompt: int, positions: int, rule: SizeRule = SizeRule()) -> list[tuple[str, dict[str, int]]]:
    """(role, sizes) of every graph of a captioner.

    longest: slots of the longest canvas. prompt: rows that the verifier reads before a text, 0 without a verifier. positions: the
    most rows that it can read. A canvas holds at most one token a slot, so the largest verify graph reads any draft.
    """
    lengths = steps(rule.shortest, longest, rule.ratio)
    made: list[tuple[str, dict[str, int]]] = [("context", {"slots": slots}) for slots in lengths]
    # The first pass computes and returns every row. One more slot is for rows of padding.
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

    longest: positions of the longest canvas, prompt included. windows: rows of a pass over a part of the canvas, from the
    schedules' blocks. heads: their roles. A head gets at most the rows of one window, even after a pass over the whole canvas:
    only the current block's rows are needed.
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
    """The work that calls cause, as a multiple of what they need, when each runs on the smallest graph that fits.

    needs: sizes of the calls. sizes: sizes of the graphs. Raises InputError for a call that fits no graph.
    """
    work, computed, useful = "slots" if role == "context" else TIMELINE.graph(role).work, 0, 0
    for need in needs:
        holding = [size for size in sizes if fits(need, size)]
        if not holding:
            raise InputError(f"no {role} graph of {list(sizes)} holds {dict(need)}")
        computed += min(holding, key=lambda size: math.prod(size.values()))[work]
        useful += need[work]
    return computed / useful
