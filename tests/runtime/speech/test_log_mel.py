"""Log-mel features: against transformers' extractor, against a slow and literal version of the definition, and on odd inputs."""

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import WhisperFeatureExtractor

from unmask.speech.log_mel import log_mel, mel_filters


@pytest.fixture(scope="module")
def extractor() -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor()  # type: ignore[no-untyped-call]


def noise(count: int, seed: int = 0, level: float = 0.1) -> NDArray[np.float32]:
    return (level * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def tone(count: int, hz: float) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(count) / 16_000)).astype(np.float32)


def theirs(extractor: WhisperFeatureExtractor, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(extractor._np_extract_fbank_features(samples[None], "cpu")[0])


@pytest.mark.parametrize(
    "samples",
    [
        noise(16_000),
        noise(16_000, 1, 1e-3),
        tone(32_000, 440.0),
        tone(8_000, 7_900.0),
        np.concatenate([noise(4_000), np.zeros(12_000, np.float32)]),
        np.zeros(16_000, np.float32),
    ],
    ids=["noise", "faint noise", "tone", "high tone", "noise then silence", "silence"],
)
def test_equals_transformers(extractor: WhisperFeatureExtractor, samples: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(log_mel(samples), theirs(extractor, samples), rtol=0, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(201, 6_000), seed=st.integers(0, 2**32 - 1))
def test_equals_transformers_at_any_length(extractor: WhisperFeatureExtractor, count: int, seed: int) -> None:
    samples = noise(count, seed)
    np.testing.assert_allclose(log_mel(samples), theirs(extractor, samples), rtol=0, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 159, 160, 161, 199, 200, 201, 319, 320, 399, 400])
def test_short_inputs(count: int) -> None:
    features = log_mel(noise(count))
    assert features.shape == (80, count // 160)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_silence_is_flat_and_finite() -> None:
    features = log_mel(np.zeros(16_000, np.float32))
    assert features.shape == (80, 100)
    np.testing.assert_allclose(features, (math.log10(1e-10) + 4) / 4, atol=1e-6)


def test_clips_eight_decades_below_the_loudest() -> None:
    features = log_mel(tone(16_000, 1_000.0))
    assert float(features.max() - features.min()) == pytest.approx(8 / 4, abs=1e-6)


def test_input_is_left_alone() -> None:
    samples = noise(800)
    before = samples.tobytes()
    log_mel(samples)
    assert samples.tobytes() == before


def slow_triangle(band: int, hz: float) -> float:
    """Height of Slaney's triangle `band` (of 80 from 0 to 8 kHz) at a frequency."""
    highest = 15 + 27 * math.log(8_000 / 1_000) / math.log(6.4)

    def edge(i: int) -> float:
        mel = highest * i / 81
        return mel * 200 / 3 if mel < 15 else 1_000 * 6.4 ** ((mel - 15) / 27)

    low, middle, high = edge(band), edge(band + 1), edge(band + 2)
    if not low < hz < high:
        return 0.0
    side = (hz - low) / (middle - low) if hz <= middle else (high - hz) / (high - middle)
    return side * 2 / (high - low)


def test_filters_are_slaneys_triangles() -> None:
    expected = [[slow_triangle(band, 40.0 * k) for k in range(201)] for band in range(80)]
    np.testing.assert_allclose(mel_filters(), expected, rtol=0, atol=1e-12)


def test_equals_the_definition_written_out() -> None:
    samples = noise(480)
    mirrored = [*samples[200:0:-1], *samples, *samples[-2:-202:-1]]
    log = np.zeros((80, 3))
    for frame in range(3):
        part = [
            float(x) * (0.5 - 0.5 * math.cos(2 * math.pi * n / 400))
            for n, x in enumerate(mirrored[160 * frame : 160 * frame + 400])
        ]
        turns = [[x * cmath.exp(-2j * math.pi * k * n / 400) for n, x in enumerate(part)] for k in range(201)]
        power = [abs(sum(turn)) ** 2 for turn in turns]
        for band in range(80):
            log[band, frame] = math.log10(max(1e-10, sum(slow_triangle(band, 40.0 * k) * p for k, p in enumerate(power))))
    expected = (np.maximum(log, log.max() - 8) + 4) / 4
    np.testing.assert_allclose(log_mel(samples), expected, rtol=0, atol=1e-4)
