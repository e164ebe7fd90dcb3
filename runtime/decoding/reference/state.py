"""What the published decodings share: the model that they ask, the canvas during a fill, and one pass over it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.canvas import Canvas
from unmask.decoding.denoiser import Step, TopKScores
from unmask.decoding.schedule import Reference

Ids = NDArray[np.int64]
Rows = NDArray[np.float32]


class Backbone(Protocol):
    """A model that computes whole canvases and keeps nothing between passes."""

    def hidden(self, ids: Ids, wanted: Ids) -> Rows:
        """Return (R, d) float32, the head's input for each wanted position, with the logits shift applied.

        ids: (N,) the canvas. wanted: (R,) positions to predict.
        """
        ...

    def numbers(self, hidden: Rows, scale: float) -> TopKScores:
        """Return the k best ids of the whole vocabulary, from logits * scale, with the logsumexp over all of it.

        hidden: (R, d) from `hidden`.
        """
        ...


class State:
    """The canvas during a fill, and one pass over it."""

    def __init__(self, canvas: Canvas, denoiser: Backbone, reference: Reference, unconditional: Backbone | None) -> None:
        self.reference, self.denoiser, self.unconditional = reference, denoiser, unconditional
        self.ids, self.mask_id = canvas.ids.copy(), canvas.mask_id
        inside = np.zeros(len(self.ids), bool)
        for span in canvas.spans:
            inside[span.start : span.stop] = True
        self.answer = np.flatnonzero(inside)
        self.tentative = self.ids.copy()
        self.confidence = np.where(self.ids == self.mask_id, 0.0, 1.0).astype(np.float32)
        self.rng = np.random.default_rng(reference.seed)
        self.passes_rows = len(self.ids) * (2 if reference.guidance else 1)

    @property
    def masked(self) -> Ids:
        """Masked positions of the answer."""
        masked: Ids = self.answer[self.ids[self.answer] == self.mask_id]
        return masked

    def numbers(self, wanted: Ids, scale: float, away: Rows | None = None) -> TopKScores:
        """Scores of one pass. away: (R, d), hidden rows that guidance leads away from.

        Guidance combines hidden rows and not logits, which is the same since the head is linear.
        """
        hidden = self.denoiser.hidden(self.ids, wanted)
        if away is not None:
            hidden = away + np.float32(self.reference.guidance + 1) * (hidden - away)
        return self.denoiser.numbers(hidden, scale)

    def guess(self, wanted: Ids, tokens: Ids, probability: Rows) -> None:
        self.tentative[wanted], self.confidence[wanted] = tokens, probability

    def commit(self, positions: Ids) -> Ids:
        """Write the guesses at masked positions, and return the positions that are no longer masked, increasing."""
        positions = positions[self.ids[positions] == self.mask_id]
        self.ids[positions] = self.tentative[positions]
        return np.sort(positions[self.ids[positions] != self.mask_id])

    def step(self, number: int, committed: Ids, seconds: float) -> Step:
        arrays = (committed, self.ids.copy(), self.tentative.copy(), self.confidence.copy())
        for array in arrays:
            array.flags.writeable = False
        return Step(number, *arrays, masked=len(self.masked), rows=self.passes_rows, seconds=seconds)


def surest(confidence: Rows, count: int) -> Ids:
    """(R,) -> (count,): indices of the largest confidences; ties go to the lowest index."""
    order: Ids = np.argsort(-confidence, kind="stable")
    return order[:count]
