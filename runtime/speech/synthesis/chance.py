"""The random numbers of spoken sound: noise that the flow starts from, phases and noise of the vocoder.

Knows generators. Knows no graph.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.speech.synthesis.frames import SAMPLES_PER_FRAME

Floats = NDArray[np.float32]
LANES = 16  # numbers that PyTorch draws together


class Chance(Protocol):
    """Random numbers by frame of the sound, counted from its beginning."""

    def flow(self, start: int, stop: int) -> Floats:
        """(mels, stop - start), normally distributed."""
        ...

    def phases(self) -> NDArray[np.float64]:
        """(sines,): where each sine begins, in cycles; 0 for the first, which is the voice itself."""
        ...

    def source(self, start: int, stop: int) -> Floats:
        """(sines, samples of these frames), normally distributed."""
        ...


class SeededChance:
    """The same numbers for a frame, however the sound is cut. Each kind is asked for by rising starts."""

    def __init__(self, mels: int, sines: int, seed: int = 42) -> None:
        flow, source, phases = (np.random.default_rng([seed, part]) for part in range(3))
        self._flow, self._source = _Frames(flow, (mels,)), _Frames(source, (SAMPLES_PER_FRAME, sines))
        self._phases = phases.random(sines) - 0.5
        self._phases[0] = 0

    def flow(self, start: int, stop: int) -> Floats:
        return self._flow.of(start, stop).T

    def phases(self) -> NDArray[np.float64]:
        return self._phases

    def source(self, start: int, stop: int) -> Floats:
        drawn = self._source.of(start, stop)
        return drawn.reshape(-1, drawn.shape[-1]).T


class _Frames:
    """Numbers drawn frame after frame. Forgets those before the last start."""

    def __init__(self, generator: np.random.Generator, shape: tuple[int, ...]) -> None:
        self._generator, self._begins = generator, 0
        self._drawn = np.empty((0, *shape), np.float32)

    def of(self, start: int, stop: int) -> Floats:
        lacking = stop - self._begins - len(self._drawn)
        if lacking > 0:
            fresh = self._generator.standard_normal((lacking, *self._drawn.shape[1:]), np.float32)
            self._drawn = np.concatenate([self._drawn, fresh])
        self._drawn, self._begins = self._drawn[start - self._begins :], start
        return self._drawn[: stop - start]


class PublishedChance:
    """What PyTorch draws on a CPU after manual_seed(42), in the order of GLM-4-Voice's code. Holds the numbers of all frames."""

    SEED = 42

    def __init__(self, mels: int, sines: int, frames: int) -> None:
        torch = TorchRandom(self.SEED)
        self._flow = torch.normal(mels * frames).reshape(mels, frames)
        self._phases = (torch.uniform(sines) - np.float32(0.5)).astype(np.float64)
        self._phases[0] = 0
        self._source = torch.normal(sines * frames * SAMPLES_PER_FRAME).reshape(sines, -1)

    def flow(self, start: int, stop: int) -> Floats:
        return self._flow[:, start:stop]

    def phases(self) -> NDArray[np.float64]:
        return self._phases

    def source(self, start: int, stop: int) -> Floats:
        return self._source[:, start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]


class TorchRandom:
    """PyTorch's generator for CPUs: a Mersenne Twister, and the Box-Muller transform on lanes of 16 numbers."""

    def __init__(self, seed: int) -> None:
        self._twister = np.random.MT19937()
        seeded: Any = np.random.RandomState(seed).get_state(legacy=False)  # seeded as it was first published
        self._twister.state = seeded

    def uniform(self, count: int) -> Floats:
        """(count,) in [0, 1), of the 24 low bits of each draw."""
        bits = self._twister.random_raw(count) & 0xFF_FFFF
        return bits.astype(np.float32) / np.float32(1 << 24)

    def normal(self, count: int) -> Floats:
        """(count,), at least 16. The last lane is drawn again when the count is no multiple of 16."""
        drawn = self.uniform(count)
        whole = count // LANES * LANES
        drawn[:whole] = _box_muller(drawn[:whole])
        if whole < count:
            drawn[-LANES:] = _box_muller(self.uniform(LANES))
        return drawn


def _box_muller(drawn: Floats) -> Floats:
    lanes = drawn.reshape(-1, 2, LANES // 2)
    radius = np.sqrt(np.float32(-2) * np.log(np.float32(1) - lanes[:, 0]))
    angle = np.float32(2 * np.pi) * lanes[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
