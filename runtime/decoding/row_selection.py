"""Which rows a pass computes: blocks, windows over reused keys and values, and what must be refreshed.

Pure functions on positions. Knows no ids, no model and no clock.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class AttentionLayout:
    """What a model's rows have to do with positions."""

    shift: int = 0
    """The row that predicts a position stands so many before it (Dream: 1); position 0 is predicted by row 0."""
    block: int | None = None
    """Length of the blocks of block-causal attention, counted from position 0: rows see their own block and those before it."""

    def sources(self, predicted: Positions) -> Positions:
        """Rows that predict the positions. Source: Dream's generation_utils, `logits[:, :1]` before `logits[:, :-1]`."""
        return np.maximum(predicted - self.shift, 0)


def block_of(first: int, origin: int, length: int, block: int | None, layout: AttentionLayout) -> tuple[int, int]:
    """The block [start, stop) that holds position `first`.

    origin: where the schedule's blocks are counted from, the first position that was ever masked. A schedule's block never
    reaches over a block-causal model's own, since rows behind it cannot be seen.
    """
    start, stop = 0, length
    if layout.block is not None:
        start = first // layout.block * layout.block
        stop = min(length, start + layout.block)
    if block is not None:
        own = origin + (first - origin) // block * block
        start, stop = max(start, own), min(stop, own + block)
    return start, stop


def rows_of_pass(
    masked: Flags,
    fresh: Flags,
    predicted: Positions,
    block: tuple[int, int],
    before: tuple[int, int] | None,
    window: str | None,
    layout: AttentionLayout,
) -> Positions:
    """Rows to compute, rising.

    masked, fresh (N,): before the pass, and committed by the one before it. block: the current one; before: the last one whose
    rows may still hold keys of masks, None when nothing has been computed. window: as in `Schedule`; None computes all that the
    rows can see. Block-causal rows behind the block are never computed, and settled blocks keep their exact keys and values.
    """
    chosen = np.zeros(len(masked), dtype=bool)
    start, stop = block
    seen = stop if layout.block is not None else len(masked)
    if before is None or (window is None and layout.block is None):
        chosen[:seen] = True
    elif window is None or (before != block and layout.block is not None):
        chosen[min(before[0], start) : seen] = True  # what was committed there last settles with this pass
    elif window == "masked":
        chosen[start:stop] = masked[start:stop]
        chosen |= fresh
    else:
        chosen[start : stop if window == "block" else seen] = True
    chosen[layout.sources(predicted)] = True
    return np.flatnonzero(chosen)
