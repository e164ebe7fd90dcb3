"""GLM-4-Voice's flow encoder: codes of speech to the mean of the flow, one column for each frame of the mel spectrogram.

Attributes are named as the published tensors are, so that a state dict loads as it is. Knows no file and no exporter.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.export.modules.voice.sizes import FlowSizes

LONGEST_PERIOD = 10_000.0  # of the sines that encode distances, as in Transformer-XL


class RelativeAttention(nn.Module):
    """Self-attention with a learned term for the distance of two positions (Dai et al. 2019, section 3.3)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(width, width) for _ in range(4))
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(heads, self.head_width))
        self.pos_bias_v = nn.Parameter(torch.zeros(heads, self.head_width))

    def _split(self, x: Tensor) -> Tensor:  # (N, d) -> (H, N, d / H)
        return x.unflatten(-1, (self.heads, self.head_width)).transpose(0, 1)

    def forward(self, x: Tensor, distances: Tensor, bias: Tensor) -> Tensor:
        """x (N, d); distances (2 N - 1, d), from N - 1 down to 1 - N; bias (N, N), added to the scores -> (N, d)."""
        query = self.linear_q(x).unflatten(-1, (self.heads, self.head_width))
        key, value = self._split(self.linear_k(x)), self._split(self.linear_v(x))
        content = (query + self.pos_bias_u).transpose(0, 1) @ key.transpose(1, 2)
        place = (query + self.pos_bias_v).transpose(0, 1) @ self._split(self.linear_pos(distances)).transpose(1, 2)
        scores = (content + by_key(place)) / math.sqrt(self.head_width) + bias
        return self.linear_out((scores.softmax(-1) @ value).transpose(0, 1).flatten(1))


def by_key(scores: Tensor) -> Tensor:
    """(H, N, 2 N - 1), column c of row i for the distance N - 1 - c -> (H, N, N), column j of row i for the distance i - j.

    That is column N - 1 - i + j. With one column of padding before them, all rows laid end to end have it N places further on
    in each row, so that a cut into rows of another length lines them up.
    """
    heads, rows, columns = scores.shape
    padded = F.pad(scores, (1, 0)).reshape(heads, columns + 1, rows)
    return padded[:, 1:].reshape(heads, rows, columns)[..., :rows]


class FeedForward(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_2(F.silu(self.w_1(x)))


class Layer(nn.Module):
    """One pre-norm layer."""

    def __init__(self, sizes: FlowSizes) -> None:
        super().__init__()
        self.self_attn = RelativeAttention(sizes.width, sizes.heads)
        self.feed_forward = FeedForward(sizes.width, sizes.ffn)
        self.norm_mha, self.norm_ff = nn.LayerNorm(sizes.width), nn.LayerNorm(sizes.width)

    def forward(self, x: Tensor, distances: Tensor, bias: Tensor) -> Tensor:
        x = x + self.self_attn(self.norm_mha(x), distances, bias)
        return x + self.feed_forward(self.norm_ff(x))


class Embed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(x) * math.sqrt(x.shape[-1])


class Encoder(nn.Module):
    """Rows of codes (N, d) -> (N, d)."""

    def __init__(self, sizes: FlowSizes) -> None:
        super().__init__()
        self.block = sizes.block
        self.embed = Embed(sizes.width)
        self.encoders = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.after_norm = nn.LayerNorm(sizes.width)

    def forward(self, x: Tensor) -> Tensor:
        count, width = x.shape
        distances, bias = distance_rows(count, width, x), block_bias(count, self.block, x)
        x = self.embed(x)
        for layer in self.encoders:
            x = layer(x, distances, bias)
        return self.after_norm(x)


def distance_rows(count: int, width: int, like: Tensor) -> Tensor:
    """(2 count - 1, width): sines at even and cosines at odd columns, of the distances from count - 1 down to 1 - count."""
    distances = torch.arange(count - 1, -count, -1, device=like.device, dtype=like.dtype)
    octaves = torch.arange(0, width, 2, device=like.device, dtype=like.dtype)
    angles = distances[:, None] * torch.exp(octaves * (-math.log(LONGEST_PERIOD) / width))
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def block_bias(count: int, block: int, like: Tensor) -> Tensor:
    """(count, count): 0 where the row's code sees the column's, which is up to the end of its own block, and else -1e9."""
    places = torch.arange(count, device=like.device)
    last = (torch.div(places, block, rounding_mode="floor") + 1) * block
    return torch.where(places[None] < last[:, None], 0.0, -1e9).to(like.dtype)


class LengthRegulator(nn.Module):
    """Smooths the frames (mels, M), among which each code is repeated."""

    CONVOLUTIONS = 4

    def __init__(self, mels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(self.CONVOLUTIONS):
            layers += [nn.Conv1d(mels, mels, 3, padding=1), nn.GroupNorm(1, mels), nn.Mish()]
        self.model = nn.Sequential(*layers, nn.Conv1d(mels, mels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x[None])[0]


class FlowEncoder(nn.Module):
    """Codes to the mean of the flow, and the speaker that goes with it."""

    def __init__(self, sizes: FlowSizes) -> None:
        super().__init__()
        self.input_embedding = nn.Embedding(sizes.codes, sizes.width)
        self.spk_embed_affine_layer = nn.Linear(sizes.speaker, sizes.mels)
        self.encoder = Encoder(sizes)
        self.encoder_proj = nn.Linear(sizes.width, sizes.mels)
        self.length_regulator = LengthRegulator(sizes.mels)

    def forward(self, codes: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """codes (N,) and places (M,), which of them each frame says -> mean (mels, M) and speaker (mels, M).

        A vector of zeros stands for the published speaker, so that only the layer's bias is left of it. Every frame has the same.
        """
        rows = self.encoder_proj(self.encoder(self.input_embedding(codes)))
        speaker = self.spk_embed_affine_layer.bias[:, None].expand(-1, places.shape[0])
        return self.length_regulator(rows[places].T), speaker
