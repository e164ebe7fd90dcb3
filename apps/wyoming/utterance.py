"""What one client says, from audio-start to audio-stop: stable text as it comes. Knows live captions. Knows no protocol."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from unmask.apps.audio.resampler import Resampler
from unmask.speech.events import Event
from unmask.speech.live import LiveCaptioner


class Utterance:
    """Captions the sound of one utterance. Not thread-safe."""

    def __init__(self, live: LiveCaptioner, rate_hz: int) -> None:
        self._live, self._resampler = live, Resampler(rate_hz)
        self._segment, self._said = 0, ""  # the open segment, and how much of its stable text is told
        self.text = ""
        """All text that is stable."""

    def hear(self, samples: NDArray[np.float32]) -> str:
        """The text that became stable by more sound, which is never taken back. samples: (N,) in [-1, 1] at the client's rate."""
        return self._told(self._live.feed(self._resampler(samples)))

    def end(self) -> str:
        """The rest of the text."""
        return self._told([*self._live.feed(self._resampler.rest()), *self._live.flush()])

    def _told(self, events: Iterable[Event]) -> str:
        more = ""
        for event in events:
            if event.segment != self._segment:
                self._segment, self._said = event.segment, ""
            new = event.stable[len(self._said) :]
            if new:
                begins = not self._said and (self.text or more)  # another segment
                more += f" {new}" if begins else new
                self._said = event.stable
        self.text += more
        return more
