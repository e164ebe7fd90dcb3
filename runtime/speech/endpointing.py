"""Where speech begins, pauses and ends: a state machine over the speech probabilities of short frames.

Knows probabilities. Knows no audio and no model: a `Vad` gives it what it listens to.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError


class Vad(Protocol):
    """A voice activity detector over successive frames of one stream."""

    frame_samples: int  # at 16 kHz

    def reset(self) -> None: ...

    def __call__(self, frame: NDArray[np.float32]) -> float:
        """The probability of speech in a frame of (frame_samples,) float32 in [-1, 1]."""
        ...


@dataclass(frozen=True)
class SpeechOptions:
    """Checked on construction; InputError names the option."""

    threshold: float = 0.5
    """Speech begins at this probability; it goes on until `threshold - 0.15`."""
    onset_s: float = 0.09
    """Speech this long opens a segment: a click does not."""
    preroll_s: float = 0.4
    """Audio kept from before the onset, so that the first word is whole."""
    pause_s: float = 0.19
    """Silence after which all text so far becomes stable: longer than stops inside words, and six frames of Silero."""
    end_s: float = 0.7
    """Silence that ends a segment."""
    long_s: float = 8.0
    """From this length on a pause ends a segment."""
    longest_s: float = 18.0
    """A segment of longer speech is cut at its quietest point."""

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold is {self.threshold}; it is a probability between 0 and 1")
        if not 0 < self.pause_s <= self.end_s:
            raise InputError(f"pause_s is {self.pause_s} and end_s {self.end_s}; a pause is above 0 and no longer than an end")
        if self.onset_s < 0 or self.preroll_s < 0:
            raise InputError(f"onset_s is {self.onset_s} and preroll_s {self.preroll_s}; neither can be below 0")
        if not 4 <= self.longest_s <= 24:
            raise InputError(f"longest_s is {self.longest_s}; segments of 4 to 24 s can be captioned")
        if not self.long_s > 0:
            raise InputError(f"long_s is {self.long_s}; it must be above 0")


Change = Literal["none", "started", "paused", "ended"]


class Endpointer:
    """Frames in, changes out. `speaking` and `silent_s` tell where it is."""

    def __init__(self, options: SpeechOptions, frame_s: float) -> None:
        self._options, self._frame_s = options, frame_s
        self.reset()

    def reset(self) -> None:
        self.speaking = False
        self.silent_s = 0.0  # since speech was last heard, while speaking
        self.heard_s = 0.0  # speech in a row, before it counts as speaking

    def push(self, probability: float) -> Change:
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
