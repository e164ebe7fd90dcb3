"""MAGVIT-v2 for pictures in PyTorch: an encoder to 13 bits for each 16 by 16 pixels, and a decoder of these bits.

Names and shapes of the parameters are those of showlab/Show-o's MAGViTv2, so that its checkpoints load as they are. A code is the
signs of its bits (Yu et al. 2023, arXiv 2310.05737); the layers are VQGAN's (Esser et al. 2021, arXiv 2012.09841). Knows no file
and no picture format.
"""

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS, EPS = 32, 1e-6  # of every norm


@dataclass(frozen=True)
class MagvitConfig:
    """Sizes of one model. Levels are those of its names: 0 is the largest picture."""

    encoder: tuple[tuple[int, int], ...] = ((128, 4), (256, 3), (256, 4), (512, 3), (512, 4))
    """(channels, residual blocks) of each level."""
    decoder: tuple[tuple[int, int], ...] = ((128, 4), (128, 4), (256, 3), (256, 4), (512, 3))
    stem: int = 128
    """Channels before the encoder's first level."""
    bits: int = 13

    @property
    def scale(self) -> int:
        """Pixels of a code's side."""
        return int(2 ** (len(self.encoder) - 1))


class Magvit(nn.Module):
    """Both directions. `Encode` and `Decode` are its graphs."""

    def __init__(self, config: MagvitConfig = MagvitConfig()) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)


class Encode(nn.Module):
    """pixels (1, 3, H, W), from -1 to 1 -> codes (H / 16, W / 16) int64. Channel 0 is the highest bit; 0 is no 1."""

    def __init__(self, model: Magvit) -> None:
        super().__init__()
        self.encoder, self.bits = model.encoder, model.config.bits

    def forward(self, pixels: Tensor) -> Tensor:
        values = 2 ** torch.arange(self.bits - 1, -1, -1)
        return ((self.encoder(pixels)[0] > 0).long() * values[:, None, None]).sum(0)


class Decode(nn.Module):
    """codes (h, w) int64 -> pixels (1, 3, 16 h, 16 w), about from -1 to 1. A bit is 1 or -1."""

    def __init__(self, model: Magvit) -> None:
        super().__init__()
        self.decoder, self.bits = model.decoder, model.config.bits

    def forward(self, codes: Tensor) -> Tensor:
        values = 2 ** torch.arange(self.bits - 1, -1, -1)
        bits = torch.div(codes, values[:, None, None], rounding_mode="floor") % 2
        return self.decoder((2 * bits - 1).to(torch.float32)[None])


class Encoder(nn.Module):
    def __init__(self, config: MagvitConfig) -> None:
        super().__init__()
        self.conv_in = _conv3(3, config.stem)
        before = [config.stem, *(channels for channels, _ in config.encoder[:-1])]
        self.down = nn.ModuleList(
            Level(start, channels, blocks, "downsample" if level < len(config.encoder) - 1 else None)
            for level, (start, (channels, blocks)) in enumerate(zip(before, config.encoder, strict=True))
        )
        width = config.encoder[-1][0]
        self.mid = Middle(width)
        self.norm_out, self.conv_out = _norm(width), _conv3(width, config.bits)
        self.quant_conv = nn.Conv2d(config.bits, config.bits, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.quant_conv(self.conv_out(F.silu(self.norm_out(self.mid(x)))))


class Decoder(nn.Module):
    def __init__(self, config: MagvitConfig) -> None:
        super().__init__()
        width = config.decoder[-1][0]
        self.post_quant_conv = nn.Conv2d(config.bits, config.bits, 1)
        self.conv_in, self.mid = _conv3(config.bits, width), Middle(width)
        before = [*(channels for channels, _ in config.decoder[1:]), width]
        self.up = nn.ModuleList(
            Level(start, channels, blocks, "upsample" if level else None)
            for level, (start, (channels, blocks)) in enumerate(zip(before, config.decoder, strict=True))
        )
        self.norm_out, self.conv_out = _norm(config.decoder[0][0]), _conv3(config.decoder[0][0], 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(self.post_quant_conv(x)))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Level(nn.Module):
    """Residual blocks at one size of the picture, and the change to the next size."""

    def __init__(self, start: int, channels: int, blocks: int, change: str | None) -> None:
        super().__init__()
        sizes = itertools.pairwise([start, *[channels] * blocks])
        self.block = nn.ModuleList(ResBlock(*pair) for pair in sizes)
        self.change = change
        if change:
            self.add_module(change, Halve(channels) if change == "downsample" else Double(channels))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        return self.get_submodule(self.change)(x) if self.change else x


class ResBlock(nn.Module):
    def __init__(self, start: int, channels: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(start), _conv3(start, channels)
        self.norm2, self.conv2 = _norm(channels), _conv3(channels, channels)
        if start != channels:
            self.nin_shortcut = nn.Conv2d(start, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        made = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return made + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class Middle(nn.Module):
    """The blocks at the size of the codes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block_1, self.attn_1, self.block_2 = ResBlock(channels, channels), Attention(channels), ResBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class Attention(nn.Module):
    """Every place of (1, C, h, w) attends to every other; one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        q, k, v = (part(normed).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
        mixed = torch.softmax(q @ k.transpose(1, 2) * x.shape[1] ** -0.5, -1) @ v
        return x + self.proj_out(mixed.transpose(1, 2).reshape(x.shape))


class Halve(nn.Module):
    """Half the picture: zeros below and to the right only, then every second place of a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Double(nn.Module):
    """Twice the picture: every pixel four times, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = _conv3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, channels, EPS)


def _conv3(start: int, channels: int) -> nn.Conv2d:
    return nn.Conv2d(start, channels, 3, padding=1)
