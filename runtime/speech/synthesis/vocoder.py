"""A mel spectrogram to samples, also when it comes in parts: the sound is the same, however it is cut.

Knows the graphs of the vocoder. Knows no codes.
"""

import numpy as np
from numpy.typing import NDArray

from unmask.engines.engine import Engine
from unmask.speech.synthesis.chance import Chance
from unmask.speech.synthesis.frames import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

Floats = NDArray[np.float32]
MARGIN = 20
"""Frames on either side that a frame's samples depend on: 13 in the vocoder, and 5 more through the pitch."""


class Vocoder:
    """Makes the samples of one sound. Keeps its frames, whose pitch sets the phases of all that follow."""

    def __init__(self, engine: Engine, chance: Chance) -> None:
        self._engine, self._chance = engine, chance
        self._mel: Floats | None = None
        self._pitch = np.empty(0)  # Hz, of the frames whose samples are made
        self._voiced = 0

    def add(self, mel: Floats, last: bool) -> Floats:
        """mel (mels, F), the next frames -> the samples that no later frame changes; with the last frames, all that are left."""
        self._mel = mel if self._mel is None else np.concatenate([self._mel, mel], 1)
        frames = self._mel.shape[1]
        ready = frames if last else max(self._voiced, frames - MARGIN)
        if ready == self._voiced:
            return np.empty(0, np.float32)
        begin = max(0, self._voiced - MARGIN)
        window = np.ascontiguousarray(self._mel[None, :, begin:])
        pitch = self._engine.run("pitch", {"mel": window})["pitch"].astype(np.float64)
        pitch[: self._voiced - begin] = self._pitch[begin:]  # at the window's edge it lacks the frames before
        made = self._engine.run(
            "vocoder",
            {
                "mel": window,
                "pitch": pitch.astype(np.float32),
                "phases": self._phases(pitch, begin),
                "noise": np.ascontiguousarray(self._chance.source(begin, frames)),
            },
        )["samples"]
        self._pitch = np.concatenate([self._pitch, pitch[self._voiced - begin : ready - begin]])
        samples = made[(self._voiced - begin) * SAMPLES_PER_FRAME : (ready - begin) * SAMPLES_PER_FRAME]
        self._voiced = ready
        return samples

    def _phases(self, pitch: NDArray[np.float64], begin: int) -> Floats:
        """(sines, F): the phase of each sine before each frame of the window, in cycles from 0 to 1.

        The pitch is summed up in float64; in float32 the overtones would be wrong by cycles after ten seconds (docs/log.md).
        """
        cycles = np.concatenate([self._pitch[:begin], pitch[:-1]]) * (SAMPLES_PER_FRAME / SAMPLE_RATE_HZ)
        before = np.concatenate([[0.0], np.cumsum(cycles)])[begin:]
        first = self._chance.phases()
        phases = np.outer(np.arange(1, len(first) + 1), before) + first[:, None]
        return (phases - np.floor(phases)).astype(np.float32)
