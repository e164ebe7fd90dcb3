"""Write the sound of an answer, or play it. Knows files and the loudspeaker. Knows no codec's graphs."""

import io
import time
import wave
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.apps.audio.speaker import Speaker
from unmask.codecs import Codecs
from unmask.errors import InputError
from unmask.speech.synthesis.frames import SAMPLE_RATE_HZ

SPEECH = "speech"
FULL_SCALE = 32767
SLOWER = 1.5  # later parts are made with the frames before them, which the first does not have


def wav(samples: NDArray[np.float32], suffix: str, rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """(N,) in [-1, 1] -> the bytes of a WAV file of 16 bits."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.round(np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2").tobytes())
    return made.getvalue()


class Player:
    """Plays the answer of a task. What could be missing is looked for on construction, before anything is generated."""

    def __init__(self, codecs: Codecs, gives: Sequence[str]) -> None:
        """gives: the modalities of the answer. Raises InputError for one without sound and without a codec, AudioError without a
        device."""
        if SPEECH not in gives:
            raise InputError(f"--play: this task gives {', '.join(gives)}, so there is no sound to play; leave it out")
        self._writer = codecs.sound_writer()
        self._speaker = Speaker(self._writer.rate_hz)

    def play(self, codes: Sequence[int]) -> NDArray[np.float32]:
        """Play while it is made, and return all of it, (N,) at the codec's rate. Raises InputError for one without sound."""
        if not codes:
            raise InputError("nothing is played, since the answer holds no speech codes")
        ends = self._writer.ends(len(codes))
        self._speaker.play(without_pauses(self._writer.stream(codes), ends, rate_hz=self._writer.rate_hz))
        return np.concatenate(self._speaker.played)


def without_pauses(
    parts: Iterable[NDArray[np.float32]],
    ends: Sequence[int],
    clock: Callable[[], float] = time.monotonic,
    rate_hz: int = SAMPLE_RATE_HZ,
) -> Iterator[NDArray[np.float32]]:
    """The parts, held until each later one is expected to be made before those before it have been heard.

    So on a fast machine the sound begins with the first part, and on a slow one later rather than with pauses. ends: samples up
    to the end of each part. clock: seconds.
    """
    began, held, playing = clock(), list[NDArray[np.float32]](), False
    for i, part in enumerate(parts):
        held.append(part)
        pace = SLOWER * (clock() - began) / max(1, ends[i])  # seconds for each sample
        later = zip(ends[i:], ends[i + 1 :], strict=False)
        playing = playing or all((end - ends[i]) * pace <= heard / rate_hz for heard, end in later)
        if playing:
            yield from held
            held.clear()
