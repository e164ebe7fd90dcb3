"""Augmentation of speech: noise, babble, music-like tones, reverberation, speed, gain, hidden features.

Knows only NumPy arrays. Every random choice comes from the generator that is passed in.
"""

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from unmask.speech.sample_rate import SAMPLE_RATE_HZ

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Augment:
    """How much of the samples is augmented, and the ranges. Speed changes pitch and tempo together."""

    speed_share: float = 0.6
    speed: tuple[float, float] = (0.88, 1.14)
    noise_share: float = 0.5
    noise_db: tuple[float, float] = (2.0, 30.0)  # speech over noise
    room_share: float = 0.2
    room_s: tuple[float, float] = (0.1, 0.5)  # time in which the reverberation falls by 60 dB
    gain_db: tuple[float, float] = (-20.0, 3.0)


def draw_speed(options: Augment, rng: np.random.Generator) -> float:
    return float(rng.uniform(*options.speed)) if rng.random() < options.speed_share else 1.0


def change_speed(samples: Audio, speed: float) -> Audio:
    if speed == 1.0:
        return samples
    return np.asarray(soxr.resample(samples, speed * SAMPLE_RATE_HZ, SAMPLE_RATE_HZ, "LQ"), np.float32)


def spoil(samples: Audio, noises: list[Audio], options: Augment, rng: np.random.Generator) -> Audio:
    """Add reverberation and noise, each with the probability of its share, and change the gain. Keeps the length."""
    if rng.random() < options.room_share:
        samples = reverberate(samples, rng.uniform(*options.room_s), rng)
    if noises and rng.random() < options.noise_share:
        noise = noises[rng.integers(len(noises))]
        samples = mix(samples, np.roll(noise, rng.integers(len(noise))), rng.uniform(*options.noise_db))
    return np.asarray(samples * 10 ** (rng.uniform(*options.gain_db) / 20), np.float32)


def mix(speech: Audio, noise: Audio, decibels: float) -> Audio:
    """Speech with noise, repeated or cut to its length, whose mean power is `decibels` below that of the speech."""
    noise = np.resize(noise, len(speech))
    power = np.mean(speech**2) / (np.mean(noise**2) + 1e-12) / 10 ** (decibels / 10)
    return np.asarray(speech + noise * np.sqrt(power), np.float32)


def reverberate(samples: Audio, seconds: float, rng: np.random.Generator) -> Audio:
    """A crude room: the direct sound, followed by an exponentially decaying tail of noise. Keeps the power."""
    length = int(seconds * SAMPLE_RATE_HZ)
    response = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    response *= rng.uniform(0.2, 0.8) / np.linalg.norm(response)
    response[0] = 1.0
    size = 1 << (len(samples) + length).bit_length()
    out = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]
    return np.asarray(out * np.sqrt(np.mean(samples**2) / (np.mean(out**2) + 1e-12)), np.float32)


def colored(seconds: float, slope: float, rng: np.random.Generator) -> Audio:
    """Noise whose power falls as frequency ** slope: 0 white, 1 pink, 2 brown."""
    count = int(seconds * SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (slope / 2)
    spectrum[0] = 0
    return _level(np.fft.irfft(spectrum, count))


def tones(seconds: float, rng: np.random.Generator) -> Audio:
    """Music-like: chords of decaying harmonics on a scale, a new one every 0.2 to 1 seconds."""
    out = np.zeros(int(seconds * SAMPLE_RATE_HZ))
    at = 0
    while at < len(out):
        length = int(rng.uniform(0.2, 1.0) * SAMPLE_RATE_HZ)
        time = np.arange(min(2 * length, len(out) - at)) / SAMPLE_RATE_HZ
        for _ in range(rng.integers(1, 5)):
            pitch = 110.0 * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11]) / 12 + rng.integers(0, 4))
            for harmonic in range(1, 6):
                wave = np.sin(2 * np.pi * harmonic * pitch * time + rng.uniform(0, 6.28))
                out[at : at + len(time)] += wave * np.exp(-time * rng.uniform(1, 6)) / harmonic
        at += length
    return _level(out)


def babble(speech: list[Audio], seconds: float, rng: np.random.Generator, voices: int = 7) -> Audio:
    """A crowd: `voices` recordings at once, at similar power, each from a random position."""
    out = np.zeros(int(seconds * SAMPLE_RATE_HZ))
    for _ in range(voices):
        voice = speech[rng.integers(len(speech))]
        level = np.sqrt(np.mean(voice**2)) + 1e-6
        out += np.resize(np.roll(voice, rng.integers(len(voice))), len(out)) / level * rng.uniform(0.7, 1.3)
    return _level(out)


def _level(samples: NDArray[np.float64]) -> Audio:
    return np.asarray(0.1 * samples / (np.sqrt(np.mean(samples**2)) + 1e-12), np.float32)
