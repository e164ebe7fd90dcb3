"""A reference voice to codes of several streams: the codec `higgs-voice` of a bundle. Knows samples and codes."""

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Codec
from unmask.engines.engine import Engine
from unmask.errors import AudioError
from unmask.speech.encoding.resample import resampled
from unmask.speech.encoding.silence import shortened
from unmask.speech.split_audio import blocks_of, checked

Floats = NDArray[np.float32]
ROLE = "frames_encoder"
SETTINGS = ("streams", "codes", "frame_samples", "rate_hz", "semantic_margin")
SEMANTIC_HZ = 16_000
LOUD = 0.1  # root mean square that quieter voices are raised to
PAUSE_MS, LEAD_MS, TRAIL_MS = 200, 100, 200
SHORTEST_S, LONGEST_S = 1.0, 30.0


class ResidualReader:
    """Makes codes of a voice. Keeps no state. The engine opens the graph when it is first run."""

    def __init__(self, engine: Engine, codec: Codec) -> None:
        """Raises BundleError when the manifest's record lacks a number."""
        settings = {name: int(codec.setting(name)) for name in SETTINGS}
        self._engine, self._frame, self._margin = engine, settings["frame_samples"], settings["semantic_margin"]
        self.rate_hz = settings["rate_hz"]

    def encode(self, media: Floats, drawn: int | None = None) -> tuple[int, ...]:
        """Codes of all streams, frame by frame.

        media: (N,) float32 in [-1, 1] at `rate_hz`. It is made louder if it is quiet, its pauses are shortened, and what is left
        of the last frame is dropped. drawn: nothing is drawn. Raises AudioError for a voice that is short, long or silent.
        """
        samples = np.concatenate([checked(block) for block in blocks_of(media)])
        seconds = len(samples) / self.rate_hz
        if seconds < SHORTEST_S:
            raise AudioError(f"the voice has {seconds:.2g} s of sound; {SHORTEST_S:g} s is the least, and 3 to 10 s are best")
        if seconds > LONGEST_S:
            raise AudioError(
                f"the voice has {seconds:.0f} s of sound; {LONGEST_S:g} s are the most, and 3 to 10 s are best: cut it"
            )
        voice = shortened(_raised(samples), self.rate_hz, PAUSE_MS, LEAD_MS, TRAIL_MS)
        frames = len(voice) // self._frame
        if frames * self._frame < SHORTEST_S * self.rate_hz / 2:
            raise AudioError("the voice is silent, or nearly so; give 3 to 10 s in which one person speaks")
        voice = voice[: frames * self._frame]
        semantic = np.pad(resampled(voice, self.rate_hz, SEMANTIC_HZ), self._margin)
        found = self._engine.run(ROLE, {"samples": voice[None, None], "semantic": semantic[None]})["codes"]
        return tuple(found.reshape(-1).tolist())


def loudness(samples: Floats) -> float:
    """Root mean square of a voice as it was recorded: what is said in it has this loudness again, if it is quiet."""
    return float(np.sqrt(np.mean(samples**2, dtype=np.float64))) if samples.size else 0.0


def _raised(samples: Floats) -> Floats:
    own = loudness(samples)
    return samples * np.float32(LOUD / own) if 0 < own < LOUD else samples
