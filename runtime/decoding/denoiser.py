"""What a sampler asks of a model and what it reports: the `Denoiser` protocol and its records.

Knows arrays. Knows no schedule, no engine and no text.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.canvas import IdRange


@dataclass(frozen=True)
class TopKScores:
    """What a pass says of each wanted row, reduced inside the graph. R rows, k best ids, best first."""

    ids: NDArray[np.int64]  # (R, k)
    logits: NDArray[np.float32]  # (R, k)
    logsumexp: NDArray[np.float32]  # (R,) over the allowed ids
    entropy: NDArray[np.float32]  # (R,) nats


class Denoiser(Protocol):
    """One canvas's view of a model. It may keep keys and values of rows that it has computed; `reset` forgets them."""

    def reset(self) -> None: ...

    def window(
        self,
        ids: NDArray[np.int64],  # (W,)
        positions: NDArray[np.int64],  # (W,) where these rows stand on the canvas, rising
        wanted: NDArray[np.int64],  # (R,) indices into the window of the positions to predict
        allowed: tuple[tuple[IdRange, ...], ...],  # one entry for all wanted rows, or one for each
    ) -> TopKScores: ...


@dataclass(frozen=True)
class Step:
    """One pass and the commits that followed. Arrays are the step's own and read-only."""

    number: int  # from 1
    committed: NDArray[np.int64]  # (C,) positions, rising
    ids: NDArray[np.int64]  # (N,) the canvas after the commits, mask ids included
    tentative: NDArray[np.int64]  # (N,) the same with the best guess at each mask that was looked at
    confidence: NDArray[np.float32]  # (N,) probability of `tentative` when last computed; 1 where given, 0 where never looked at
    masked: int  # left after this step
    rows: int  # rows computed by this pass
    seconds: float  # this pass with its commits
