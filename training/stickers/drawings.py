"""The drawings of the things: one sheet of 32 x 32 pixels each, and a command that makes it anew from the package they are from.

npm pack emoji-datasource-google@16.0.0
python -m unmask.training.stickers.drawings --package emoji-datasource-google-16.0.0.tgz --out training/stickers/stickers.png
"""

import colorsys
import hashlib
import io
import json
import tarfile
from functools import cache
from pathlib import Path

import cyclopts
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unmask.training.stickers.things import BY_NAME, COLORS, SIZES, THINGS

SHEET = Path(__file__).with_name("stickers.png")
SHA256 = "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438"  # of the package
LARGEST = SIZES["big"]
ACROSS = 10  # drawings in a row of the sheet
LEAST_SATURATION = 0.25  # of a pixel that takes another color
Sticker = NDArray[np.float32]
"""(size, size, 4): red, green, blue and opacity, in 0 to 1. Colors are not multiplied by opacity."""


def main(package: Path, out: Path = SHEET) -> None:
    """Make the sheet. Raises SystemExit when the package is not the one that the sheet is made from."""
    data = package.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != SHA256:
        raise SystemExit(f"{package}: its SHA-256 is {found}, not {SHA256}; fetch emoji-datasource-google@16.0.0")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {row["short_name"]: row["image"] for row in json.load(_member(tar, "package/emoji.json"))}
        drawings = [Image.open(_member(tar, f"package/img/google/64/{files[thing.source]}")) for thing in THINGS]
    sheet = Image.new("RGBA", (LARGEST * ACROSS, LARGEST * -(-len(THINGS) // ACROSS)))
    for i, drawing in enumerate(drawings):
        row, column = divmod(i, ACROSS)
        sheet.paste(_fitted(drawing.convert("RGBA")), (LARGEST * column, LARGEST * row))
    sheet.save(out, optimize=True)


def _member(tar: tarfile.TarFile, name: str) -> io.BytesIO:
    member = tar.extractfile(name)
    if member is None:
        raise ValueError(f"{name} is not a file")
    return io.BytesIO(member.read())


def _fitted(drawing: Image.Image) -> Image.Image:
    """The drawing without its empty margin, as large as it goes into a square with one empty pixel around."""
    cut = drawing.crop(drawing.getchannel("A").getbbox())
    scale = (LARGEST - 2) / max(cut.size)
    small = cut.convert("RGBa").resize([max(1, round(scale * side)) for side in cut.size], Image.Resampling.LANCZOS)
    whole = Image.new("RGBA", (LARGEST, LARGEST))
    whole.paste(small.convert("RGBA"), ((LARGEST - small.width) // 2, (LARGEST - small.height) // 2))
    return whole


@cache
def sticker(thing: str, color: str, size: str) -> Sticker:
    """The drawing of a thing. color: one of COLORS for a thing that comes in them, else empty."""
    row, column = divmod(THINGS.index(BY_NAME[thing]), ACROSS)
    left, top = LARGEST * column, LARGEST * row
    drawing = _sheet().crop((left, top, left + LARGEST, top + LARGEST))
    if color:
        drawing = _dyed(drawing, COLORS[color])
    if SIZES[size] != LARGEST:
        drawing = drawing.convert("RGBa").resize((SIZES[size], SIZES[size]), Image.Resampling.BOX).convert("RGBA")
    return np.asarray(drawing, np.float32) / np.float32(255)


@cache
def _sheet() -> Image.Image:
    return Image.open(SHEET).convert("RGBA")


def _dyed(drawing: Image.Image, hue: int) -> Image.Image:
    """Every colored pixel in one hue; what is black, gray or white stays. The pixels of a thing are as bright as each other."""
    pixels = np.asarray(drawing, np.float32) / 255
    flat = pixels.reshape(-1, 4).copy()
    for pixel in flat:
        _, saturation, value = colorsys.rgb_to_hsv(*pixel[:3])
        if saturation >= LEAST_SATURATION:
            pixel[:3] = colorsys.hsv_to_rgb(hue / 360, max(saturation, 0.75), value)
    return Image.fromarray(np.round(255 * flat).astype(np.uint8).reshape(pixels.shape), "RGBA")


if __name__ == "__main__":
    cyclopts.run(main)
