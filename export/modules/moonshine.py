"""Moonshine in PyTorch: an encoder of raw samples and a causal decoder that attends to its states.

The shapes and names of parameters are those of transformers' `MoonshineForConditionalGeneration`, so that its checkpoints load
as they are (Jeffries et al. 2024, arXiv 2410.15608). Knows no file, no audio format and no tokenizer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLES_PER_STATE = 384  # at 16 kHz: 41.67 encoder states a second
FAINTEST = 1e-6  # a smaller peak counts as this, so that none is zero
START, END = 1, 2  # ids of the tokens before and after a text

KeysValues = tuple[Tensor, Tensor]  # each (B, N, d), or (B, H, N, d / H) once split into heads
Angles = tuple[Tensor, Tensor]  # cosines and sines, each (B, N, rotary / 2)


@dataclass(frozen=True)
class MoonshineConfig:
    """Sizes of one Moonshine model."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    feed_forward: int
    rotary: int
    """Dimensions of each head that are rotated by position; even."""
    alignment: tuple[tuple[int, int], ...] = ((0, 0),)
    """Layer and head of each cross-attention that looks where the next token is said."""
    vocabulary: int = 32_768
    rope_theta: float = 10_000.0


# On 60 recordings the places of these heads fall back by over 2 states between tokens in at most 1 of 100 cases, and no other
# head of the published models is as close to one place.
TINY = MoonshineConfig(288, 8, 6, 6, 1152, 32, ((3, 0), (3, 2), (3, 5), (4, 3)))
BASE = MoonshineConfig(416, 8, 8, 8, 1664, 32, ((3, 0), (3, 2), (3, 5), (4, 3)))


class Attention(nn.Module):
    """Multi-head attention whose queries and keys may be rotated by their positions."""

    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.heads, self.rotary = config.heads, config.rotary
        width = config.width
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))

    def split(self, x: Tensor) -> Tensor:  # (B, N, d) -> (B, H, N, d / H)
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def queries(self, x: Tensor, turn: Angles | None = None) -> Tensor:
        """(B, N, d) of rows x (B, N, d), rotated by `turn`, the result of `rotation`."""
        q = self.q_proj(x)
        return rotate(q, turn, self.heads) if turn else q

    def keys_values(self, x: Tensor, turn: Angles | None = None) -> KeysValues:
        """Keys, rotated by `turn`, and values, each (B, N, d), of rows x (B, N, d)."""
        k = self.k_proj(x)
        return (rotate(k, turn, self.heads) if turn else k), self.v_proj(x)

    def mix(self, q: Tensor, keys_values: KeysValues, allowed: Tensor | None = None) -> Tensor:
        """q (B, N, d) over keys and values (B, H, M, d / H) -> (B, N, d).

        allowed, bool or a number added to scores, broadcasts to (B, H, N, M).
        """
        mixed = F.scaled_dot_product_attention(self.split(q), *keys_values, attn_mask=allowed)
        return self.o_proj(mixed.transpose(1, 2).flatten(-2))


def rotation(positions: Tensor, config: MoonshineConfig) -> Angles:
    """Cosines and sines, each (B, N, rotary / 2), of rotary positions (B, N) (Su et al. 2021, arXiv 2104.09864)."""
    steps = torch.arange(0, config.rotary, 2, device=positions.device, dtype=torch.float32) / config.rotary
    angles = positions[:, :, None] * config.rope_theta**-steps
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turn: Angles, heads: int) -> Tensor:
    """Turn the leading pairs of neighbors of each head of x (B, N, d); the rest stays."""
    cos, sin = turn
    rotary = 2 * cos.shape[-1]
    return torch.onnx.ops.rotary_embedding(x, cos, sin, interleaved=True, num_heads=heads, rotary_embedding_dim=rotary)


