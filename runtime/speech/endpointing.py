"""Endpointing: where speech begins, pauses and ends, as a state machine over the speech probabilities of short frames.

Knows probabilities. Knows no audio and no model: a `Vad` computes the probabilities.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError


class Vad(Protocol):
    """A voice activity detector for successive frames of one stream."""

    frame_samples: int  # frame length, at 16 kHz

    def reset(self) -> None:
        """Start a new stream."""
        ...

    def __call__(self, frame: NDArray[np.float32]) -> float:
        """Return the probability of speech in a frame of (frame_samples,) float32 in [-1, 1]."""
        ...


@dataclass(frozen=True)
class SpeechOptions:
    """When speech begins, pauses and ends. Checked on construction; raises InputError that names the option."""

    threshold: float = 0.5
    """Speech probability at which speech begins; it ends 0.15 below this."""
    onset_s: float = 0.09
    """Seconds of speech that open a segment, so that a click does not."""
    preroll_s: float = 0.4
    """Seconds of audio kept from before the onset, so that the first word is complete."""
    pause_s: float = 0.19  # six frames of Silero; silence inside a word is shorter
    """Seconds of silence after which all text so far becomes stable."""
    end_s: float = 0.7
    """Seconds of silence that end a segment."""
    long_s: float = 12.0
    """A segment of at least this many seconds ends at the next pause."""
    longest_s: float = 18.0
    """A segment that reaches this many seconds is cut at its quietest point."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold is {self.threshold}; it is a probability between 0 and 1")
        if not 0 < self.pause_s <= self.end_s:
            raise InputError(f"pause_s is {self.pause_s} and end_s {self.end_s}; pause_s must be above 0 and at most end_s")
        if self.onset_s < 0 or self.preroll_s < 0:
            raise InputError(f"onset_s is {self.onset_s} and preroll_s {self.preroll_s}; neither can be below 0")
        if not 4 <= self.longest_s <= 24:
            raise InputError(f"longest_s is {self.longest_s}; it must be between 4 and 24")
        if not self.long_s > 0:
            raise InputError(f"long_s is {self.long_s}; it must be above 0")


Change = Literal["none", "started", "paused", "ended"]


class Endpointer:
    """The state machine. `push` takes the speech probability of each frame; `speaking` and `silent_s` are its state."""

    def __init__(self, options: SpeechOptions, frame_s: float) -> None:
        self._options, self._frame_s = options, frame_s
        self.reset()

    def reset(self) -> None:
        self.speaking = False
        self.silent_s = 0.0  # seconds since the last speech frame, while speaking
        self.heard_s = 0.0  # seconds of uninterrupted speech, before it counts as speaking

    def push(self, probability: float) -> Change:
        """Take the next frame's speech probability, and return what changed with it."""
        options, frame_s = self._options, self._frame_s
        if not self.speaking:
            self.heard_s = self.heard_s + frame_s if probability >= options.threshold else 0.0
            if self.heard_s < max(options.onset_s, frame_s):
                return "none"
            self.speaking, self.silent_s = True, 0.0
            return "started"
        if probability >= options.threshold - 0.15:
            self.silent_s = 0.0
            return "none"
        before, self.silent_s = self.silent_s, self.silent_s + frame_s
        if self.silent_s >= options.end_s:
            self.reset()
            return "ended"
        return "paused" if before < options.pause_s <= self.silent_s else "none"
