"""GLM-4-Voice's estimator: the velocity of a mel spectrogram on its way from noise to speech (the U-Net of Matcha-TTS).

Attributes are named as the published tensors are. Knows no schedule, no guidance and no exporter.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.export.modules.voice.sizes import FlowSizes

GROUPS = 8
TIME_SCALE = 1000.0
LONGEST_PERIOD = 10_000.0


class Block(nn.Module):
    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv1d(given, made, 3, padding=1), nn.GroupNorm(GROUPS, made), nn.Mish())

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class ResidualBlock(nn.Module):
    """Two convolutions, with the time added between them."""

    def __init__(self, given: int, made: int, time: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Mish(), nn.Linear(time, made))
        self.block1, self.block2 = Block(given, made), Block(made, made)
        self.res_conv = nn.Conv1d(given, made, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.block2(self.block1(x) + self.mlp(time)[..., None]) + self.res_conv(x)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads, inner = heads, heads * head_width
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, inner, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(inner, width)])

    def _split(self, x: Tensor) -> Tensor:  # (B, M, d) -> (B, H, M, d / H)
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (self._split(layer(x)) for layer in (self.to_q, self.to_k, self.to_v))
        return self.to_out[0](F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Activated(nn.Module):
    """A linear layer and a GELU."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.proj = nn.Linear(given, made)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.proj(x))


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        # The published list has its dropout at place 1.
        self.net = nn.ModuleList([Activated(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


class Transformer(nn.Module):
    """One pre-norm layer, every frame with every other."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.norm1, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn1 = Attention(width, heads, head_width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        return x + self.ff(self.norm3(x))


class Resampled(nn.Module):
    """Half or twice the frame rate."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class TimeEmbedding(nn.Module):
    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(given, made), nn.Linear(made, made)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))


class Estimator(nn.Module):
    def __init__(self, sizes: FlowSizes) -> None:
        super().__init__()
        (outer, inner), mels = sizes.channels, sizes.mels
        self.sines, time = 4 * mels, 4 * outer
        self.time_mlp = TimeEmbedding(self.sines, time)

        def stage(given: int, made: int, *rate: nn.Module) -> nn.ModuleList:
            layers = (Transformer(made, sizes.estimator_heads, sizes.head_width) for _ in range(sizes.transformers))
            return nn.ModuleList([ResidualBlock(given, made, time), nn.ModuleList(layers), *rate])

        self.down_blocks = nn.ModuleList(
            [
                stage(4 * mels, outer, Resampled(nn.Conv1d(outer, outer, 3, stride=2, padding=1))),
                stage(outer, inner, nn.Conv1d(inner, inner, 3, padding=1)),
            ]
        )
        self.mid_blocks = nn.ModuleList(stage(inner, inner) for _ in range(sizes.middle))
        self.up_blocks = nn.ModuleList(
            [
                stage(2 * inner, outer, Resampled(nn.ConvTranspose1d(outer, outer, 4, stride=2, padding=1))),
                stage(2 * outer, outer, nn.Conv1d(outer, outer, 3, padding=1)),
            ]
        )
        self.final_block = Block(outer, outer)
        self.final_proj = nn.Conv1d(outer, mels, 1)

    def forward(self, mel: Tensor, mean: Tensor, speaker: Tensor, known: Tensor, time: Tensor) -> Tensor:
        """mel, mean, speaker and known (B, mels, M), time (1,) between 0 and 1 -> velocity (B, mels, M).

        known: the frames that are made already, 0 where there are none. Without guidance B is 1; for the velocity without the
        codes, mean, speaker and known are 0.
        """
        when = self.time_mlp(self._sines(time))
        x = torch.cat([mel, mean, speaker, known], 1)
        x, skipped = self._run(self.down_blocks[0], x, when)
        x, deeper = self._run(self.down_blocks[1], x, when)
        for stage in self.mid_blocks:
            x = self._attend(stage, x, when)
        x, _ = self._run(self.up_blocks[0], torch.cat([x, deeper], 1), when)
        x, _ = self._run(self.up_blocks[1], torch.cat([x[..., : mel.shape[-1]], skipped], 1), when)
        return self.final_proj(self.final_block(x))

    def _sines(self, time: Tensor) -> Tensor:
        half = self.sines // 2
        octaves = torch.arange(half, dtype=time.dtype, device=time.device)
        angles = TIME_SCALE * time[:, None] * torch.exp(octaves * (-math.log(LONGEST_PERIOD) / (half - 1)))
        return torch.cat([angles.sin(), angles.cos()], -1)

    def _run(self, stage: nn.Module, x: Tensor, when: Tensor) -> tuple[Tensor, Tensor]:
        """What the stage passes on, at the frame rate that follows, and what it is before that."""
        x = self._attend(stage, x, when)
        return stage[2](x), x

    @staticmethod
    def _attend(stage: nn.Module, x: Tensor, when: Tensor) -> Tensor:
        rows = stage[0](x, when).transpose(1, 2)
        for layer in stage[1]:
            rows = layer(rows)
        return rows.transpose(1, 2)