class EncoderFeedForward(nn.Module):
    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.width, config.feed_forward)
        self.fc2 = nn.Linear(config.feed_forward, config.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class EncoderLayer(nn.Module):
    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = EncoderFeedForward(config)
        self.input_layernorm = nn.LayerNorm(config.width, bias=False)
        self.post_attention_layernorm = nn.LayerNorm(config.width, bias=False)

    def forward(self, x: Tensor, turn: Angles) -> Tensor:
        rows, own = self.input_layernorm(x), self.self_attn
        k, v = own.keys_values(rows, turn)
        x = x + own.mix(own.queries(rows, turn), (own.split(k), own.split(v)))
        return x + self.mlp(self.post_attention_layernorm(x))


class Encoder(nn.Module):
    """Samples (B, n) at 16 kHz in -1 to 1 -> states (B, S, d), S about n / 384. One recording a batch, or all of one length:
    the group norm's statistics are those of the whole recording."""

    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.conv1 = nn.Conv1d(1, width, 127, stride=64, bias=False)
        self.groupnorm = nn.GroupNorm(1, width)
        self.conv2 = nn.Conv1d(width, 2 * width, 7, stride=3)
        self.conv3 = nn.Conv1d(2 * width, width, 3, stride=2)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(width, bias=False)

    def forward(self, samples: Tensor) -> Tensor:
        x = self.normalize(torch.tanh(self.hear(samples)))
        x = F.gelu(convolve(F.gelu(convolve(x, self.conv2)), self.conv3))
        turn = rotation(torch.arange(x.shape[1], device=x.device)[None], self.config)
        for layer in self.layers:
            x = layer(x, turn)
        return self.layer_norm(x)

    def hear(self, samples: Tensor) -> Tensor:
        """`conv1`, (B, n) -> (B, T, d). Its reach is a sample short of two strides, so it is a product with pairs of strides."""
        (stride,), (size,) = self.conv1.stride, self.conv1.kernel_size
        short = 2 * stride - size
        samples = F.pad(samples, (0, short))
        strides = samples[:, : samples.shape[1] // stride * stride].unflatten(1, (-1, stride))
        return product(frames(strides, 2, 1), F.pad(self.conv1.weight[:, 0], (0, short)), peaks(strides, 2, 1))

    def normalize(self, x: Tensor) -> Tensor:
        """`groupnorm` of rows (B, T, d)."""
        norm = self.groupnorm
        return F.group_norm(x.flatten(1)[:, None], 1, eps=norm.eps).view_as(x) * norm.weight + norm.bias


def convolve(x: Tensor, conv: nn.Conv1d) -> Tensor:
    """A convolution without padding, of rows (B, N, d) -> (B, M, outputs), as one product with a matrix."""
    (size,), (stride,) = conv.kernel_size, conv.stride
    made = product(frames(x, size, stride), conv.weight.transpose(1, 2).flatten(1), peaks(x, size, stride))
    return made if conv.bias is None else made + conv.bias


def frames(x: Tensor, size: int, stride: int) -> Tensor:
    """Rows (B, N, d) -> (B, M, size * d): every `size` rows in a row, the first of each `stride` after the last one's."""
    count = (x.shape[1] - size) // stride + 1
    at = torch.arange(count, device=x.device)[:, None] * stride + torch.arange(size, device=x.device)
    return x.index_select(1, at.flatten()).unflatten(1, (-1, size)).flatten(-2)


def peaks(x: Tensor, size: int, stride: int) -> Tensor:
    """The largest amount in each of `frames`, (B, M, 1)."""
    return frames(x.abs().amax(-1, keepdim=True), size, stride).amax(-1, keepdim=True).clamp_min(FAINTEST)


def product(rows: Tensor, weight: Tensor, peak: Tensor) -> Tensor:
    """rows (B, M, k) times weight (outputs, k), by way of rows whose largest amount is 1.

    The way round changes nothing in floats. In integers, one scale for all rows would leave the quiet ones of a recording few
    codes: its loudest are 20 to 45 times its root mean square (docs/log.md).
    """
    return F.linear(rows / peak, weight) * peak


class DecoderFeedForward(nn.Module):
    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.width, 2 * config.feed_forward)
        self.fc2 = nn.Linear(config.feed_forward, config.width)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.fc1(x).chunk(2, -1)
        return self.fc2(F.silu(gate) * x)


class DecoderLayer(nn.Module):
    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.encoder_attn = Attention(config)
        self.mlp = DecoderFeedForward(config)
        self.input_layernorm = nn.LayerNorm(config.width, bias=False)
        self.post_attention_layernorm = nn.LayerNorm(config.width, bias=False)
        self.final_layernorm = nn.LayerNorm(config.width, bias=False)


@dataclass(frozen=True)
class Rows:
    """What a pass reads: N rows of a text."""

    embedded: Tensor
    """(B, N, d), as `Decoder.embed_tokens` gives them."""
    positions: Tensor
    """(B, N): place in the text."""
    allowed: Tensor
    """Broadcasts to (B, 1, N, P + N): which earlier rows and rows of this pass each row sees, as bool or as a number added to
    scores."""


class Decoder(nn.Module):
    """The decoder: rows of a text over the keys and values of the encoder's states."""

    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.width, bias=False)

    def cross(self, states: Tensor) -> list[KeysValues]:
        """Keys and values of the encoder's states (B, S, d) for each layer, (B, H, S, d / H), computed once a recording."""
        made = []
        for layer in self.layers:
            k, v = layer.encoder_attn.keys_values(states)
            made.append((layer.encoder_attn.split(k), layer.encoder_attn.split(v)))
        return made

    def forward(
        self,
        rows: Rows,
        cross: Sequence[KeysValues],
        heard: Tensor | None = None,
        past: Sequence[KeysValues] | None = None,
    ) -> tuple[Tensor, list[KeysValues], list[Tensor]]:
        """Hidden rows (B, N, d), the keys and values of past and new rows, and each layer's cross-attention queries.

        cross: of `cross`. heard: (B, 1, 1, S) bool, False where a batch is padded. past: keys and values, (B, P, d), of earlier
        rows.
        """
        x, turn, kept, asked = rows.embedded, rotation(rows.positions, self.config), [], []
        for i, layer in enumerate(self.layers):
            inner, own = layer.input_layernorm(x), layer.self_attn
            k, v = own.keys_values(inner, turn)
            if past is not None:
                k, v = torch.cat((past[i][0], k), 1), torch.cat((past[i][1], v), 1)
            kept.append((k, v))
            x = x + own.mix(own.queries(inner, turn), (own.split(k), own.split(v)), rows.allowed)
            q = layer.encoder_attn.queries(layer.post_attention_layernorm(x))
            asked.append(q)
            x = x + layer.encoder_attn.mix(q, cross[i], heard)
            x = x + layer.mlp(layer.final_layernorm(x))
        return self.norm(x), kept, asked

    def logits(self, hidden: Tensor) -> Tensor:
        """(B, N, d) -> (B, N, vocabulary)"""
        return hidden @ self.embed_tokens.weight.T


class Moonshine(nn.Module):
    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
