"""Codes of several streams to samples: folded tables, then DAC's decoder as Higgs Audio changes it.

Lengths are exact: each block makes its input longer by its stride, and nothing limits the samples at the end. What is computed
from weights alone comes in as a parameter, so that a graph that is traced without weights is right.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class DecoderSizes:
    streams: int
    codes: int
    width: int  # of the tables
    channels: tuple[int, ...]  # before the first block, and after each
    strides: tuple[int, ...]


class Snake(nn.Module):
    """x + sin^2(a x) / (a + 1e-9) for each channel. share: 1 / (a + 1e-9)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha, self.share = (nn.Parameter(torch.ones(1, channels, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        wave = torch.sin(self.alpha * x)
        return x + self.share * (wave * wave)


class ResidualUnit(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.snake1, self.snake2 = Snake(channels), Snake(channels)
        self.conv1 = nn.Conv1d(channels, channels, 7, dilation=dilation, padding=3 * dilation)
        self.conv2 = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.snake2(self.conv1(self.snake1(x))))


class DecoderBlock(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.snake1 = Snake(before)
        padding = -(-stride // 2)
        self.conv_t1 = nn.ConvTranspose1d(before, after, 2 * stride, stride, padding, output_padding=stride % 2)
        self.res_unit1, self.res_unit2, self.res_unit3 = (ResidualUnit(after, dilation) for dilation in (1, 3, 9))

    def forward(self, x: Tensor) -> Tensor:
        return self.res_unit3(self.res_unit2(self.res_unit1(self.conv_t1(self.snake1(x)))))


class FramesDecoder(nn.Module):
    def __init__(self, sizes: DecoderSizes) -> None:
        super().__init__()
        self.sizes, channels = sizes, sizes.channels
        self.table = nn.Parameter(torch.empty(sizes.streams * sizes.codes, sizes.width))
        self.table_bias = nn.Parameter(torch.empty(1, sizes.width))
        self.conv1 = nn.Conv1d(sizes.width, channels[0], 7, padding=3)
        self.block = nn.ModuleList(
            DecoderBlock(a, b, s) for a, b, s in zip(channels[:-1], channels[1:], sizes.strides, strict=True)
        )
        self.snake1 = Snake(channels[-1])
        self.conv2 = nn.Conv1d(channels[-1], 1, 7, padding=3)

    def forward(self, codes: Tensor) -> Tensor:
        """codes (T, streams) int64 -> samples (T * product of strides,)."""
        places = codes + self.sizes.codes * torch.arange(self.sizes.streams, device=codes.device)
        rows = F.embedding(places, self.table).sum(1) + self.table_bias
        x = self.conv1(rows.T[None])
        for block in self.block:
            x = block(x)
        return self.conv2(self.snake1(x))[0, 0]
