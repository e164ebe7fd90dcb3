"""SenseVoiceSmall's encoder in PyTorch, and the projector that makes rows of a canvas of its states.

The shapes and names of parameters are those of FunASR's `SenseVoiceSmall` and of Omni-Diffusion's projector, so that their
checkpoints load as they are (SenseVoice: An et al. 2024, arXiv 2407.04051; attention with a memory: Gao et al. 2020, arXiv
2006.01713).
Activations are 2-D, so that every linear layer becomes Gemm(transB=1) and weights keep their own layout byte for byte.
Knows no file, no sound and no positions: these are inputs.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ASKED = (0, 1, 2, 15)
"""Rows of the query embedding that are read before the sound: any language, event and emotion, a text without punctuation. The
released code of Omni-Diffusion asks for nothing else."""
QUERIES = 16


@dataclass(frozen=True)
class SenseVoiceConfig:
    """Sizes of the encoder and of the projector after it; by default those of SenseVoiceSmall in Omni-Diffusion."""

    rows: int = 3584
    """Width of the canvas's rows."""
    features: int = 560
    width: int = 512
    heads: int = 4
    feed_forward: int = 2048
    layers: int = 50
    """With the first, which has another width."""
    later_layers: int = 20
    memory: int = 11
    """Rows that a memory covers, odd."""


class SelfAttention(nn.Module):
    """Attention, and beside it a memory: a convolution over the values of near rows."""

    def __init__(self, config: SenseVoiceConfig, inputs: int) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.linear_q_k_v, self.linear_out = nn.Linear(inputs, 3 * width), nn.Linear(width, width)
        self.fsmn_block = nn.Conv1d(width, width, config.memory, padding=config.memory // 2, groups=width, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (N, inputs) -> (N, d)
        q, k, v = self.linear_q_k_v(x).chunk(3, -1)
        memory = self.fsmn_block(v.T[None])[0].T + v
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(0, 1)[None] for part in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v)[0]
        return self.linear_out(mixed.transpose(0, 1).flatten(1)) + memory


class FeedForward(nn.Module):
    def __init__(self, config: SenseVoiceConfig) -> None:
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(config.width, config.feed_forward), nn.Linear(config.feed_forward, config.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_2(F.relu(self.w_1(x)))


class Layer(nn.Module):
    """inputs: width of its rows; without a residual around its attention where that is not the model's."""

    def __init__(self, config: SenseVoiceConfig, inputs: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(inputs), nn.LayerNorm(config.width)
        self.self_attn, self.feed_forward = SelfAttention(config, inputs), FeedForward(config)
        self.residual = inputs == config.width

    def forward(self, x: Tensor) -> Tensor:
        heard = self.self_attn(self.norm1(x))
        x = x + heard if self.residual else heard
        return x + self.feed_forward(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self, config: SenseVoiceConfig) -> None:
        super().__init__()
        width = config.width
        self.encoders0 = nn.ModuleList([Layer(config, config.features)])
        self.encoders = nn.ModuleList(Layer(config, width) for _ in range(config.layers - 1))
        self.tp_encoders = nn.ModuleList(Layer(config, width) for _ in range(config.later_layers))
        self.after_norm, self.tp_norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:  # (N, features), positions added -> (N, d)
        for layer in (*self.encoders0, *self.encoders):
            x = layer(x)
        x = self.after_norm(x)
        for layer in self.tp_encoders:
            x = layer(x)
        return self.tp_norm(x)


class SenseVoice(nn.Module):
    """Normalized features (T, features), positions (T + 4, features) -> states (T + 4, d); the first four are of the queries."""

    def __init__(self, config: SenseVoiceConfig) -> None:
        super().__init__()
        self.scale = math.sqrt(config.width)
        self.embed = nn.Embedding(QUERIES, config.features)
        self.encoder = Encoder(config)

    def forward(self, features: Tensor, positions: Tensor) -> Tensor:
        asked = torch.cat([self.embed.weight[i : i + 1] for i in ASKED])
        return self.encoder(torch.cat([asked, features]) * self.scale + positions)


class Projector(nn.Module):
    """States (N, d) -> rows of the canvas (N, rows)."""

    def __init__(self, config: SenseVoiceConfig) -> None:
        super().__init__()
        self.pre_proj_layernorm = nn.LayerNorm(config.width)
        self.mlp = nn.Sequential(
            nn.Linear(config.width, config.rows, bias=False), nn.GELU(), nn.Linear(config.rows, config.rows, bias=False)
        )

    def forward(self, states: Tensor) -> Tensor:
        return self.mlp(self.pre_proj_layernorm(states))


class SpeechEncoder(nn.Module):
    """What is exported: stacked log-mel frames -> rows of the canvas."""

    def __init__(self, config: SenseVoiceConfig) -> None:
        super().__init__()
        self.model, self.projector = SenseVoice(config), Projector(config)
        self.shift, self.scale = (nn.Parameter(torch.ones(config.features)) for _ in range(2))

    def forward(
        self,
        frames: Tensor,  # (T, features): stacked frames of the filterbank
        positions: Tensor,  # (T + 4, features): the table of positions
    ) -> Tensor:
        """(T + 4, rows). The mean is removed and the variance scaled by the constants of SenseVoice's am.mvn."""
        return self.projector(self.model((frames + self.shift) * self.scale, positions))
