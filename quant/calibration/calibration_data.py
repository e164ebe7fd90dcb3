"""What bundles are asked about when they are measured. Knows arrays and texts; no bundle and no graph."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATIOS = (0.25, 0.5, 0.75, 1.0)
PROMPTS = (
    "What is the capital of France?",
    "Write one sentence about the sea.",
    "List three colors.",
)


@dataclass(frozen=True)
class Material:
    """What a bundle is asked about: recordings for one that captions, prompts for one that generates."""

    recordings: tuple[NDArray[np.float32], ...] = ()  # (N,) each, 16 kHz
    prompts: tuple[str, ...] = PROMPTS
    length: int | None = None
    """Positions of an answer; the task's own unless given."""
    ratios: tuple[float, ...] = RATIOS
    """Shares of the positions that are masked."""
    draws: int = 4
    """Canvases of each source and share, with other positions masked."""
    seed: int = 0
