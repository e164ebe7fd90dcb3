"""Which fixed sizes the graphs of a bundle get. Pure functions on numbers. Knows no graph.

Sizes are geometric steps down from the longest that the bundle takes. When the logarithm of a call's size is evenly distributed,
padding multiplies the work by (ratio - 1) / ln(ratio): 1.20 at a ratio of sqrt(2), 1.44 at 2 and 2.16 at 4.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unmask.bundle.graph_spec import TRANSCRIPT
from unmask.bundle.manifest import Manifest
from unmask.engines.padding import Padding
from unmask.errors import InputError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.transcript import SPARE_TOKENS, TASK

STRIDE = 64  # samples: an encoder reads them by this number, and NPUs are poor at cutting some off a row of thousands
LISTED = 512  # ids whose logits a window returns beside the best ones: the tokens of some hundred words


@dataclass(frozen=True)
class SizeRule:
    """How fine the steps are. Finer steps pad less and make more graphs, each with its own memory for activations."""

    shortest: int = 24
    """Positions of a backbone's smallest graph, at least."""
    shortest_samples: int = 3 * SAMPLE_RATE_HZ
    """Samples of a captioner's smallest context graph, at least."""
    ratio: float = 2**0.5
    """Ratio of the length of one graph to the next smaller one."""
    read_ratio: float = 3.0
    """Ratio of the tokens of one captioner's window to the next smaller one. Their lengths are every other step."""

    def __post_init__(self) -> None:
        if min(self.shortest, self.shortest_samples) < 1 or min(self.ratio, self.read_ratio) <= 1:
            raise InputError(f"{self}: sizes must be at least 1, and ratios above 1")


def steps(shortest: int, longest: int, ratio: float) -> list[int]:
    """Rising sizes from about `shortest` to `longest`, each at most `ratio` times the one before, rounded up."""
    found = [longest]
    while (below := math.ceil(longest / ratio ** len(found))) >= shortest and below < found[-1]:
        found.append(below)
    return found[::-1]


def caption_sizes(manifest: Manifest, longest_s: float, rule: SizeRule = SizeRule()) -> list[tuple[str, dict[str, int]]]:
    """(role, sizes) of every graph of a transcript for audio of up to `longest_s` seconds.

    Most passes read as many tokens as the draft is checked by, and one. The largest window of a length reads the longest text at
    once: one that goes on from final tokens, or a draft that is checked as a whole.
    """
    record = manifest.transcript
    assert record is not None  # the caller's promise
    ahead = manifest.tasks[TASK].verify_lookahead if record.states_per_slot else 0
    lengths = [math.ceil(n / STRIDE) * STRIDE for n in steps(rule.shortest_samples, int(longest_s * SAMPLE_RATE_HZ), rule.ratio)]
    made: list[tuple[str, dict[str, int]]] = [("context", {"samples": samples}) for samples in lengths]
    for samples in lengths[::-2][::-1]:
        frames = Padding(TRANSCRIPT).whole({"samples": samples})["frames"]
        # A little more audio has as many frames, and before a text stands its start.
        text = int(record.tokens_per_second * (samples + record.samples_per_state) / SAMPLE_RATE_HZ) + SPARE_TOKENS + 1
        read = text if ahead is None else min(text, ahead + 1)
        tokens = sorted({read, *steps(2 * read, text, rule.read_ratio)})
        made += [("window", {"tokens": n, "past": text, "frames": frames, "listed": LISTED}) for n in tokens]
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
