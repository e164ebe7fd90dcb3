"""Pictures become codes, and codes pictures: the graphs of an image codec. Knows pixels and codes. Knows no files."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Codec
from unmask.engines.engine import Engine
from unmask.errors import InputError
from unmask.image.preprocess import cells, square

LEAST_LIKENESS = "least_likeness"
"""Setting of a codec that knows one kind of pictures only: one of which it keeps less (`ImageCodec.likeness`) is of another."""


class ImageCodec:
    """The encoder and decoder of MAGVIT-v2, or of omni-tiny's stickers. Its graphs are opened when they are first run."""

    def __init__(self, engine: Engine, codec: Codec) -> None:
        self._engine = engine
        self._side, self._usual = (int(codec.setting(name)) for name in ("read_pixels", "write_codes"))

    def encode(self, media: NDArray[np.uint8], drawn: int | None = None) -> list[int]:
        """(H, W, 3) RGB of any size -> the codes of the square in its middle, row by row. Draws nothing."""
        return [int(code) for code in self._codes(media, self._side).ravel()]

    def keep(self, media: NDArray[np.uint8], anew: NDArray[np.bool_], count: int) -> list[int | None]:
        """(H, W, 3) RGB of any size -> `count` codes of the square in its middle, row by row, at the size of a picture that is
        written. None where a code shows a pixel of `anew` (H, W). Raises InputError for a count that is no square."""
        codes, rows = self._codes(media, self._side), math.isqrt(count)
        if rows**2 != count:
            raise InputError(f"a picture of {count} codes is no square, so none of it can be kept; choose another length")
        if rows != len(codes):  # it reads larger pictures than it writes
            codes = self._codes(media, self._side * rows // len(codes))
        again = cells(anew, rows).ravel().tolist()
        return [None if hidden else int(code) for code, hidden in zip(codes.ravel(), again, strict=True)]

    def likeness(self, media: NDArray[np.uint8]) -> float:
        """The share of a picture's variance, (H, W, 3) RGB, that comes back of its codes: at most 1, below 0 for a worse guess
        than its mean color."""
        own = square(media, self._side).astype(np.float32)
        error, contrast = (float(np.square(own - other).sum()) for other in (self.decode(self.encode(media)), own.mean((0, 1))))
        return 1 - error / contrast if contrast else 1.0

    def _codes(self, media: NDArray[np.uint8], side: int) -> NDArray[np.int64]:
        """(rows, rows), of the square in the middle with `side` pixels."""
        if media.ndim != 3 or media.shape[2] != 3 or media.dtype != np.uint8 or not media.size:
            raise InputError(f"a picture is (H, W, 3) uint8, red, green and blue; this one is {media.shape} {media.dtype}")
        pixels = square(media, side).astype(np.float32) / np.float32(255)
        pixels = (pixels - np.float32(0.5)) / np.float32(0.5)
        codes: NDArray[np.int64] = self._engine.run(
            "image_encoder", {"pixels": np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]}
        )["codes"]
        return codes

    def decode(self, codes: Sequence[int]) -> NDArray[np.uint8]:
        """Codes, row by row -> the pixels of a square picture, (H, W, 3) RGB.

        A picture has the usual number of codes, or four times as many, and so on. If there are too few, the last one is repeated;
        if there are too many, the first are used (as VITA-MLLM/Omni-Diffusion, inference.py, does).
        """
        count = self._usual
        while 4 * count <= len(codes):
            count *= 4
        whole = np.array([*codes[:count], *[codes[-1]] * (count - len(codes))], np.int64)
        side = math.isqrt(count)
        pixels = self._engine.run("image_decoder", {"codes": whole.reshape(side, side)})["pixels"][0]
        unit = np.clip((pixels.transpose(1, 2, 0) + np.float32(1)) / np.float32(2), 0, 1) * np.float32(255)
        return np.ascontiguousarray(unit.astype(np.uint8))
