"""Codes to a mel spectrogram by flow matching: noise that moves along the estimator's velocity (GLM-4-Voice, flow_matching.py).

Knows the graphs of the flow. Knows no piece, no random numbers and no sound.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.engines.engine import Engine
from unmask.speech.synthesis.frames import code_of_frame

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FlowOptions:
    steps: int = 10
    """Evaluations of the velocity; the published decoder has 10."""
    guidance: float = 0.7
    """How far to go beyond the velocity with the codes, away from that without them. 0 halves the work."""

    def times(self) -> Floats:
        """(steps + 1,) from 0 to 1: dense where the way is curved, at its beginning."""
        even = np.linspace(0, 1, self.steps + 1, dtype=np.float32)
        times: Floats = np.float32(1) - np.cos(even * np.float32(np.pi / 2))
        return times


def mel_spectrogram(
    engine: Engine, codes: NDArray[np.int64], known: Floats, noise: Floats, options: FlowOptions = FlowOptions()
) -> Floats:
    """codes (N,), known (mels, K), noise (mels, M) -> (mels, M), in natural logarithms. Runs two graphs.

    known: the frames from the first on that are made already, K < M; the others are made to go on from them, and these come
    back made anew.
    """
    encoded = engine.run("flow_encoder", {"codes": codes, "places": code_of_frame(len(codes), noise.shape[1])})
    made = np.zeros_like(noise)
    made[:, : known.shape[1]] = known
    given = [encoded["mean"], encoded["speaker"], made]
    mean, speaker, done = (np.stack([value, np.zeros_like(value)][: 2 if options.guidance else 1]) for value in given)
    mel, times = noise, options.times()
    for begin, end in itertools.pairwise(times):
        feeds = {
            "mel": np.broadcast_to(mel, done.shape),
            "mean": mean,
            "speaker": speaker,
            "known": done,
            "time": begin.reshape(1),
        }
        velocity = engine.run("flow_estimator", {name: np.ascontiguousarray(value) for name, value in feeds.items()})["velocity"]
        mel = mel + (end - begin) * _guided(velocity, np.float32(options.guidance))
    return mel


def _guided(velocity: Floats, guidance: np.float32) -> Floats:
    with_codes: Floats = velocity[0]
    return with_codes if len(velocity) == 1 else (1 + guidance) * with_codes - guidance * velocity[1]
