"""Moonshine in PyTorch: an encoder of raw samples and a causal decoder, with rows of masks that the same pass can draft with.

The shapes and names of parameters are those of transformers' `MoonshineForConditionalGeneration`, so that its checkpoints load
as they are (Jeffries et al. 2024, arXiv 2410.15608). Causal rows compute what the published decoder computes. Mask rows pass
through the same matrices, each with a low-rank term of their own (Hu et al. 2021, arXiv 2106.09685) that is off on causal rows:
drafting changes nothing of what the decoder writes. Knows no file, no audio format and no tokenizer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLES_PER_STATE = 384  # at 16 kHz: 41.67 encoder states a second
NEAR = 16.0  # encoder states: the unit in which mask rows measure how far a state is from their token
COUNTER_WIDTH, COUNTER_REACH = 96, 2  # channels of the counter, and how many states to each side each of its layers sees
START, END = 1, 2  # ids of the tokens before and after a text

KeysValues = tuple[Tensor, Tensor]  # each (B, H, N, d / H)


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
    draft_rank: int = 0
    """Rank of the mask rows' own terms; 0: a model that does not draft."""
    draft_rows: int = 16
    """Mask rows after a text that the model was trained to fill."""


# On 60 recordings the places of these heads fall back by over 2 states between tokens in at most 1 of 100 cases, and no other
# head of the published models is as close to one place.
TINY = MoonshineConfig(288, 8, 6, 6, 1152, 32, ((3, 0), (3, 2), (3, 5), (4, 3)))
BASE = MoonshineConfig(416, 8, 8, 8, 1664, 32, ((3, 0), (3, 2), (3, 5), (4, 3)))


class Linear(nn.Linear):
    """A matrix with a second, low-rank one for mask rows only."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False, rank: int = 0) -> None:
        super().__init__(inputs, outputs, bias)
        if rank:
            self.draft_in = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
            self.draft_out = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, N, in), mask (B, N, 1) 1 for mask rows and 0 for causal ones; None: all are causal -> (B, N, out).

        Computed in the number format of the matrix, whatever that of x and of the low-rank term.
        """
        exact = self.weight.dtype
        x = x.to(exact)
        y = super().forward(x)
        if mask is None:
            return y
        return y + F.linear(F.linear(x, self.draft_in.to(exact)) * mask.to(exact), self.draft_out.to(exact))


class Attention(nn.Module):
    """Multi-head attention whose queries and keys may be rotated by their positions."""

    def __init__(self, config: MoonshineConfig, rank: int = 0, cross: bool = False) -> None:
        super().__init__()
        self.heads, self.rotary = config.heads, config.rotary
        width = config.width
        self.q_proj = Linear(width, width, rank=rank)
        self.k_proj = Linear(width, width, rank=0 if cross else rank)
        self.v_proj = Linear(width, width, rank=0 if cross else rank)
        self.o_proj = Linear(width, width, rank=rank)

    def split(self, x: Tensor) -> Tensor:  # (B, N, d) -> (B, H, N, d / H)
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def keys_values(self, x: Tensor, turn: KeysValues | None = None, mask: Tensor | None = None) -> KeysValues:
        """Keys and values of rows x (B, N, d), the keys rotated by `turn`, the cosines and sines of `rotation`."""
        k, v = self.split(self.k_proj(x, mask)), self.split(self.v_proj(x, mask))
        return (rotate(k, turn) if turn else k), v

    def queries(self, x: Tensor, turn: KeysValues | None = None, mask: Tensor | None = None) -> Tensor:
        q = self.split(self.q_proj(x, mask))
        return rotate(q, turn) if turn else q

    def mix(self, q: Tensor, keys_values: KeysValues, allowed: Tensor | None, mask: Tensor | None = None) -> Tensor:
        """q (B, H, N, D) over keys (B, H, M, D) and values; allowed, bool, broadcast to (B, H, N, M) -> (B, N, d).

        D may exceed d / H: see `near`.
        """
        keys, values = keys_values
        size, values = values.shape[-1], values.to(q.dtype)
        values = F.pad(values, (0, keys.shape[-1] - size))  # the fast kernels want one size
        mixed = F.scaled_dot_product_attention(q, keys, values, attn_mask=allowed, scale=size**-0.5)
        return self.o_proj(mixed[..., :size].transpose(1, 2).flatten(-2), mask)


