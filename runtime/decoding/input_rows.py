"""How a sound or a picture enters a canvas as vectors: rows that replace the embeddings of given positions.

Knows arrays. Knows no encoder and no model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError


@dataclass(frozen=True)
class Rows:
    """Vectors that replace the embeddings at given positions: the output of a speech encoder, or image features."""

    positions: NDArray[np.int64]  # (R,) strictly increasing
    values: NDArray[np.float32]  # (R, d), finite

    def check(self, filled: NDArray[np.bool_]) -> None:
        """filled: (N,) True for the canvas's positions that belong to a span. Raises InputError for rows that do not fit it."""
        at = self.positions
        if self.values.ndim != 2 or len(self.values) != len(at):
            raise InputError(f"{len(at)} positions need as many rows; these have the shape {self.values.shape}")
        if len(at) and not (at.min() >= 0 and at.max() < len(filled) and (np.diff(at) > 0).all()):
            raise InputError(f"rows need increasing positions on a canvas of {len(filled)}; these go from {at[0]} to {at[-1]}")
        if filled[at].any():
            raise InputError(f"position {int(at[filled[at].argmax()])} has a row and lies in a span; rows are given, not filled")
        if not np.isfinite(self.values).all():
            raise InputError("a row contains values that are not finite numbers")
