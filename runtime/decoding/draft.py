"""What a fill may start from instead of masks: ids with confidences, and which of them are final.

A position is an index on the canvas. A place is where a token lies on it and may be fractional: in a captioner's sound, tokens
that the verifier inserted lie between slots.
Knows ids and places. Knows no spans, no model and no text.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError


@dataclass(frozen=True)
class Draft:
    """The caller's guess before the first pass. The arrays have one length and are read-only by convention.

    Live captions, edits and inpainting all start from a draft: trusted ids start filled, a verifier may correct them, and the
    first `final` ids never change.
    """

    ids: NDArray[np.int64]  # (M,)
    confidence: NDArray[np.float32]  # (M,) probabilities in [0, 1]; 0: nothing is known
    places: NDArray[np.float64] | None = None
    """(M,) places of the ids on the canvas, non-decreasing. None: id i lies at position i, and M is the canvas's length."""
    final: int = 0
    """The first `final` ids never change, whatever their confidence."""
    trusted_until: float = math.inf
    """Ids at or after this place are decoded again, unless they are final."""

    def check(self, length: int) -> None:
        """Raises InputError for a draft that contradicts itself or does not fit a canvas of `length` positions."""
        count = len(self.ids)
        if self.places is None and count != length:
            raise InputError(f"a draft of {count} positions does not fit a canvas of {length}")
        if len(self.confidence) != count or (self.places is not None and len(self.places) != count):
            raise InputError(f"a draft of {count} ids has {len(self.confidence)} confidences; each id needs one, and one place")
        if not 0 <= self.final <= count:
            raise InputError(f"{self.final} ids of a draft of {count} cannot be final")

    def positions(self, length: int) -> NDArray[np.int64]:
        """(M,) positions of the ids. Raises InputError for a place between positions or outside a canvas of `length`."""
        if self.places is None:
            return np.arange(len(self.ids))
        at = self.places.astype(np.int64)
        if (at != self.places).any() or (len(at) and not (at.min() >= 0 and at.max() < length)):
            raise InputError(f"a draft's ids lie at positions 0 to {length - 1} of this canvas")
        return at

    def trusted(self, min_confidence: float) -> NDArray[np.bool_]:
        """(M,) True for ids that are final, or reach `min_confidence` and lie before `trusted_until`."""
        places = np.arange(len(self.ids)) if self.places is None else self.places
        trusted: NDArray[np.bool_] = (self.confidence >= min_confidence) & (places < self.trusted_until)
        trusted[: self.final] = True
        return trusted
