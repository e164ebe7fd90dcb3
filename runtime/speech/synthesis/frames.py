"""Which frames of a mel spectrogram a run of codes has, and which code each frame says. Pure functions on numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError

SAMPLE_RATE_HZ = 22_050
SAMPLES_PER_FRAME = 256


def frames_of(codes: int, codes_per_second: float) -> int:
    """Frames of the first `codes` codes, in float32 as GLM-4-Voice counts: at times one fewer than exact numbers give."""
    seconds = np.float32(codes) / np.float32(codes_per_second)
    return int(seconds * np.float32(SAMPLE_RATE_HZ) / np.float32(SAMPLES_PER_FRAME))


def code_of_frame(codes: int, frames: int) -> NDArray[np.int64]:
    """(frames,): the nearest code of each, as torch.nn.functional.interpolate(mode="nearest") chooses it, in float32."""
    scale = np.float32(codes) / np.float32(frames)
    nearest: NDArray[np.int64] = np.floor(np.arange(frames, dtype=np.float32) * scale).astype(np.int64)
    return nearest.clip(max=codes - 1)


@dataclass(frozen=True)
class Pieces:
    """How a long answer is cut, so that its sound begins before all of it is made. Lengths are in codes.

    GLM-4-Voice's demonstration has pieces of 25, 50, 100, 150 and 200 codes, and an overlap of 5. The lengths here are multiples
    of the 10 codes that its encoder sees at once, so that no code is encoded without those that it was trained to see, and the
    context is not all that came before, so that a piece does not cost more the later it comes.
    """

    first: int = 30
    growth: float = 1.5
    """Ratio of one piece to the one before it."""
    longest: int = 200
    context: int = 50
    """Codes before a piece that it is made with; their sound stays as it is."""
    overlap: int = 5
    """Codes at the end of a piece that are made again with the next one, and faded into each other."""
    unit: int = 10
    """Pieces but the last are multiples of it."""
    whole: int = 200
    """An answer of at most so many codes is one piece, as published, unless its sound is wanted early."""

    def __post_init__(self) -> None:
        if not (0 < 4 * self.overlap <= self.first <= self.longest and self.unit <= self.first and self.growth >= 1):
            raise InputError(
                f"{self}: the first piece is as long as four overlaps and one unit or longer, and no piece is shorter than the "
                "one before it or longer than the longest"
            )
        if self.context < self.overlap:
            raise InputError(f"{self}: the context is shorter than the overlap, which is made again with it")

    def cut(self, codes: int, early: bool) -> list[tuple[int, int]]:
        """[start, stop) of each piece. early: begin with a short one. A rest of at most half the first joins the piece before."""
        if not early and codes <= self.whole:
            return [(0, codes)]
        cuts, length = [0], float(self.first if early else self.longest)
        while codes - cuts[-1] > length + self.first / 2:
            cuts.append(cuts[-1] + int(length) // self.unit * self.unit)
            length = min(length * self.growth, self.longest)
        return list(zip(cuts, [*cuts[1:], codes], strict=True))
