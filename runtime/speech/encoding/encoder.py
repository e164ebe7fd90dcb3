"""Sound to rows of a canvas: what runs the graph of a speech encoder. Knows samples and rows. Knows no files and no task."""

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Codec
from unmask.engines.engine import Engine
from unmask.errors import AudioError
from unmask.speech.encoding.filterbank import WINDOW_SAMPLES, filterbank
from unmask.speech.encoding.frames import positions, stacked
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.split_audio import blocks_of, checked

ROLE = "speech_encoder"
PUBLISHED_DITHER = 1.0  # of SenseVoice's frontend, in steps of 16-bit samples
FRAME_S = WINDOW_SAMPLES / SAMPLE_RATE_HZ
QUERIES = 4  # rows before those of the sound
LONGEST_S = "longest_s"  # a number of the codec: seconds of the longest recording


class SpeechEncoder:
    """Makes rows of recordings. Keeps no state between them. The engine opens the graph when it is first run."""

    def __init__(self, engine: Engine, codec: Codec) -> None:
        self._engine, self.longest_s, self.rate_hz = engine, codec.setting(LONGEST_S), SAMPLE_RATE_HZ

    def encode(self, media: NDArray[np.float32], drawn: int | None = None) -> NDArray[np.float32]:
        """(R, width) float32: four rows, and then one for each 60 ms.

        media: (N,) float32 in [-1, 1] at 16 kHz. drawn: seed of the published frontend's dither; None: without it, so that one
        recording always gives the same rows. Raises AudioError for a recording that is shorter than a frame, longer than the
        codec allows, or holds what is no sound.
        """
        samples = np.concatenate([checked(block) for block in blocks_of(media)])
        seconds = len(samples) / SAMPLE_RATE_HZ
        if len(samples) < WINDOW_SAMPLES:
            raise AudioError(f"the speech has {seconds:.3g} s of sound, less than one frame of {FRAME_S:g} s; record more")
        if seconds > self.longest_s:
            raise AudioError(
                f"the speech has {seconds:.0f} s of sound; the model reads {self.longest_s:g} s at most: cut it into parts"
            )
        frames = stacked(filterbank(samples, 0.0 if drawn is None else PUBLISHED_DITHER, drawn or 0))
        table = positions(QUERIES + len(frames), frames.shape[1])
        return self._engine.run(ROLE, {"frames": frames, "positions": table})["rows"]
