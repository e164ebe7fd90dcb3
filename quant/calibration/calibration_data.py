"""The recordings and prompts that bundles are measured on. Knows arrays and texts. Knows no bundle and no graph."""

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
    """What to measure a bundle on: recordings for a captioner, prompts for a text generator."""

    recordings: tuple[NDArray[np.float32], ...] = ()  # (N,) each, 16 kHz
    prompts: tuple[str, ...] = PROMPTS
    length: int | None = None
    """Positions of an answer. If unset, those of the task."""
    ratios: tuple[float, ...] = RATIOS
    """Shares of the positions to mask."""
    draws: int = 4
    """Canvases for each source and share, each with other positions masked."""
    seed: int = 0