def rotation(positions: Tensor, config: MoonshineConfig) -> KeysValues:
    """Cosines and sines, each (B, 1, N, rotary / 2), of rotary positions (B, N) (Su et al. 2021, arXiv 2104.09864)."""
    steps = torch.arange(0, config.rotary, 2, device=positions.device, dtype=torch.float32) / config.rotary
    angles = positions[:, None, :, None] * config.rope_theta**-steps
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turn: KeysValues) -> Tensor:
    """Turn the leading pairs of neighbors of each head of x (B, H, N, d / H); the rest stays."""
    cos, sin = turn
    rotary = 2 * cos.shape[-1]
    even, odd = x[..., 0:rotary:2], x[..., 1:rotary:2]
    turned = torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2).to(x.dtype)
    return torch.cat((turned, x[..., rotary:]), -1)


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

    def forward(self, x: Tensor, turn: KeysValues) -> Tensor:
        rows = self.input_layernorm(x)
        x = x + self.self_attn.mix(self.self_attn.queries(rows, turn), self.self_attn.keys_values(rows, turn), None)
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
        x = self.groupnorm(torch.tanh(self.conv1(samples[:, None])))
        x = F.gelu(self.conv3(F.gelu(self.conv2(x)))).transpose(1, 2)
        turn = rotation(torch.arange(x.shape[1], device=x.device)[None], self.config)
        for layer in self.layers:
            x = layer(x, turn)
        return self.layer_norm(x)


class DecoderFeedForward(nn.Module):
    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.fc1 = Linear(config.width, 2 * config.feed_forward, bias=True, rank=config.draft_rank)
        self.fc2 = Linear(config.feed_forward, config.width, bias=True, rank=config.draft_rank)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x, gate = self.fc1(x, mask).chunk(2, -1)
        return self.fc2(F.silu(gate) * x, mask)


class DecoderLayer(nn.Module):
    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config, config.draft_rank)
        self.encoder_attn = Attention(config, config.draft_rank, cross=True)
        self.mlp = DecoderFeedForward(config)
        self.input_layernorm = nn.LayerNorm(config.width, bias=False)
        self.post_attention_layernorm = nn.LayerNorm(config.width, bias=False)
        self.final_layernorm = nn.LayerNorm(config.width, bias=False)
        if config.draft_rank:
            # Mask rows look around the place where their token is expected: each head at its own distance from it, and more
            # or less closely, from a spread of half a second to all.
            self.draft_closeness = nn.Parameter(torch.linspace(1.0, -8.0, config.heads))
            self.draft_shift = nn.Parameter(torch.zeros(config.heads))

    def near(self, q: Tensor, k: Tensor, rows: "Rows", heard: Tensor | None) -> KeysValues:
        """Queries and keys with more dimensions, whose product is -c (t - p)^2 but for a constant of the row.

        t is the place of a state and p that of the row's token, in units of `NEAR` states; causal rows have zeros there.
        The score has no table of its own that way, and the fast kernels of attention apply.
        """
        assert rows.places is not None
        assert rows.mask is not None
        scale = q.shape[-1] ** 0.5 * self.draft_closeness.exp()[:, None] * rows.mask[:, None, :, 0]  # (B, H, N)
        place = rows.places[:, None] / NEAR + self.draft_shift[:, None]
        time = torch.arange(k.shape[2], device=k.device) / NEAR
        more_q, more_k = [2 * scale * place, -scale], [time, time**2]
        if heard is not None:
            more_q.append(torch.ones_like(scale))
            more_k.append(torch.where(heard[:, 0, 0], 0.0, -1e4)[:, None])
        keys = [x.expand(*k.shape[:2], k.shape[2])[..., None] for x in more_k]
        return torch.cat((q, torch.stack(more_q, -1)), -1), torch.cat((k, *keys), -1)


