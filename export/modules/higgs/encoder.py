"""Samples to codes of several streams: DAC's encoder and HuBERT's states side by side, then nearest entries of what is left.

What is computed from weights alone comes in as a parameter, as in the decoder.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.export.modules.higgs.decoder import ResidualUnit, Snake
from unmask.export.modules.higgs.hubert import Hubert, HubertSizes


@dataclass(frozen=True)
class EncoderSizes:
    hubert: HubertSizes
    every: int  # states of HuBERT from one frame to the next
    semantic_blocks: int
    channels: tuple[int, ...]  # of the acoustic encoder, before the first block, and after each
    strides: tuple[int, ...]
    acoustic_width: int
    streams: int
    codes: int
    code_width: int


class AcousticBlock(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.res_unit1, self.res_unit2, self.res_unit3 = (ResidualUnit(before, dilation) for dilation in (1, 3, 9))
        self.snake1 = Snake(before)
        self.conv1 = nn.Conv1d(before, after, 2 * stride, stride, padding=-(-stride // 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1(self.snake1(self.res_unit3(self.res_unit2(self.res_unit1(x)))))


class AcousticEncoder(nn.Module):
    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        channels = sizes.channels
        self.conv1 = nn.Conv1d(1, channels[0], 7, padding=3)
        self.block = nn.ModuleList(
            AcousticBlock(a, b, s) for a, b, s in zip(channels[:-1], channels[1:], sizes.strides, strict=True)
        )
        self.snake1 = Snake(channels[-1])
        self.conv2 = nn.Conv1d(channels[-1], sizes.acoustic_width, 3, padding=1)

    def forward(self, samples: Tensor) -> Tensor:
        x = self.conv1(samples)
        for block in self.block:
            x = block(x)
        return self.conv2(self.snake1(x))


class SemanticUnit(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv1d(width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.elu(self.conv1(F.elu(x))))


class SemanticBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.res_units = nn.ModuleList(SemanticUnit(width) for _ in range(2))
        self.conv = nn.Conv1d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for unit in self.res_units:
            x = unit(x)
        return self.conv(x)


class SemanticEncoder(nn.Module):
    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.conv_blocks = nn.ModuleList(SemanticBlock(width) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        for block in self.conv_blocks:
            x = block(x)
        return x


class Quantizer(nn.Module):
    """One stream. norms: squared lengths of the entries."""

    def __init__(self, sizes: EncoderSizes, width: int, last: bool) -> None:
        super().__init__()
        self.last = last
        self.embed = nn.Parameter(torch.empty(sizes.codes, sizes.code_width))
        self.norms = nn.Parameter(torch.empty(1, sizes.codes))
        self.project_in = nn.Linear(width, sizes.code_width)
        if not last:  # what the last one leaves is read by none
            self.project_out = nn.Linear(sizes.code_width, width)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """rows (T, width) -> nearest entries (T,), and what they leave of the rows."""
        near = 2 * F.linear(self.project_in(rows), self.embed) - self.norms
        codes = near.argmax(-1)
        return codes, rows if self.last else rows - self.project_out(F.embedding(codes, self.embed))


class FramesEncoder(nn.Module):
    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.acoustic_width + sizes.hubert.width
        self.acoustic_encoder, self.semantic_model = AcousticEncoder(sizes), Hubert(sizes.hubert)
        self.encoder_semantic = SemanticEncoder(sizes.hubert.width, sizes.semantic_blocks)
        self.fc = nn.Linear(width, width)
        self.quantizers = nn.ModuleList(Quantizer(sizes, width, i == sizes.streams - 1) for i in range(sizes.streams))

    def forward(self, samples: Tensor, semantic: Tensor) -> Tensor:
        """samples (1, 1, N), N a multiple of the strides' product; semantic (1, M), the same sound at 16 kHz with its margins.

        Returns codes (T, streams) int64.
        """
        meaning = self.encoder_semantic(self.semantic_model(semantic)[:: self.sizes.every].T[None])
        sound = self.acoustic_encoder(samples)
        left = self.fc(torch.cat([sound, meaning], 1)[0].T)
        found = []
        for quantizer in self.quantizers:
            codes, left = quantizer(left)
            found.append(codes)
        return torch.stack(found, -1)
