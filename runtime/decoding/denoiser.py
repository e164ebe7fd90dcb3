"""The interface between a sampler and a model: the `Denoiser` protocol, and the records `TopKScores` and `Step`.

Knows arrays. Knows no schedule, no engine and no text.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.canvas import IdRange
from unmask.errors import NumberError


@dataclass(frozen=True)
class TopKScores:
    """The scores of a pass for R predicted rows: the k best ids of each, best first. Reduced inside the graph.

    Checked on construction, so that nothing is ever chosen by them otherwise: raises NumberError for NaN, and for a row without a
    finite best logit or log-sum-exp. Logits after the best may be -inf, where fewer than k ids are allowed.
    """

    ids: NDArray[np.int64]  # (R, k)
    logits: NDArray[np.float32]  # (R, k)
    logsumexp: NDArray[np.float32]  # (R,) over all allowed ids, not only the k best
    entropy: NDArray[np.float32]  # (R,) nats, over all allowed ids

    def __post_init__(self) -> None:
        broken = ~np.isfinite(self.logits[:, 0]) | ~np.isfinite(self.logsumexp) | np.isnan(self.entropy)
        broken |= np.isnan(self.logits).any(1)
        if broken.any():
            row = int(broken.argmax())
            raise NumberError(
                f"a pass returned numbers that are not finite (logit {self.logits[row, 0]}, log-sum-exp {self.logsumexp[row]}), "
                "so nothing is predicted by them: the weights are damaged, or the device overflows; export the bundle again, or "
                "choose another --engine"
            )


class Denoiser(Protocol):
    """A model applied to one canvas. It may keep the keys and values of rows that it has computed."""

    def reset(self) -> None:
        """Forget all keys and values."""
        ...

    def window(
        self,
        ids: NDArray[np.int64],  # (W,)
        positions: NDArray[np.int64],  # (W,) positions of these rows on the canvas, increasing
        wanted: NDArray[np.int64],  # (R,) indices into the window of the rows to predict
        allowed: tuple[tuple[IdRange, ...], ...],  # one entry for all wanted rows, or one for each
    ) -> TopKScores:
        """Compute the rows of one pass and return the scores of the wanted ones."""
        ...


@dataclass(frozen=True)
class Step:
    """One pass and the commits that followed it, on a canvas of N positions. The arrays are read-only copies."""

    number: int  # from 1
    committed: NDArray[np.int64]  # (C,) positions that this step committed, increasing
    ids: NDArray[np.int64]  # (N,) the canvas after the commits, mask ids included
    tentative: NDArray[np.int64]  # (N,) the same, with the current best guess at each mask that was ever predicted
    confidence: NDArray[np.float32]  # (N,) last computed probability of `tentative`; 1 where given, 0 where never predicted
    masked: int  # number of masks left after this step
    rows: int  # number of rows computed by this pass
    seconds: float  # duration of the pass and its commits
