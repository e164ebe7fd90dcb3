"""The square in the middle of a picture, at the size that a model reads. Knows pixels, and no model.

The short side is resized with Pillow's bicubic filter, and the middle cut out, as torchvision's Resize and CenterCrop do with
Pillow's pictures. The arithmetic is Pillow's own for 8 bits (libImaging, Resample.c): its coefficients are integers of 22 bits
after the point, and the picture between the two passes has 8 bits again. So the result is the same, bit for bit.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
SUPPORT, A = 2.0, -0.5  # of the filter (Keys, 1981), in pixels of the smaller picture
POINT = 22  # bits after the point
BAND = 64  # pixels


def square(pixels: Pixels, side: int) -> Pixels:
    """(H, W, 3) -> (side, side, 3): the short side becomes `side`, and the middle of the long one is kept."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    sizes = (side * height // short, side * width // short)
    across = _resized(pixels.swapaxes(0, 1), sizes[1], _middle(sizes[1], side)).swapaxes(0, 1)
    return _resized(across, sizes[0], _middle(sizes[0], side))


def cells(region: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """(H, W) -> (count, count): which cells of a grid over the square in the middle have a place of the region in them."""
    height, width = region.shape
    short = min(height, width)
    rows, columns = (_edges(side - short, short, count) for side in (height, width))
    return np.array([[bool(region[slice(*row), slice(*column)].any()) for column in columns] for row in rows])


def _edges(left: int, short: int, count: int) -> list[tuple[int, int]]:
    """First place and the one after the last of each cell; a place that two cells share is in both. left: over both sides."""
    ends = [(left * count + 2 * short * i, 2 * count) for i in range(count + 1)]  # as fractions
    return [(low // under, -(-high // under)) for (low, under), (high, _) in itertools.pairwise(ends)]


def _middle(size: int, side: int) -> NDArray[np.int64]:
    """The places that a center crop keeps."""
    return np.arange(side) + round((size - side) / 2)


def _resized(pixels: Pixels, size: int, kept: NDArray[np.int64]) -> Pixels:
    """(N, M, 3) -> (K, M, 3): the rows `kept` (K,) of the picture when it has `size` rows."""
    if size == len(pixels):
        return pixels[kept]
    scale = len(pixels) / size
    stretch = max(scale, 1.0)
    center = (kept + 0.5) * scale
    first = np.maximum((center - SUPPORT * stretch + 0.5).astype(np.int64), 0)
    last = np.minimum((center + SUPPORT * stretch + 0.5).astype(np.int64), len(pixels))
    spread = [(np.arange(low, high) - middle + 0.5) / stretch for low, high, middle in zip(first, last, center, strict=True)]
    weights = [_rounded(w / w.sum() * (1 << POINT)).astype(np.float64) for w in map(_bicubic, spread)]
    made = np.empty((len(kept), *pixels.shape[1:]), np.uint8)
    for at in range(0, pixels.shape[1], BAND):  # so that a large picture is made floats once, and not all of it at a time
        band = pixels[:, at : at + BAND].astype(np.float64, order="C").reshape(len(pixels), -1)
        for row, (low, high, own) in enumerate(zip(first, last, weights, strict=True)):
            total = (own @ band[low:high]).astype(np.int64) + (1 << POINT - 1)  # exact: whole numbers far below 2 ** 53
            made[row, at : at + BAND] = np.clip(total >> POINT, 0, 255).reshape(-1, pixels.shape[2])
    return made


def _bicubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(distance)
    near = ((A + 2) * x - (A + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * A
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _rounded(number: NDArray[np.float64]) -> NDArray[np.int64]:
    """To the nearest whole number, halves away from zero."""
    return np.trunc(number + np.copysign(0.5, number)).astype(np.int64)
