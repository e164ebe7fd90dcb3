"""Spectra and a pitch to samples, as hibari's decoder means them: harmonics, noise and a rest are added up and transformed back.

Of a frame each has 601 bins, from 0 to 12 kHz. Pure functions on numbers; knows no graph.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SPECTRA_RATE_HZ = 24_000
HOP, WINDOW = 300, 1200  # samples; a frame has 12.5 ms, and 80 are a second
VOICED_HZ, HIGHEST_HZ = 40.0, 11_000.0
LOUDEST = 7.0  # logarithm of a magnitude
Floats = NDArray[np.float32]
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


def samples_of(spectra: Mapping[str, Floats], pitch: Floats, rng: np.random.Generator) -> Floats:
    """(N,) at SPECTRA_RATE_HZ.

    spectra: (601, F) each: `lh` and `theta`, the log-magnitude of the harmonics and what turns their phase; `ln`, that of the
    noise; `lr` and `phi`, log-magnitude and phase of what is left. pitch: (F,) Hz, under VOICED_HZ without a voice. rng: of the
    noise.
    """
    frames = len(pitch)
    turned = np.exp(1j * np.pi * np.tanh(spectra["theta"]))
    whole = _magnitude(spectra["lh"]) * turned * _spectra_of(pulses(pitch), frames)
    noise = rng.standard_normal((2, *whole.shape), np.float32)
    whole += _magnitude(spectra["ln"]) * (noise[0] + 1j * noise[1])
    whole += _magnitude(spectra["lr"]) * np.exp(1j * spectra["phi"])
    return _transformed_back(whole)


def pulses(pitch: Floats) -> Floats:
    """(HOP * F,): every harmonic of the pitch below HIGHEST_HZ, in phase, each of amplitude 1; 0 without a voice."""
    at = (np.arange(HOP * len(pitch)) + 0.5) / HOP - 0.5
    hz = np.interp(at, np.arange(len(pitch)), pitch)
    voiced = hz > VOICED_HZ
    hz = np.maximum(hz, VOICED_HZ)
    phase = 2 * np.pi * np.modf(np.cumsum(hz) / SPECTRA_RATE_HZ)[0]
    count = np.floor(HIGHEST_HZ / hz)
    half = np.sin(phase / 2)
    peak = np.abs(half) < 1e-3  # the sum of cosines is a quotient of sines, whose limit here is their number
    quotient = np.sin((count + 0.5) * phase) / np.where(peak, 1, 2 * half)
    sums = np.where(peak, count, quotient - 0.5)
    return np.where(voiced, sums, 0).astype(np.float32)


def resampled(samples: Floats, rate_hz: int) -> Floats:
    """From SPECTRA_RATE_HZ to a lower rate, band-limited: the spectrum of the whole without what lies above half the rate."""
    unit = SPECTRA_RATE_HZ // np.gcd(SPECTRA_RATE_HZ, rate_hz)
    padded = np.pad(samples, (0, -len(samples) % (2 * unit)))
    count = len(padded) * rate_hz // SPECTRA_RATE_HZ
    made = np.fft.irfft(np.fft.rfft(padded)[: count // 2 + 1], count) * (count / len(padded))
    found: Floats = made[: len(samples) * rate_hz // SPECTRA_RATE_HZ].astype(np.float32)
    return found


def _magnitude(logarithm: Floats) -> Floats:
    found: Floats = np.exp(np.minimum(logarithm, LOUDEST))
    return found


def _spectra_of(samples: Floats, frames: int) -> NDArray[np.complex64]:
    """(601, F): of windows around the beginning of each frame, scaled so that a cosine of amplitude 1 has a peak of 1."""
    mirrored = np.pad(samples, WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, WINDOW)[::HOP][:frames]
    made: NDArray[np.complex64] = np.fft.rfft(windows * _HANN, axis=1).T.astype(np.complex64) / np.float32(WINDOW / 4)
    return made


def _transformed_back(spectra: NDArray[np.complexfloating]) -> Floats:
    """The samples whose windowed spectra are the nearest to these, by least squares."""
    windows = np.fft.irfft(spectra.T, WINDOW, axis=1) * _HANN
    frames, parts = len(windows), WINDOW // HOP
    sums, weights = np.zeros((frames + parts - 1, HOP)), np.zeros((frames + parts - 1, HOP))
    for part in range(parts):
        own = slice(part * HOP, (part + 1) * HOP)
        sums[part : part + frames] += windows[:, own]
        weights[part : part + frames] += _HANN[own] ** 2
    made = (sums / np.maximum(weights, 1e-11)).ravel()[WINDOW // 2 :]
    found: Floats = made[: frames * HOP].astype(np.float32)
    return found
