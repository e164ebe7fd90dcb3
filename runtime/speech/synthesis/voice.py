"""Codes of speech to sound: the codec `hibari` of a bundle. Knows its graph. Knows no files and no devices."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Codec
from unmask.engines.engine import Engine
from unmask.errors import InputError
from unmask.speech.synthesis.frames import SAMPLE_RATE_HZ
from unmask.speech.synthesis.spectra import resampled, samples_of

Floats = NDArray[np.float32]
ROLE, PITCH = "voice", "pitch"
CODES_PER_SECOND = 20


class VoiceWriter:
    """hibari's decoder. Its graph is opened when it is first run."""

    def __init__(self, engine: Engine, codec: Codec) -> None:
        """Raises BundleError when the manifest's record lacks a number."""
        self._engine, self._codes, self.rate_hz = engine, int(codec.setting("codes")), SAMPLE_RATE_HZ

    def decode(self, codes: Sequence[int]) -> Floats:
        """Codes -> samples (N,) in [-1, 1] at 22,050 Hz, the same each time. Raises InputError for none and for unknown ones."""
        ids = np.asarray(codes, np.int64)
        if not ids.size:
            raise InputError("there are no speech codes to make sound of; give a longer text")
        wrong = ids[(ids < 0) | (ids >= self._codes)]
        if wrong.size:
            raise InputError(
                f"speech code {wrong[0]} is outside 0..{self._codes - 1}, which its codec has; give codes of this model"
            )
        return sound(self._engine.run(ROLE, {"codes": ids}))

    def stream(self, codes: Sequence[int]) -> Iterator[Floats]:
        """The same sound in one part: it is made many times faster than it is heard."""
        yield self.decode(codes)

    def ends(self, codes: int) -> list[int]:
        """Samples up to the end of each part that `stream` gives."""
        return [codes * SAMPLE_RATE_HZ // CODES_PER_SECOND]


def sound(made: Mapping[str, NDArray[Any]]) -> Floats:
    """What the graph gives -> samples (N,) in [-1, 1] at 22,050 Hz."""
    spectra = {name: own[0] for name, own in made.items() if name != PITCH}
    samples = samples_of(spectra, made[PITCH][0], np.random.default_rng(0))
    return resampled(samples, SAMPLE_RATE_HZ).clip(-1, 1)
