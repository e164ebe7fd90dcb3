"""Pauses and edges of a voice, and its rate. The authors' code cuts the same samples: benchmarks/lab/omnivoice."""

import numpy as np
import pytest

from unmask.errors import InputError
from unmask.speech.encoding.resample import resampled
from unmask.speech.encoding.silence import shortened

RATE = 24_000


def loud(seconds: float) -> np.ndarray:  # type: ignore[type-arg]
    return (0.3 * np.sin(np.arange(int(seconds * RATE)) * 0.2)).astype(np.float32)


def quiet(seconds: float) -> np.ndarray:  # type: ignore[type-arg]
    return np.zeros(int(seconds * RATE), np.float32)


def test_pauses_become_twice_the_length_that_is_kept_and_edges_short() -> None:
    sound = np.concatenate([quiet(0.8), loud(1), quiet(2), loud(1), quiet(0.4), loud(0.5), quiet(1)])
    made = shortened(sound, RATE, 500, 100, 100)
    assert len(made) / RATE == pytest.approx(0.1 + 1 + 1 + 1 + 0.4 + 0.5 + 0.1, abs=0.03)
    assert np.abs(made[: int(0.08 * RATE)]).max() == 0


def test_what_is_silent_is_empty_and_what_is_loud_stays() -> None:
    assert len(shortened(quiet(2), RATE, 500, 100, 100)) == 0
    assert np.abs(shortened(loud(1), RATE, 500, 100, 100) - loud(1)).max() <= 1 / 32768
    assert len(shortened(quiet(0.2), RATE, 500, 100, 100)) == RATE // 10, "too short to have a pause"


def test_another_rate_keeps_a_tone_and_the_length() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(24_001) / RATE).astype(np.float32)
    made = resampled(tone, RATE, 16_000)
    assert len(made) == 16_001
    expected = np.sin(2 * np.pi * 440 * np.arange(16_001) / 16_000)
    assert np.abs(made - expected)[50:-50].max() < 2e-3
    assert resampled(tone, RATE, RATE) is tone
    with pytest.raises(InputError, match="no small common ratio"):
        resampled(tone, 44_101, 24_000)
