"""Codes of speech to sound: the codec `glm-voice` of a bundle, for a whole answer and for one whose sound is wanted early.

Knows pieces and graphs. Knows no files and no devices.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Codec
from unmask.engines.engine import Engine
from unmask.errors import InputError
from unmask.speech.synthesis.chance import Chance, PublishedChance, SeededChance
from unmask.speech.synthesis.flow import FlowOptions, mel_spectrogram
from unmask.speech.synthesis.frames import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Pieces, frames_of
from unmask.speech.synthesis.vocoder import MARGIN, Vocoder

Floats = NDArray[np.float32]
SETTINGS = ("codes", "codes_per_second", "block", "guidance", "mels", "sines")


class SpeechWriter:
    """GLM-4-Voice's decoder. Its graphs are opened when they are first run."""

    def __init__(self, engine: Engine, codec: Codec, pieces: Pieces | None = None, options: FlowOptions | None = None) -> None:
        """pieces, options: None for the usual ones. Raises BundleError when the manifest's record lacks a number."""
        settings = {name: codec.setting(name) for name in SETTINGS}
        self._engine, self._pieces, self._settings = engine, pieces or Pieces(), settings
        self._options = options or FlowOptions(guidance=settings["guidance"])
        self.rate_hz = SAMPLE_RATE_HZ

    def decode(self, codes: Sequence[int], chance: Chance | None = None) -> Floats:
        """Codes -> samples (N,) in [-1, 1] at 22,050 Hz.

        chance: the random numbers; None for the published ones of an answer that is one piece, and otherwise those of a seed.
        Raises InputError for no codes, and for one that the codec does not have.
        """
        return np.concatenate([*self._sound(codes, chance, early=False)])

    def stream(self, codes: Sequence[int], chance: Chance | None = None) -> Iterator[Floats]:
        """The same sound in parts, the first of them soon. It differs a little from that of `decode`: less of what follows is
        known where a part ends."""
        return self._sound(codes, chance, early=True)

    def ends(self, codes: int) -> list[int]:
        """Samples up to the end of each part that `stream` gives."""
        held = self._frames(self._pieces.overlap) + MARGIN
        stops = [stop for _, stop in self._pieces.cut(codes, early=True)]
        return [max(0, self._frames(stop) - (held if stop < codes else 0)) * SAMPLES_PER_FRAME for stop in stops]

    def _sound(self, codes: Sequence[int], chance: Chance | None, early: bool) -> Iterator[Floats]:
        ids = self._checked(codes)
        pieces = self._pieces.cut(len(ids), early)
        mels, sines = int(self._settings["mels"]), int(self._settings["sines"])
        if chance is None:
            frames = self._frames(len(ids))
            chance = PublishedChance(mels, sines, frames) if len(pieces) == 1 else SeededChance(mels, sines)
        vocoder = Vocoder(self._engine, chance)
        for mel, last in self._spectrograms(ids, pieces, chance):
            yield vocoder.add(mel, last)

    def _checked(self, codes: Sequence[int]) -> NDArray[np.int64]:
        ids, known = np.asarray(codes, np.int64), int(self._settings["codes"])
        if not ids.size:
            raise InputError("there are no speech codes to make sound of; ask for a longer answer with --length")
        wrong = ids[(ids < 0) | (ids >= known)]
        if wrong.size:
            raise InputError(f"speech code {wrong[0]} is outside 0..{known - 1}, which its codec has; give codes of this model")
        return ids

    def _spectrograms(
        self, ids: NDArray[np.int64], pieces: list[tuple[int, int]], chance: Chance
    ) -> Iterator[tuple[Floats, bool]]:
        """The frames of the mel spectrogram that are final, piece by piece, and whether they are the last."""
        block = int(self._settings["block"])
        made = tail = np.empty((int(self._settings["mels"]), 0), np.float32)
        for start, stop in pieces:
            first = max(0, start - self._pieces.context) // block * block
            begin, end = self._frames(first), self._frames(stop)
            known, last = made[:, begin:], stop == len(ids)
            mel = mel_spectrogram(self._engine, ids[first:stop], known, chance.flow(begin, end), self._options)
            fresh = faded(tail, mel[:, known.shape[1] :])
            held = 0 if last else self._frames(self._pieces.overlap)
            final, tail = fresh[:, : fresh.shape[1] - held], fresh[:, fresh.shape[1] - held :]
            made = np.concatenate([made, final], 1)
            yield final, last

    def _frames(self, codes: int) -> int:
        return frames_of(codes, self._settings["codes_per_second"])


def faded(old: Floats, new: Floats) -> Floats:
    """(mels, F) with its first frames faded in from `old` (mels, G), G at most F, along half a cosine.

    The two shares add up to 1. (Those of the released demonstration, halves of a Hamming window, add up to 1.08, which is louder,
    since a mel spectrogram is in logarithms.)
    """
    count = old.shape[1]
    share = (0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / max(1, count))).astype(np.float32)
    return np.concatenate([share * new[:, :count] + (1 - share) * old, new[:, count:]], 1)
