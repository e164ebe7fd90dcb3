"""Stacked frames against a transcription of FunASR's loop, and bfloat16 against exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.speech.encoding.frames import bfloat16, positions, stacked


def low_frame_rate(frames: np.ndarray, m: int = 7, n: int = 6) -> np.ndarray:
    """FunASR's frontend (wav_frontend.py, before it took windows by strides): one output row at a time."""
    count, rows = len(frames), math.ceil(len(frames) / n)
    padded = np.vstack([np.tile(frames[0], ((m - 1) // 2, 1)), frames])
    total = count + (m - 1) // 2
    made = []
    for i in range(rows):
        if m <= total - i * n:
            made.append(padded[i * n : i * n + m].reshape(-1))
        else:
            row = padded[i * n :].reshape(-1)
            for _ in range(m - (total - i * n)):
                row = np.hstack([row, padded[-1]])
            made.append(row)
    return np.stack(made)


@given(st.integers(1, 40))
def test_frames_are_stacked_as_funasr_does(count: int) -> None:
    frames = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
    assert np.array_equal(stacked(frames), low_frame_rate(frames))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**100), max_value=2.0**100))
def test_bfloat16_is_the_nearest_with_eight_bits(number: float) -> None:
    made = float(bfloat16(number))
    if abs(number) < 2.0**-100:
        return
    exponent = math.frexp(number)[1] - 8
    unit = Fraction(2) ** exponent
    assert Fraction(made) == round(Fraction(number) / unit) * unit  # Python rounds ties to even


def test_positions_are_sines_and_cosines_of_rounded_angles() -> None:
    table = positions(300, 560)
    assert table.shape == (300, 560)
    assert table.dtype == np.float32
    assert np.array_equal(table, bfloat16(table))
    angles = np.arange(1, 301)[:, None] * np.exp(-np.arange(280) * np.log(10_000) / 279)
    exact = np.concatenate([np.sin(angles), np.cos(angles)], 1)
    off = np.abs(table - exact).max(1)
    assert off[0] < 0.01
    assert off[:200].max() == pytest.approx(0.74, abs=0.01)
    assert off.max() == pytest.approx(1.78, abs=0.01)
