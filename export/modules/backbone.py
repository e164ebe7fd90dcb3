"""The backbone of Dream, LLaDA and block-causal models in PyTorch, and the two modules that are exported.

RMSNorm, grouped-query attention, half-split RoPE, SwiGLU; q/k/v biases and q/k norms where a family has them. Activations are
2-D, so that every linear layer becomes Gemm(transB=1) and weights keep the checkpoint's own layout byte for byte.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.export.modules.scores import best_of


@dataclass(frozen=True)
class BackboneConfig:
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    ffn: int
    vocabulary: int  # rows of the embedding and of the head
    eps: float
    rope_theta: float
    qkv_bias: bool = False
    qk_norm: bool = False
    tied: bool = False  # the head is the embedding
    streams: int = 0  # rows of a second table, of several streams of codes, and of the head, which then predicts these alone

    @property
    def dims(self) -> dict[str, int]:
        """Sizes of the model by their names in `unmask.bundle.graph_spec`."""
        return {"width": self.width, "layers": self.layers, "kv_heads": self.kv_heads, "head_width": self.head_width}


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def rotation(positions: Tensor, width: int, theta: float, repeat: int = 2) -> tuple[Tensor, Tensor]:
    """cos and sin (N, width / 2 * repeat) of RoPE's angles in fp32, for heads whose two halves rotate together (GPT-NeoX's
    layout)."""
    frequencies = theta ** (-torch.arange(0, width, 2, dtype=torch.float32, device=positions.device) / width)
    angles = (positions.float()[:, None] * frequencies).repeat(1, repeat)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:  # (N, heads, width)
    low, high = x.chunk(2, -1)
    return x * turn[0][:, None] + torch.cat([-high, low], -1) * turn[1][:, None]


class Attention(nn.Module):
    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config, bias = config, config.qkv_bias
        self.q = nn.Linear(config.width, config.heads * config.head_width, bias)
        self.k = nn.Linear(config.width, config.kv_heads * config.head_width, bias)
        self.v = nn.Linear(config.width, config.kv_heads * config.head_width, bias)
        self.o = nn.Linear(config.heads * config.head_width, config.width, False)
        if config.qk_norm:
            self.q_norm, self.k_norm = (RMSNorm(config.head_width, config.eps) for _ in range(2))

    def keys_values(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """(N, d) -> keys, rotated, and values, each (KV, N, head_width)."""
        k, v = (f(x).unflatten(-1, (self.config.kv_heads, -1)) for f in (self.k, self.v))
        if self.config.qk_norm:
            k = self.k_norm(k)
        return rotate(k, turn).transpose(0, 1), v.transpose(0, 1)

    def heads_of(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """(N, d) -> queries and keys, rotated, and values, each (1, heads, N, head_width), in few operators of ONNX.

        turn: cos and sin, each (N, head_width / 2).
        """
        q, k, v = (f(x).reshape(1, x.shape[0], -1, self.config.head_width) for f in (self.q, self.k, self.v))
        if self.config.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        cos, sin = (part[None] for part in turn)
        q, k = (torch.onnx.ops.rotary_embedding(part.transpose(1, 2), cos, sin) for part in (q, k))
        return q, k, v.transpose(1, 2)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """x (N, d); k, v (KV, S, head_width); mask (N, S) is added to attention scores -> (N, d)."""
        q = self.q(x).unflatten(-1, (self.config.heads, -1))
        if self.config.qk_norm:
            q = self.q_norm(q)
        q = rotate(q, turn).transpose(0, 1)
        grouped = self.config.heads != self.config.kv_heads
        out = F.scaled_dot_product_attention(q[None], k[None], v[None], mask, enable_gqa=grouped)[0]
        return self.o(out.transpose(0, 1).flatten(1))


class Layer(nn.Module):
    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.attention_norm, self.ffn_norm = (RMSNorm(config.width, config.eps) for _ in range(2))
        self.attention = Attention(config)
        self.gate, self.up = (nn.Linear(config.width, config.ffn, False) for _ in range(2))
        self.down = nn.Linear(config.ffn, config.width, False)

    def ffn(self, x: Tensor) -> Tensor:
        rows = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(rows)) * self.up(rows))


class BackboneModel(nn.Module):
    """Layers and final norm. Embedding and head are separate: the runtime gathers rows of the one and slices the other."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.eps)

    def forward(self, rows: Tensor, mask: Tensor | None = None) -> Tensor:
        """One full pass without a cache: rows (N, d), mask (N, N) added to scores -> hidden rows (N, d)."""
        turn = rotation(torch.arange(len(rows), device=rows.device), self.config.head_width, self.config.rope_theta)
        for layer in self.layers:
            normed = layer.attention_norm(rows)
            rows = rows + layer.attention(normed, turn, *layer.attention.keys_values(normed, turn), mask)
            rows = layer.ffn(rows)
        return self.norm(rows)


class BackboneWindow(nn.Module):
    """One pass over W rows of a canvas of S positions. The other rows are attended to through their cached keys and values.

    Written for few nodes in a graph: rotation is one operator on rows, and heads are the first axis of what is replaced, so that
    nothing cached is transposed. The numbers are those of `BackboneModel`.
    """

    def __init__(self, backbone: BackboneModel) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(
        self,
        rows: Tensor,  # (W, d) embeddings
        positions: Tensor,  # (W,) positions on the canvas
        wanted: Tensor,  # (R,) indices into the window of the hidden rows to return
        cache_k: Tensor,  # (L, KV, S, head_width), keys rotated; rows of the window are replaced
        cache_v: Tensor,
        mask: Tensor | None = None,  # (W, S) added to attention scores; None: every row attends to every position
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden rows (R, d) after the final norm, and the window's keys and values (L, KV, W, head_width)."""
        config = self.backbone.config
        turn = rotation(positions, config.head_width, config.rope_theta, repeat=1)
        at = torch.zeros(1, 1, 1, dtype=torch.long), torch.arange(config.kv_heads)[None, :, None], positions[None, None]
        grouped = config.heads != config.kv_heads
        keys, values = [], []
        for layer, old_k, old_v in zip(self.backbone.layers, cache_k.split(1), cache_v.split(1), strict=True):
            q, k, v = layer.attention.heads_of(layer.attention_norm(rows), turn)
            keys.append(k)
            values.append(v)
            seen = old_k.index_put(at, k), old_v.index_put(at, v)
            mixed = F.scaled_dot_product_attention(q, *seen, mask, enable_gqa=grouped)
            rows = layer.ffn(rows + layer.attention.o(mixed.transpose(1, 2).reshape(rows.shape[0], -1)))
        return self.backbone.norm(rows[wanted]), torch.cat(keys), torch.cat(values)


class Head(nn.Module):
    """Hidden rows -> the best ids among rows [start, start + count) of the vocabulary; logits stay inside the graph."""

    def __init__(self, width: int, start: int, count: int, top: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, width))
        self.start, self.top = start, min(top, count)

    def forward(self, hidden: Tensor, bias: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """hidden (R, d), bias (1 or R, count), scale (1,) -> ids (R, k), logits (R, k), logsumexp (R,), entropy (R,) in nats."""
        logits = F.linear(hidden * scale, self.weight) + bias
        best, ids = best_of(logits, self.top)
        probabilities = torch.softmax(logits, -1)
        logsumexp = best[:, 0] - probabilities.gather(1, ids[:, :1])[:, 0].log()
        return ids + self.start, best, logsumexp, logsumexp - (probabilities * logits).sum(-1)
