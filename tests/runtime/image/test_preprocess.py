"""The square that a model reads: bit for bit what Pillow's bicubic filter and a center crop give."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from unmask.image.preprocess import cells, square


def with_pillow(pixels: np.ndarray, side: int) -> np.ndarray:
    """torchvision's Resize(side, BICUBIC) and CenterCrop(side) on a picture of Pillow's."""
    height, width = pixels.shape[:2]
    short, long = min(height, width), max(height, width)
    size = (side, int(side * long / short)) if width <= height else (int(side * long / short), side)
    resized = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    left, top = (round((length - side) / 2.0) for length in size)
    return np.asarray(resized.crop((left, top, left + side, top + side)))


@pytest.mark.parametrize(
    ("height", "width", "side"),
    [
        (64, 64, 64),
        (100, 130, 64),
        (31, 77, 64),
        (300, 200, 64),
        (65, 64, 64),
        (17, 60, 32),
        (53, 37, 16),
        (16, 64, 512),
        (700, 900, 128),
    ],
)
def test_it_is_pillows_bit_for_bit(height: int, width: int, side: int) -> None:
    rng = np.random.default_rng(height)
    noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    edges = (rng.integers(0, 2, (height, width, 1)) * 255).astype(np.uint8).repeat(3, 2)  # overshoots, so it is clipped
    for pixels in (noise, edges):
        np.testing.assert_array_equal(square(pixels, side), with_pillow(pixels, side))


def test_a_plain_picture_stays_plain() -> None:
    np.testing.assert_array_equal(square(np.full((40, 90, 3), (1, 128, 255), np.uint8), 64), np.full((64, 64, 3), (1, 128, 255)))


def test_the_middle_is_kept() -> None:
    pixels = np.zeros((32, 96, 3), np.uint8)
    pixels[:, 32:64] = 255
    np.testing.assert_array_equal(square(pixels, 32), np.full((32, 32, 3), 255))


@given(height=st.integers(4, 40), width=st.integers(4, 40), count=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_cell_has_a_place_of_the_region_if_it_shows_one(height: int, width: int, count: int, seed: int) -> None:
    """Each place is a square of 2 x count by 2 x count points here, so that no edge of a cell cuts a point."""
    region = np.random.default_rng(seed).random((height, width)) < 0.1
    short, fine = min(height, width), 2 * count
    points = np.kron(region, np.ones((fine, fine), bool))
    top, left = ((side - short) * count for side in (height, width))
    middle = points[top : top + short * fine, left : left + short * fine]
    side = short * 2
    expected = middle.reshape(count, side, count, side).any((1, 3))
    np.testing.assert_array_equal(cells(region, count), expected)
