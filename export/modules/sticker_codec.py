"""The picture codec of omni-tiny in PyTorch: each square of 8 x 8 pixels is the nearest of 5,120, whose number is its code. The
first 4,096 are of colored pictures, the others of sketches.

A square is coded without its neighbors, so the same drawing on the same ground has the same codes wherever it is, and a model of
codes has the least to learn.
"""

from torch import Tensor, nn

COLORED, LINED = 4096, 1024
CODES = COLORED + LINED
PATCH = 8  # pixels of a code's side
NUMBERS = 3 * PATCH**2


class StickerCodec(nn.Module):
    def __init__(self, squares: Tensor) -> None:
        """squares: (CODES, NUMBERS) uint8, as `patches` lays them out."""
        super().__init__()
        self.register_buffer("stored", squares.byte())

    @property
    def squares(self) -> Tensor:
        """(CODES, NUMBERS) in -1 to 1."""
        return unit(self.stored)

    def codes(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in -1 to 1 -> (B, H / PATCH, W / PATCH) int64."""
        squares = self.squares
        return ((squares**2).sum(1) - 2 * patches(pixels) @ squares.T).argmin(-1)

    def pixels(self, codes: Tensor) -> Tensor:
        """(B, rows, columns) -> (B, 3, H, W) in -1 to 1."""
        return whole(unit(self.stored[codes]))


def unit(stored: Tensor) -> Tensor:
    """Bytes of colors -> -1 to 1. Graphs keep the bytes, a quarter of the numbers' size."""
    return stored.float() / 127.5 - 1


def patches(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, H / PATCH, W / PATCH, NUMBERS)."""
    size, _, height, width = pixels.shape
    cut = pixels.reshape(size, 3, height // PATCH, PATCH, width // PATCH, PATCH)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3)


def whole(cut: Tensor) -> Tensor:
    """The picture of its patches."""
    size, rows, columns, _ = cut.shape
    parts = cut.reshape(size, rows, columns, 3, PATCH, PATCH)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(size, 3, rows * PATCH, columns * PATCH)


class Encode(nn.Module):
    """The graph `image_encoder`."""

    def __init__(self, codec: StickerCodec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, pixels: Tensor) -> Tensor:
        """(1, 3, H, W) -> codes (rows, columns)."""
        return self.codec.codes(pixels)[0]


class Decode(nn.Module):
    """The graph `image_decoder`."""

    def __init__(self, codec: StickerCodec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (rows, columns) -> (1, 3, H, W)."""
        return self.codec.pixels(codes[None])
