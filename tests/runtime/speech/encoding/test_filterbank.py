"""Kaldi's filterbank against kaldi-native-fbank, which others wrote in C++."""

import kaldi_native_fbank
import numpy as np
import pytest

from unmask.apps.audio.files import demo_clips, read_recording
from unmask.speech.encoding.filterbank import MELS, filterbank, triangles


def kaldi(samples: np.ndarray) -> np.ndarray:
    """(T, 80), with the settings of SenseVoice's frontend."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither, options.frame_opts.window_type = 0, "hamming"
    options.mel_opts.num_bins, options.energy_floor = MELS, 0.0
    made = kaldi_native_fbank.OnlineFbank(options)
    made.accept_waveform(16_000, samples * np.float32(32768))
    made.input_finished()
    return np.stack([made.get_frame(i) for i in range(made.num_frames_ready)])


def sounds() -> dict[str, np.ndarray]:
    noise = np.random.default_rng(0).normal(0, 0.1, 8000)
    time_s = np.arange(8000) / 16_000
    return {
        "noise": noise,
        "shortest": noise[:400],
        "sample less than two frames": noise[:559],
        "two frames": noise[:560],
        "rising tone over noise": 0.3 * np.sin(2 * np.pi * (200 + 3000 * time_s) * time_s) + 0.01 * noise,
        "silence": np.zeros(1600),
        "constant": np.full(1600, 0.25),
        "loud": np.clip(20 * noise, -1, 1),
    }


def assert_kaldis(samples: np.ndarray) -> float:
    """Within 1e-4, but for what Kaldi's own transform in float32 loses where a mel has a millionth of its frame's energy or less.

    Returns the share of mels that have more.
    """
    expected, made = kaldi(samples), filterbank(samples)
    assert made.dtype == np.float32
    assert made.shape == expected.shape
    energy = np.exp(expected.astype(np.float64))
    heard = energy > 1e-6 * energy.sum(1, keepdims=True)
    np.testing.assert_allclose(made[heard], expected[heard], rtol=0, atol=1e-4)
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-3)
    return float(heard.mean())


@pytest.mark.parametrize("name", sounds())
def test_mels_are_kaldis(name: str) -> None:
    assert_kaldis(sounds()[name].astype(np.float32))


def test_mels_of_recordings_are_kaldis() -> None:
    assert min(assert_kaldis(read_recording(clip)) for clip in demo_clips()) > 0.7


def test_dither_is_noise_of_its_seed_and_hides_silence() -> None:
    quiet = np.zeros(16_000, np.float32)
    first, again, other = (filterbank(quiet, 1.0, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert filterbank(quiet).max() < -15
    # Noise of deviation 1 has a mean power of 400 in the transform of a frame, less what window and pre-emphasis take.
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 399)
    frequencies = np.arange(257) * np.pi / 256
    emphasized = np.abs(1 - 0.97 * np.exp(-1j * frequencies)) ** 2
    expected = triangles() @ (emphasized * (window**2).sum())
    np.testing.assert_allclose(np.exp(first[:, 20:].astype(np.float64)).mean(0), expected[20:], rtol=0.25)


def test_triangles_of_neighbors_add_up_to_one() -> None:
    weights = triangles()
    centers = weights.argmax(1)
    assert (np.diff(centers) >= 0).all()
    between = slice(int(centers[0]) + 1, int(centers[-1]))
    np.testing.assert_allclose(weights[:, between].sum(0), 1, atol=1e-3)
    assert weights[:, -1].max() == pytest.approx(0, abs=1e-4)  # nothing at 8 kHz
