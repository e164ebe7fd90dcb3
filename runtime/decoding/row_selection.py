"""Which rows a pass computes: blocks, windows over reused keys and values, and rows that must be computed again.

Pure functions on positions. Knows no ids, no model and no clock.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class AttentionLayout:
    """Which row of a model predicts which position, and which rows a row attends to."""

    shift: int = 0
    """Row i predicts position i + shift (Dream: 1). Row 0 also predicts the positions before that."""
    block: int | None = None
    """Block length of block-causal attention: a row attends to its own block and those before it. None: every row attends to all
    rows."""
    origin: int = 0
    """A position at which a block begins. What is left before the first whole block is a shorter block."""
    exact: int = 0
    """So many positions at the beginning attend to none after them: once computed, their keys and values stay right."""

    def sources(self, predicted: Positions) -> Positions:
        """(R,) -> (R,): the rows that predict the positions.

        Source: Dream's generation_utils, `logits[:, :1]` before `logits[:, :-1]`.
        """
        return np.maximum(predicted - self.shift, 0)

    def block_at(self, position: int, length: int) -> tuple[int, int]:
        """The block [start, stop) that contains `position`, on a canvas of `length` positions; all of it without blocks."""
        if self.block is None:
            return 0, length
        start = position - (position - self.origin) % self.block
        return max(0, start), min(length, start + self.block)


def block_of(first: int, origin: int, length: int, block: int | None, layout: AttentionLayout) -> tuple[int, int]:
    """The block [start, stop) that contains position `first`, on a canvas of `length` positions.

    origin: position from which the schedule's blocks are counted, where the first span begins. block: length of the
    schedule's blocks. Such a block never extends past a block of the model, since its rows cannot attend to rows after that.
    """
    start, stop = layout.block_at(first, length)
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
    """Rows to compute in this pass, (W,) increasing.

    masked: (N,) positions masked before this pass. fresh: (N,) positions committed by the previous pass. predicted: (R,)
    positions that this pass predicts. block: the current block. before: the block of the previous pass, whose rows may still have
    the keys and values of masks; None if nothing was computed yet. window: as in `Schedule`; None computes every row that the
    predicted rows attend to, exact ones only in the first pass. In a block-causal model, rows after the block are never computed,
    and filled blocks keep their exact keys and values.
    """
    chosen = np.zeros(len(masked), dtype=bool)
    start, stop = block
    seen = stop if layout.block is not None else len(masked)
    if before is None or (window is None and layout.block is None):
        chosen[:seen] = True
    elif window is None or (before != block and layout.block is not None):
        chosen[min(before[0], start) : seen] = True  # also rows of the block before, whose last commits have no keys yet
    elif window == "masked":
        chosen[start:stop] = masked[start:stop]
        chosen |= fresh
    else:
        chosen[start : stop if window == "block" else seen] = True
        chosen |= fresh  # of the block before, if that one was not computed anew
    if before is not None:
        chosen[: layout.exact] = False
    chosen[layout.sources(predicted)] = True
    return np.flatnonzero(chosen)
