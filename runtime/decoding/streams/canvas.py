"""A canvas of several streams of codes, and what a sampler asks of a model that fills it. Knows codes. Knows no prompt."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.denoiser import Step, TopKScores
from unmask.errors import InputError

Codes = NDArray[np.int64]
"""(Q, T): a code of each of Q streams in each of T frames."""
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class StreamCanvas:
    """Frames to fill. Checked on construction; raises InputError for a canvas that contradicts itself."""

    codes: Codes
    """(Q, T) given codes, and `mask` in every cell to fill."""
    mask: int
    """The code that stands for a mask: the one after the last of a stream."""

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or not self.codes.size:
            raise InputError(f"a canvas of streams has streams and frames; this one has the shape {self.codes.shape}")
        if int(self.codes.min()) < 0 or int(self.codes.max()) > self.mask:
            raise InputError(f"a code of the canvas is outside 0..{self.mask - 1}, which its streams have")

    @staticmethod
    def masked(streams: int, frames: int, mask: int) -> "StreamCanvas":
        """A canvas without any code."""
        return StreamCanvas(np.full((streams, frames), mask, np.int64), mask)


class StreamModel(Protocol):
    """A model applied to the frames of one canvas, after a prompt that it knows. It keeps keys and values between passes."""

    rows: int
    """Rows that the last call of `hidden` or `away` computed."""

    def reset(self) -> None:
        """Forget all keys and values."""
        ...

    def hidden(self, codes: Codes, frames: NDArray[np.int64] | None) -> Rows:
        """Return (F, d), the heads' input for frames (F,), increasing. Only these are computed: the prompt and the other frames
        are attended to as they were when they were last computed. frames None: the prompt and all frames are computed."""
        ...

    def away(self, codes: Codes) -> Rows:
        """Return (T, d), the heads' input for the frames alone, without any prompt: what guidance leads away from."""
        ...

    def nothing(self) -> Rows:
        """Return (1, d): each row of `away` when every cell is masked. All are equal, however many frames there are."""
        ...

    def numbers(self, hidden: Rows, wide: bool) -> TopKScores:
        """Scores of the Q codes of each hidden row (F, d): F * Q rows, frame by frame.

        Log-sum-exps are over a stream's codes and its mask; the mask is never among the ids, which are codes. wide: as many of
        the best as drawing needs, else at least two.
        """
        ...


class StreamState:
    """A canvas during a fill: codes, best guesses and confidences, each (Q, T)."""

    def __init__(self, canvas: StreamCanvas) -> None:
        self.mask, self.codes = canvas.mask, canvas.codes.copy()
        self.tentative = self.codes.copy()
        self.confidence = np.where(self.masked, 0.0, 1.0).astype(np.float32)

    @property
    def masked(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.codes == self.mask
        return found

    def guess(self, frames: NDArray[np.int64], codes: Codes, probability: Rows) -> None:
        """Record guesses (Q, F) at the masked cells of frames (F,)."""
        own = self.masked[:, frames]
        self.tentative[:, frames] = np.where(own, codes, self.tentative[:, frames])
        self.confidence[:, frames] = np.where(own, probability, self.confidence[:, frames])

    def commit(self, cells: NDArray[np.int64]) -> None:
        """Fix the guesses at cells (C,), indices into the flat (Q, T) arrays."""
        self.codes.flat[cells] = self.tentative.flat[cells]

    def step(self, number: int, cells: NDArray[np.int64], rows: int, seconds: float) -> Step:
        """The record of a pass. Its positions are cells frame by frame: stream k of frame t of Q streams is at t * Q + k."""
        streams, frames = self.codes.shape
        committed = np.sort(cells % frames * streams + cells // frames)
        ids, tentative = self.codes.T.reshape(-1).copy(), self.tentative.T.reshape(-1).copy()
        arrays = (committed, ids, tentative, self.confidence.T.reshape(-1).copy())
        for array in arrays:
            array.flags.writeable = False
        return Step(number, *arrays, masked=int(self.masked.sum()), rows=rows, seconds=seconds)


def by_stream(values: NDArray, streams: int) -> NDArray:  # type: ignore[type-arg]
    """(F * Q,) scores frame by frame -> (Q, F)."""
    return values.reshape(-1, streams).T
