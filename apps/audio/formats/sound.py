"""What a format's reader yields: sound, and what is missing of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sound:
    """A stretch of sound."""

    samples: NDArray[np.float32]  # (N, channels)
    rate_hz: int


@dataclass(frozen=True)
class Missing:
    """A stretch that a file should hold and does not."""

    seconds: float | None  # None: the file does not say
    silent: bool = True  # it has a known place, so that silence there keeps the times of what follows true


Decoded = Sound | Missing