@dataclass(frozen=True)
class Rows:
    """What a pass reads: N rows of which some are masks."""

    embedded: Tensor
    """(B, N, d), as `Decoder.embed_tokens` and `Decoder.draft_rows` give them."""
    positions: Tensor
    """(B, N): place in the text."""
    allowed: Tensor
    """Bool, broadcast to (B, 1, N, P + N): which earlier rows and rows of this pass each row sees."""
    mask: Tensor | None = None
    """(B, N, 1) 1.0 for mask rows, 0.0 for causal ones; None: all are causal."""
    places: Tensor | None = None
    """(B, N) where in the encoder's states a mask row's token is expected; ignored on causal rows."""


class Counter(nn.Module):
    """How many tokens are heard in each encoder state, which tells mask rows where in the sound their tokens are.

    Places are read off the running count, as in continuous integrate-and-fire (Dong and Xu 2020, arXiv 1905.11235).
    """

    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.enter = nn.Linear(config.width, COUNTER_WIDTH)
        self.mix = nn.Conv1d(COUNTER_WIDTH, COUNTER_WIDTH, 2 * COUNTER_REACH + 1, padding=COUNTER_REACH)
        self.leave = nn.Conv1d(COUNTER_WIDTH, 1, 2 * COUNTER_REACH + 1, padding=COUNTER_REACH)
        nn.init.constant_(self.leave.bias, -2.3)  # type: ignore[arg-type]  # a token in ten states

    def forward(self, states: Tensor) -> Tensor:
        """(B, S, d) -> (B, S), above 0."""
        x = F.gelu(self.enter(states)).transpose(1, 2)
        return F.softplus(self.leave(F.gelu(self.mix(x))))[:, 0]


class Decoder(nn.Module):
    """The decoder: rows after a text, causal ones and mask rows, over the keys and values of the encoder's states."""

    def __init__(self, config: MoonshineConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.width, bias=False)
        if config.draft_rank:
            self.draft_rows = nn.Parameter(0.02 * torch.randn(config.draft_rows, config.width))
            self.draft_counter = Counter(config)

    def cross(self, states: Tensor) -> list[KeysValues]:
        """Keys and values of the encoder's states (B, S, d) for each layer, computed once a recording."""
        return [layer.encoder_attn.keys_values(states) for layer in self.layers]

    def forward(
        self,
        rows: Rows,
        cross: Sequence[KeysValues],
        heard: Tensor | None = None,
        past: Sequence[KeysValues] | None = None,
    ) -> tuple[Tensor, list[KeysValues], list[Tensor]]:
        """Hidden rows (B, N, d), the keys and values of past and new rows, and each layer's cross-attention queries.

        cross: of `cross`. heard: (B, 1, 1, S) bool, False where a batch is padded. past: keys and values of P earlier rows.
        """
        x, turn, kept, asked = rows.embedded, rotation(rows.positions, self.config), [], []
        for i, layer in enumerate(self.layers):
            inner = layer.input_layernorm(x)
            k, v = layer.self_attn.keys_values(inner, turn, rows.mask)
            if past is not None:
                k, v = torch.cat((past[i][0], k), 2), torch.cat((past[i][1], v), 2)
            kept.append((k, v))
            x = x + layer.self_attn.mix(layer.self_attn.queries(inner, turn, rows.mask), (k, v), rows.allowed, rows.mask)
            q = layer.encoder_attn.queries(layer.post_attention_layernorm(x), mask=rows.mask)
            asked.append(q)
            k, v = cross[i]
            if rows.places is None:
                x = x + layer.encoder_attn.mix(q, (k, v), heard, rows.mask)
            else:
                q, k = layer.near(q, k, rows, heard)
                x = x + layer.encoder_attn.mix(q, (k, v), None, rows.mask)
            x = x + layer.mlp(layer.final_layernorm(x), rows.mask)
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
