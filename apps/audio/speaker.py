"""The loudspeaker, through `sounddevice` (PortAudio), which is imported on use.

Knows the device and its errors. Knows no codec.
"""

import queue
import threading
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.apps.audio.backlog import Samples
from unmask.apps.audio.microphone import open_portaudio
from unmask.errors import AudioError

INSTEAD = "leave out --play and write a file with --output answer.wav"


class Speaker:
    """The default output device. Opened on construction, which raises AudioError if that fails, before anything is made to play.

    Sound that comes too late is preceded by silence, and nothing of it is lost.
    """

    def __init__(self, rate_hz: int) -> None:
        self._audio = open_portaudio("--play")
        self._waiting: queue.SimpleQueue[Samples | None] = queue.SimpleQueue()
        self._rest: Samples | None = np.empty(0, np.float32)
        self._silent = threading.Event()
        self.played: list[Samples] = []
        """The parts so far, in order."""
        try:
            self._stream = self._audio.OutputStream(
                channels=1,
                samplerate=rate_hz,
                dtype="float32",
                callback=self._fill,
                finished_callback=self._silent.set,
            )
        except (self._audio.PortAudioError, ValueError) as error:  # sounddevice raises ValueError when there is no device at all
            raise AudioError(f"no sound can be played ({error}); {INSTEAD}") from error

    def play(self, parts: Iterable[Samples]) -> None:
        """Play each part as soon as it is made, and return when the last one was heard. Raises AudioError if the device fails."""
        try:
            with self._stream:
                for part in parts:
                    self.played.append(part)
                    self._waiting.put(part)
                self._waiting.put(None)
                self._silent.wait()
        except self._audio.PortAudioError as error:
            raise AudioError(f"the sound stopped ({error}); {INSTEAD}") from error

    def _fill(self, out: NDArray[np.float32], frames: int, at: Any, status: Any) -> None:
        """Called by PortAudio, on its own thread, for the next samples."""
        filled = 0
        while filled < frames and self._rest is not None:
            if not self._rest.size and not self._next():
                break
            if self._rest is not None:
                count = min(frames - filled, self._rest.size)
                out[filled : filled + count, 0] = self._rest[:count]
                self._rest, filled = self._rest[count:], filled + count
        out[filled:] = 0
        if self._rest is None:
            raise self._audio.CallbackStop

    def _next(self) -> bool:
        """Take the next part; False if it is not made yet."""
        try:
            self._rest = self._waiting.get_nowait()
        except queue.Empty:
            return False
        return True
