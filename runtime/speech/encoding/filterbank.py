"""Kaldi's log-mel filterbank in NumPy, with the settings of SenseVoice's frontend.

Knows samples and features. Knows no files, no resampling and no model. Each frame is read on its own: none
depends on what comes after it.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from unmask.speech.sample_rate import SAMPLE_RATE_HZ

HOP_SAMPLES = 160  # 10 ms
WINDOW_SAMPLES = 400  # 25 ms
TRANSFORM_SAMPLES = 512  # the next power of two
MELS = 80

_LOWEST_HZ = 20.0
_FULL_SCALE = 32768.0  # Kaldi's samples are 16-bit integers
_PRE_EMPHASIS = 0.97
_FLOOR = float(np.finfo(np.float32).eps)  # of a mel's energy


def filterbank(samples: NDArray[np.float32], dither: float = 0.0, seed: int = 0) -> NDArray[np.float32]:
    """Natural logarithms of mel energies.

    samples: (N,) float32 in [-1, 1] at 16 kHz, N >= WINDOW_SAMPLES. Returns (1 + (N - 400) // 160, 80) float32: the samples after
    the last whole frame are left out ("snip_edges").
    dither: standard deviation of the Gaussian noise that is added to each frame, in steps of 16-bit samples; SenseVoice's own
    frontend adds 1.0, drawn anew in each call. Ours comes from `seed`.
    The formula is Kaldi's (feature-window.cc, feature-fbank.cc): the mean of each frame removed, pre-emphasis, Hamming window,
    power spectrum, triangles on the mel scale 1127 ln(1 + f / 700).
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[::HOP_SAMPLES] * _FULL_SCALE  # (T, 400) float64
    if dither:
        frames = frames + dither * np.random.default_rng(seed).standard_normal(frames.shape)
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / (WINDOW_SAMPLES - 1))
    power = np.abs(np.fft.rfft((frames - _PRE_EMPHASIS * before) * window, TRANSFORM_SAMPLES)) ** 2  # (T, 257)
    return np.log(np.maximum(power @ triangles().T, _FLOOR)).astype(np.float32)


@cache
def triangles() -> NDArray[np.float32]:
    """(80, 257): weight of each bin in each mel. Triangles of equal height and width in mels, from 20 Hz to 8 kHz.

    In float32, as everywhere: in the narrowest triangles that is seen in the fourth decimal of a logarithm.
    """
    low, high = _mel(np.array([_LOWEST_HZ, SAMPLE_RATE_HZ / 2], np.float32))
    width = (high - low) / (MELS + 1)
    edges = low + np.arange(MELS + 2, dtype=np.float32)[:, None] * width
    bins = _mel(np.arange(TRANSFORM_SAMPLES // 2 + 1, dtype=np.float32) * (SAMPLE_RATE_HZ / TRANSFORM_SAMPLES))
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


def _mel(hz: NDArray[np.float32]) -> NDArray[np.float32]:
    return 1127 * np.log(1 + hz / 700)
