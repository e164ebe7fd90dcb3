"""Whisper's log-mel spectrogram in NumPy.

Knows samples and features. Knows no files, no resampling and no model.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 160  # 10 ms a mel frame
WINDOW_SAMPLES = 400  # 25 ms
MELS = 80

_HZ_PER_MEL = 200 / 3  # Slaney's scale: linear below 1 kHz ...
_BREAK_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27  # ... and 27 logarithmic steps from 1 to 6.4 kHz above it


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features of one segment.

    samples: (N,) float32 in [-1, 1] at 16 kHz, N >= 1, including the silence after the speech that the encoder should see.
    Returns (80, N // 160) float32: log10 of the mel power, clipped to 8 below the segment's maximum, then (x + 4) / 4.
    The formula is that of Radford et al. 2022 (section 2.1) as their reference code computes it: a periodic Hann window of 25 ms,
    reflected edges, the last frame dropped.
    """
    half = WINDOW_SAMPLES // 2
    # A clip shorter than the reflection cannot be mirrored, so it is padded with silence, which the encoder expects anyway.
    padded = np.pad(samples, (0, max(0, half + 1 - len(samples))))
    padded = np.pad(padded, half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES][: len(samples) // HOP_SAMPLES]
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)).astype(np.float32)
    power = np.abs(np.fft.rfft(frames * hann, axis=1)) ** 2  # (F, 201)
    log = np.log10(np.maximum(power @ mel_filters().T, 1e-10)).T
    if log.size:
        log = np.maximum(log, log.max() - 8.0)
    return np.ascontiguousarray((log + 4.0) / 4.0, dtype=np.float32)


@cache
def mel_filters() -> NDArray[np.float64]:
    """(80, 201) triangular filters on Slaney's mel scale from 0 to 8 kHz, each with unit area over Hz."""
    edges = _hz(np.linspace(0.0, _mel(SAMPLE_RATE_HZ / 2), MELS + 2))
    bins = np.linspace(0.0, SAMPLE_RATE_HZ / 2, WINDOW_SAMPLES // 2 + 1)
    widths = np.diff(edges)
    rising = (bins - edges[:-2, None]) / widths[:-1, None]
    falling = (edges[2:, None] - bins) / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None])


def _mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return float(_BREAK_HZ / _HZ_PER_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = _BREAK_HZ / _HZ_PER_MEL
    return np.where(mel < linear, mel * _HZ_PER_MEL, _BREAK_HZ * np.exp(_LOG_STEP * (mel - linear)))
