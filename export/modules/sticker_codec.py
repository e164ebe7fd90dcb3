"""The picture codec of omni-tiny in PyTorch: 8 x 8 pixels become one code of four digits, and codes become pixels.

The encoder sees each square of pixels alone, so the same drawing on the same ground has the same codes wherever it is, and a
model of codes has the least to learn. The decoder sees a code's neighbors. Digits are a finite scalar quantization (Mentzer et
al. 2023, arXiv 2309.15505).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS, DIGITS = 8, 4
CODES = LEVELS**DIGITS
PATCH = 8  # pixels of a code's side
SPREAD = 1.001  # the outermost levels are reached by finite numbers


@dataclass(frozen=True)
class StickerCodecConfig:
    read_width: int = 320
    read_blocks: int = 2
    write_width: int = 256
    write_blocks: int = 5


class StickerCodec(nn.Module):
    def __init__(self, config: StickerCodecConfig = StickerCodecConfig()) -> None:
        super().__init__()
        self.config = config
        wide, width = config.read_width, config.write_width
        self.read_in = nn.Linear(3 * PATCH**2, wide)
        self.read_blocks = nn.ModuleList(Block(wide, 0) for _ in range(config.read_blocks))
        self.read_out = nn.Linear(wide, DIGITS)
        self.write_in = nn.Linear(5 * DIGITS, width)
        self.write_blocks = nn.ModuleList(Block(width, 3) for _ in range(config.write_blocks))
        self.write_norm = nn.LayerNorm(width)
        self.write_out = nn.Linear(width, 3 * PATCH**2)

    def levels(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in -1 to 1 -> (B, H / PATCH, W / PATCH, DIGITS), before rounding, in 0 to LEVELS - 1."""
        rows = self.read_in(patches(pixels))
        for block in self.read_blocks:
            rows = block(rows)
        half = (LEVELS - 1) / 2
        return half + (half * SPREAD * torch.tanh(self.read_out(rows).float())).clamp(-half, half)

    def pixels(self, levels: Tensor) -> Tensor:
        """Whole levels (B, rows, columns, DIGITS) -> (B, 3, H, W) in -1 to 1, and a little beyond."""
        value = levels.float() * (2 / (LEVELS - 1)) - 1
        waves = torch.cat([value, *(wave(torch.pi * k * value) for k in (1, 2) for wave in (torch.sin, torch.cos))], -1)
        rows = self.write_in(waves)
        for block in self.write_blocks:
            rows = block(rows)
        return whole(self.write_out(self.write_norm(rows)).float())

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels to pixels through whole levels; the gradient passes the rounding by."""
        levels = self.levels(pixels)
        return self.pixels(levels + (levels.round() - levels).detach())


class Block(nn.Module):
    """A residual block over (B, rows, columns, width): a look at the neighbors, if `reach` is not 0, and two linear layers."""

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(width, width, reach, padding=reach // 2, groups=width) if reach else None
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        seen = x if self.near is None else x + self.near(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return seen + self.down(F.gelu(self.up(self.norm(seen))))


def patches(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, H / PATCH, W / PATCH, 3 * PATCH * PATCH)."""
    size, _, height, width = pixels.shape
    cut = pixels.reshape(size, 3, height // PATCH, PATCH, width // PATCH, PATCH)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(3)


def whole(cut: Tensor) -> Tensor:
    """The picture of its patches."""
    size, rows, columns, _ = cut.shape
    parts = cut.reshape(size, rows, columns, 3, PATCH, PATCH)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(size, 3, rows * PATCH, columns * PATCH)


def codes_of(levels: Tensor) -> Tensor:
    """(..., DIGITS) whole levels -> (...) codes: the first digit counts most."""
    weights = torch.tensor([LEVELS**i for i in reversed(range(DIGITS))], device=levels.device)
    return (levels.round().long() * weights).sum(-1)


def digits_of(codes: Tensor) -> Tensor:
    """(...) codes -> (..., DIGITS) int64."""
    return torch.stack([codes // LEVELS**i % LEVELS for i in reversed(range(DIGITS))], -1)


class Encode(nn.Module):
    """The graph `image_encoder`."""

    def __init__(self, codec: StickerCodec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, pixels: Tensor) -> Tensor:
        """(1, 3, H, W) -> codes (rows, columns)."""
        return codes_of(self.codec.levels(pixels))[0]


class Decode(nn.Module):
    """The graph `image_decoder`."""

    def __init__(self, codec: StickerCodec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (rows, columns) -> (1, 3, H, W)."""
        return self.codec.pixels(digits_of(codes)[None])
