"""Spectra to samples: what is transformed there and back is the same, pulses are sums of cosines, and lower rates keep a tone."""

import numpy as np
import pytest

from unmask.speech.synthesis import spectra
from unmask.speech.synthesis.spectra import HOP, SPECTRA_RATE_HZ, VOICED_HZ, pulses, resampled, samples_of

SILENT = np.full((601, 12), -40, np.float32)


def tone(hz: float, count: int, rate_hz: int) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(count) / rate_hz).astype(np.float32)


def test_pulses_are_the_sum_of_the_harmonics() -> None:
    pitch = np.linspace(180, 240, 8).astype(np.float32)
    hz = np.interp((np.arange(8 * HOP) + 0.5) / HOP - 0.5, np.arange(8), pitch)
    phase = 2 * np.pi * np.cumsum(hz) / SPECTRA_RATE_HZ
    count = np.floor(11_000 / hz)
    wanted = sum(np.where(number <= count, np.cos(number * phase), 0) for number in range(1, 64))
    assert np.abs(pulses(pitch) - wanted).max() < 0.05
    assert not pulses(np.full(8, VOICED_HZ - 1, np.float32)).any()


def test_harmonics_of_a_flat_spectrum_are_the_pulses() -> None:
    pitch = np.full(12, 200, np.float32)
    flat = {"lh": np.full((601, 12), np.log(300), np.float32), "theta": 0 * SILENT, "ln": SILENT, "lr": SILENT, "phi": 0 * SILENT}
    made = samples_of(flat, pitch, np.random.default_rng(0))
    inside = slice(2 * HOP, -4 * HOP)
    assert np.abs(made[inside] - pulses(pitch)[inside]).max() < 0.02


def test_noise_is_as_loud_as_it_is_asked_for() -> None:
    parts = {"lh": SILENT, "theta": 0 * SILENT, "ln": 0 * SILENT, "lr": SILENT, "phi": 0 * SILENT}
    pitch = np.zeros(12, np.float32)
    quiet = samples_of(parts, pitch, np.random.default_rng(0))
    loud = samples_of(parts | {"ln": parts["ln"] + np.float32(np.log(10))}, pitch, np.random.default_rng(0))
    np.testing.assert_allclose(loud, 10 * quiet, rtol=1e-3, atol=1e-5)
    assert quiet.std() > 0.001


def test_what_is_transformed_comes_back() -> None:
    samples = tone(440, 20 * HOP, SPECTRA_RATE_HZ)
    made = spectra._transformed_back(spectra._spectra_of(samples, 20) * 300)
    inside = slice(2 * HOP, -4 * HOP)
    np.testing.assert_allclose(made[inside], samples[inside], atol=1e-4)


@pytest.mark.parametrize("count", [24_000, 24_011])
def test_a_lower_rate_keeps_tones_and_drops_what_it_cannot_hold(count: int) -> None:
    made = resampled(tone(440, count, SPECTRA_RATE_HZ), 22_050)
    assert len(made) == count * 22_050 // SPECTRA_RATE_HZ
    inside = slice(2000, -2000)
    np.testing.assert_allclose(made[inside], tone(440, len(made), 22_050)[inside], atol=1e-2)
    assert np.abs(resampled(tone(11_700, count, SPECTRA_RATE_HZ), 22_050)[inside]).max() < 1e-2
