"""Codes of several streams to sound: the codec `higgs` of a bundle. Knows frames and samples. Knows no files and no devices."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Codec
from unmask.engines.engine import Engine
from unmask.errors import InputError

Floats = NDArray[np.float32]
ROLE = "frames_decoder"
SETTINGS = ("streams", "codes", "frame_samples", "rate_hz", "reach")
WINDOW, FIRST = 200, 25  # frames decoded at once, and first where sound is wanted early


class ResidualWriter:
    """Higgs Audio's decoder. Its graph is opened when it is first run."""

    def __init__(self, engine: Engine, codec: Codec) -> None:
        """Raises BundleError when the manifest's record lacks a number."""
        self._engine = engine
        settings = {name: int(codec.setting(name)) for name in SETTINGS}
        self._streams, self._codes, self._reach = settings["streams"], settings["codes"], settings["reach"]
        self.rate_hz, self.frame_samples = settings["rate_hz"], settings["frame_samples"]

    def decode(self, codes: Sequence[int]) -> Floats:
        """Codes of all streams, frame by frame -> samples (N,) at `rate_hz`, which nothing limits to [-1, 1].

        Raises InputError for none, for a part of a frame, and for a code that the codec does not have.
        """
        return np.concatenate(list(self._sound(codes, WINDOW)))

    def stream(self, codes: Sequence[int]) -> Iterator[Floats]:
        """The same sound in parts, the first of them soon."""
        return self._sound(codes, FIRST)

    def ends(self, codes: int) -> list[int]:
        """Samples up to the end of each part that `stream` gives. codes: their number."""
        return [stop * self.frame_samples for _, stop in _windows(codes // self._streams, FIRST)]

    def _sound(self, codes: Sequence[int], first: int) -> Iterator[Floats]:
        """A frame changes samples of the `reach` frames before and after it: with so many around it, a window is exact."""
        frames = self._checked(codes)
        for start, stop in _windows(len(frames), first):
            begin = max(0, start - self._reach)
            made = self._engine.run(ROLE, {"codes": frames[begin : stop + self._reach]})["samples"]
            yield made[(start - begin) * self.frame_samples : (stop - begin) * self.frame_samples]

    def _checked(self, codes: Sequence[int]) -> NDArray[np.int64]:
        ids = np.asarray(codes, np.int64)
        if not ids.size or ids.size % self._streams:
            raise InputError(f"{ids.size} speech codes are no frames of {self._streams}; give those of whole frames")
        wrong = ids[(ids < 0) | (ids >= self._codes)]
        if wrong.size:
            raise InputError(
                f"speech code {wrong[0]} is outside 0..{self._codes - 1}, which its codec has; give codes of this model"
            )
        return ids.reshape(-1, self._streams)


def _windows(frames: int, first: int) -> list[tuple[int, int]]:
    """[start, stop) of each window: the first of `first` frames, each later one twice as long up to `WINDOW`."""
    found, start, length = list[tuple[int, int]](), 0, first
    while start < frames:
        found.append((start, min(frames, start + length)))
        start, length = start + length, min(2 * length, WINDOW)
    return found
