"""Read and write pictures with Pillow, which is imported on first use. Knows files and pixels. Knows no codec."""

import io
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError

FORMATS = ("PNG", "JPEG", "WEBP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")  # 8 bits, and colors that are red, green and blue
SMALLEST = 16  # pixels of a side: a code stands for as many
MOST_PIXELS = 100_000_000
WIDEST = 4.0  # a square from the middle of a longer picture would show less than a quarter of it
WHITE = (255, 255, 255, 255)


def read_picture(file: Path | BinaryIO, name: str | None = None) -> NDArray[np.uint8]:
    """(H, W, 3) RGB, upright as its EXIF orientation says; what is transparent is white. name: in messages, by default the path.

    Raises InputError that names the file for one that is no PNG, JPEG or WebP, is damaged, moves, holds other colors, or has
    sides that a model would not see.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # from 89 million pixels on; the bound here is ours
            opened = Image.open(file, formats=FORMATS)
        with opened:
            _check(opened)
            opened.load()
            upright: Image.Image = opened
            ImageOps.exif_transpose(upright, in_place=True)  # a copy of a large picture takes 400 MB
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{name or file}: {_reason(error)}") from error
    if upright.has_transparency_data:
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, WHITE), upright.convert("RGBA"))
    return np.asarray(upright if upright.mode == "RGB" else upright.convert("RGB"))


def _check(picture: Any) -> None:
    """Of what is known before the pixels are read. Raises ValueError."""
    width, height = picture.size
    if getattr(picture, "n_frames", 1) > 1:
        raise ValueError(f"a moving picture of {picture.n_frames} frames; save one of them as a PNG")
    if picture.mode not in MODES:
        raise ValueError(f"its colors are {picture.mode}, not RGB with 8 bits; save it as an RGB PNG")
    if min(picture.size) < SMALLEST:
        raise ValueError(f"{width} x {height} pixels; a side of fewer than {SMALLEST} shows nothing, so give a larger picture")
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width} x {height} pixels, more than {MOST_PIXELS // 1_000_000} million; make it smaller first")
    if max(picture.size) > WIDEST * min(picture.size):
        share = min(picture.size) / max(picture.size)
        raise ValueError(
            f"{width} x {height} pixels; a model sees a square from the middle, {100 * share:.0f} % of it: cut out what matters"
        )


def _reason(error: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "not a PNG, JPEG or WebP picture; save it as one of them"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MOST_PIXELS // 1_000_000} million pixels; make it smaller first"
    if type(error) is ValueError:
        return str(error)
    return f"cannot be read ({getattr(error, 'strerror', None) or error}); it is cut short or damaged, so save or fetch it again"


def png(pixels: NDArray[np.uint8], suffix: str) -> bytes:
    """(H, W, 3) RGB -> the bytes of a PNG."""
    from PIL import Image

    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "PNG")
    return made.getvalue()
