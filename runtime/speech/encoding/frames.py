"""Rows of SenseVoice's encoder: stacked frames, and the table of positions as it is in bfloat16. Knows arrays. Knows no model."""

import numpy as np
from numpy.typing import NDArray

STACKED = 7  # frames in a row
STRIDE = 6  # frames from one row to the next: 60 ms
_LONGEST_PERIOD = 10_000.0

Floats = NDArray[np.float32]


def stacked(frames: Floats) -> Floats:
    """Rows of seven frames side by side, one every six frames ("low frame rate").

    frames: (T, d), T >= 1. Returns (ceil(T / 6), 7 d). The first row begins with three more copies of the first frame, and the
    last ones end with copies of the last frame where frames are missing.
    """
    rows = -(-len(frames) // STRIDE)
    left = STACKED // 2
    right = max(0, (rows - 1) * STRIDE + STACKED - left - len(frames))
    padded = np.concatenate([frames[:1].repeat(left, 0), frames, frames[-1:].repeat(right, 0)])
    return np.stack([padded[start : start + STACKED].reshape(-1) for start in range(0, rows * STRIDE, STRIDE)])


def positions(rows: int, width: int) -> Floats:
    """(rows, width): sines and cosines of the positions 1, 2, ... as a model in bfloat16 computes them, width even.

    The sinusoidal table of Vaswani et al. 2017 (arXiv 1706.03762), all sines first. Every number on the way is rounded to
    bfloat16, positions and angles too, so that the table is far from the exact one: by up to 0.7 in the first 200 positions and
    1.8 in the first 300. Omni-Diffusion was trained on states that were computed with it.
    """
    half = width // 2
    step = bfloat16(bfloat16(np.log(bfloat16(_LONGEST_PERIOD))) / np.float32(half - 1))
    rates = bfloat16(np.exp(bfloat16(bfloat16(np.arange(half)) * -step)))
    angles = bfloat16(bfloat16(np.arange(1, rows + 1))[:, None] * rates)
    return np.concatenate([bfloat16(np.sin(angles)), bfloat16(np.cos(angles))], axis=1)


def bfloat16(numbers: NDArray[np.generic] | float) -> Floats:
    """The nearest numbers with 8 significant bits, ties to even, as float32. Finite numbers only."""
    bits = np.asarray(numbers, np.float32).view(np.uint32)
    return np.asarray((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000, np.uint32).view(np.float32)
