"""Speech is spoilt as asked and no further; sounds without words have their length, level and color."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.augment import (
    Augment,
    babble,
    change_speed,
    colored,
    draw_speed,
    mix,
    reverberate,
    spoil,
    tones,
)

Samples = NDArray[np.float32]
NOTHING = Augment(speed_share=0, noise_share=0, room_share=0, gain_db=(0, 0))


def tone(hz: float, seconds: float, level: float = 0.1) -> Samples:
    return (level * np.sin(2 * np.pi * hz * np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ)).astype(np.float32)


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> Samples:
    return (level * np.random.default_rng(seed).standard_normal(int(seconds * SAMPLE_RATE_HZ))).astype(np.float32)


def power(samples: Samples) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


def decibels(ratio: float) -> float:
    return float(10 * np.log10(ratio))


# ---- speed


@pytest.mark.parametrize("speed", [0.88, 0.95, 1.14])
def test_speed_changes_length_and_pitch(speed: float) -> None:
    audio = tone(440, 2.0)
    heard = change_speed(audio, speed)
    assert heard.dtype == np.float32
    assert len(heard) == pytest.approx(len(audio) / speed, abs=2)
    peak_hz = np.abs(np.fft.rfft(heard)).argmax() * SAMPLE_RATE_HZ / len(heard)
    assert peak_hz == pytest.approx(440 * speed, abs=1)
    assert power(heard) == pytest.approx(power(audio), rel=0.05)


def test_own_speed_changes_nothing() -> None:
    np.testing.assert_array_equal(change_speed(tone(440, 0.5), 1.0), tone(440, 0.5))


def test_a_share_of_speeds_is_drawn_from_the_range() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([draw_speed(Augment(speed_share=0.3, speed=(0.9, 1.2)), rng) for _ in range(400)])
    assert 0.2 < np.mean(drawn != 1) < 0.4
    assert 0.9 <= drawn.min() < 0.93
    assert 1.17 < drawn.max() <= 1.2


# ---- noise, gain, rooms


@pytest.mark.parametrize("asked", [-3.0, 5.0, 25.0])
@pytest.mark.parametrize("noise_s", [0.7, 5.0])
def test_noise_is_mixed_in_at_the_asked_power(asked: float, noise_s: float) -> None:
    audio = tone(300, 2.0)
    heard = mix(audio, noise(noise_s, 0.02), asked)
    assert heard.shape == audio.shape
    assert heard.dtype == np.float32
    assert decibels(power(audio) / power(heard - audio)) == pytest.approx(asked, abs=0.05)


def test_silence_stays_silent_and_silent_noise_adds_nothing() -> None:
    assert not mix(np.zeros(1000, np.float32), noise(0.1), 10.0).any()
    np.testing.assert_array_equal(mix(tone(300, 0.1), np.zeros(50, np.float32), 10.0), tone(300, 0.1))


def test_spoil_without_shares_changes_nothing() -> None:
    audio = tone(300, 0.5)
    np.testing.assert_array_equal(spoil(audio, [noise(1.0)], NOTHING, np.random.default_rng(0)), audio)


@pytest.mark.parametrize("gain", [-20.0, -6.0, 3.0])
def test_gain_is_applied_to_speech_and_noise_alike(gain: float) -> None:
    loud = replace(NOTHING, noise_share=1.0)
    plain, changed = (
        spoil(tone(300, 1.0), [noise(1.0)], replace(loud, gain_db=(db, db)), np.random.default_rng(3)) for db in (0.0, gain)
    )
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed, plain * 10 ** (gain / 20), rtol=1e-4, atol=1e-6)


def test_a_share_is_noisy_within_the_asked_decibels() -> None:
    audio, rng, levels = tone(300, 0.3), np.random.default_rng(0), list[float]()
    options = replace(NOTHING, noise_share=0.5, noise_db=(4.0, 20.0))
    for _ in range(200):
        added = spoil(audio, [noise(0.2), noise(0.5, seed=1)], options, rng) - audio
        levels += [decibels(power(audio) / power(added))] if added.any() else []
    assert 70 < len(levels) < 130
    assert 3.9 < min(levels) < 6
    assert 18 < max(levels) < 20.1


def test_noise_begins_anywhere() -> None:
    audio, options = tone(300, 0.3), replace(NOTHING, noise_share=1.0, noise_db=(0.0, 0.0))
    added = [spoil(audio, [noise(0.3)], options, np.random.default_rng(seed)) - audio for seed in (0, 1)]
    assert abs(np.corrcoef(*added)[0, 1]) < 0.2


def test_speech_stays_as_it_is_where_there_is_no_noise() -> None:
    audio = tone(300, 0.3)
    np.testing.assert_array_equal(spoil(audio, [], replace(NOTHING, noise_share=1.0), np.random.default_rng(0)), audio)


@pytest.mark.parametrize("seconds", [0.1, 0.5])
def test_room_keeps_power_and_length(seconds: float) -> None:
    audio = noise(1.0) * (np.arange(SAMPLE_RATE_HZ) < 8000)  # half of it silent: there the echo is heard
    heard = reverberate(audio, seconds, np.random.default_rng(0))
    assert heard.dtype == np.float32
    assert heard.shape == audio.shape
    assert power(heard) == pytest.approx(power(audio), rel=1e-3)
    after = heard[8000:]
    assert power(after[:400]) > 1e-3 * power(audio)
    end = int(seconds * SAMPLE_RATE_HZ)
    assert np.abs(after[end:]).max(initial=0) < 1e-5


def test_echo_comes_after_the_sound_and_dies_away() -> None:
    click = np.zeros(SAMPLE_RATE_HZ, np.float32)
    click[1000] = 0.5
    heard = reverberate(click, 0.4, np.random.default_rng(0))
    assert np.abs(heard[:1000]).max() < 1e-6
    assert np.abs(heard).argmax() == 1000
    first, last = (power(heard[1001 + at :][:640]) for at in (0, 5760))
    assert decibels(first / last) == pytest.approx(60 * 5760 / 6400, abs=6)


def test_echo_of_the_end_does_not_come_round_to_the_start() -> None:
    click = np.zeros(SAMPLE_RATE_HZ, np.float32)
    click[-100] = 0.5
    assert np.abs(reverberate(click, 0.4, np.random.default_rng(0))[:-100]).max() < 1e-6


def test_spoil_puts_a_share_into_rooms() -> None:
    audio, rng = noise(0.2), np.random.default_rng(0)
    options = replace(NOTHING, room_share=0.3, room_s=(0.05, 0.1))
    share = np.mean([not np.array_equal(spoil(audio, [], options, rng), audio) for _ in range(200)])
    assert 0.2 < share < 0.4


# ---- sounds without words


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: colored(2.5, 1.0, rng),
        lambda rng: tones(2.5, rng),
        lambda rng: babble([tone(300, 0.4), noise(4.0)], 2.5, rng),
    ],
)
def test_sounds_have_their_length_and_one_level(make: Callable[[np.random.Generator], Samples]) -> None:
    for seed in range(3):
        samples = make(np.random.default_rng(seed))
        assert samples.dtype == np.float32
        assert samples.shape == (40_000,)
        assert np.isfinite(samples).all()
        assert power(samples) ** 0.5 == pytest.approx(0.1, rel=1e-3)
    first, same, other = (make(np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_power_falls_with_frequency_as_asked(slope: float) -> None:
    spectrum = np.abs(np.fft.rfft(colored(8.0, slope, np.random.default_rng(0)).astype(np.float64))) ** 2
    edges = np.geomspace(400, len(spectrum) - 1, 12).astype(int)
    means = [spectrum[low:high].mean() for low, high in pairwise(edges)]
    fitted = np.polyfit(np.log(np.sqrt(edges[:-1] * edges[1:])), np.log(means), 1)[0]
    assert fitted == pytest.approx(-slope, abs=0.1)


def test_tones_are_tones() -> None:
    """Most of the power of a piece lies in few frequencies, which noise never does."""

    def peaky(samples: Samples) -> float:
        spectra = np.sort(np.abs(np.fft.rfft(samples.reshape(-1, 1600) * np.hanning(1600))) ** 2)
        return float(np.median(spectra[:, -60:].sum(1) / spectra.sum(1)))

    assert peaky(tones(3.0, np.random.default_rng(0))) > 0.9
    assert peaky(colored(3.0, 0.0, np.random.default_rng(0))) < 0.5


def test_a_loud_recording_is_no_louder_in_a_crowd() -> None:
    voices = [tone(hz, 1.0) for hz in (200, 500, 1100)]
    plain = babble(voices, 2.0, np.random.default_rng(0))
    louder = babble([8 * voices[0], *voices[1:]], 2.0, np.random.default_rng(0))
    np.testing.assert_allclose(louder, plain, atol=1e-4)
