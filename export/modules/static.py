"""The same graphs with every shape fixed, for engines that need shapes in advance: LiteRT, CoreML, ONNX for NPUs.

A module takes its sizes from the inputs that it is traced with. Names, masks and dtypes are those of `engines.padding`. Unlike in
the modules of any size, masks are inputs, and what converters cannot handle is written out: attention as two matrix products,
cached rows replaced by a gather, int32 indices. Knows PyTorch modules. Knows no converter and no file.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.bundle.graph import GraphSpec
from unmask.bundle.graph_spec import BACKBONE
from unmask.export.graph_inputs import example_inputs
from unmask.export.modules import backbone
from unmask.export.modules.backbone import BackboneModel, rotate, rotation
from unmask.export.modules.scores import reduced

Sizes = Mapping[str, int]  # as in a manifest's buckets


@dataclass(frozen=True)
class FixedGraph:
    """A graph before its conversion. The module takes the tensors of `example` and returns those of `outputs`, in their order."""

    role: str
    sizes: dict[str, int]
    module: nn.Module
    example: dict[str, Tensor]  # zeros with the exact shapes and dtypes of a call
    outputs: tuple[str, ...]


def fixed_graph(graph: GraphSpec, role: str, sizes: Sizes, module: nn.Module, dims: Mapping[str, int]) -> FixedGraph:
    """dims: the size of every dimension of the graph."""
    return FixedGraph(role, dict(sizes), module.eval(), example_inputs(graph, dims, fixed=True), tuple(graph.output_names))


class Replaced:
    """Replaces cached rows by the window's own. Rows of padding share a position, and any one of them is taken."""

    def __init__(self, positions: Tensor, slots: int) -> None:
        """positions (W,) int32, each below `slots`."""
        here = (positions[:, None] == torch.arange(slots, dtype=torch.int32, device=positions.device)).float()  # (W, S)
        self._row, self._own = here.argmax(0), here.amax(0)[:, None] > 0.5

    def __call__(self, cached: Tensor, rows: Tensor) -> Tensor:
        """cached (H, S, d / H), rows (H, W, d / H) -> (H, S, d / H)."""
        return torch.where(self._own, rows.index_select(1, self._row), cached)


def part_of(weight: Tensor, start: int, stop: int) -> nn.Parameter:
    """Rows of a matrix as a parameter that shares its memory: converters are slow at slicing constants."""
    return nn.Parameter(weight.detach()[start:stop], requires_grad=False)


class FixedBackboneWindow(nn.Module):
    """`BackboneWindow` with grouped-query attention written out."""

    def __init__(self, model: BackboneModel) -> None:
        super().__init__()
        self.backbone = model

    def forward(
        self,
        rows: Tensor,  # (W, d)
        positions: Tensor,  # (W,) int32
        wanted: Tensor,  # (R,) int32
        cache_k: Tensor,  # (L, KV, S, head_width)
        cache_v: Tensor,
        mask: Tensor,  # (W, S)
    ) -> tuple[Tensor, Tensor, Tensor]:
        config = self.backbone.config
        turn = rotation(positions, config.head_width, config.rope_theta)
        replaced = Replaced(positions, mask.shape[1])
        among = mask.repeat(config.heads // config.kv_heads, 1)  # (G W, S)
        keys, values = [], []
        for i, layer in enumerate(self.backbone.layers):
            normed = layer.attention_norm(rows)
            k, v = layer.attention.keys_values(normed, turn)
            keys.append(k)
            values.append(v)
            mixed = grouped(layer.attention, normed, turn, (replaced(cache_k[i], k), replaced(cache_v[i], v)), among)
            rows = layer.ffn(rows + mixed)
        return self.backbone.norm(rows.index_select(0, wanted)), torch.stack(keys), torch.stack(values)


def grouped(
    layer: backbone.Attention, x: Tensor, turn: tuple[Tensor, Tensor], seen: tuple[Tensor, Tensor], among: Tensor
) -> Tensor:
    """`backbone.Attention` over `seen`, keys and values (KV, S, head_width), with the G heads of a group as rows of one product.

    x (N, d); among (G N, S): added to attention scores.
    """
    config, count = layer.config, len(x)
    q = layer.q(x).unflatten(-1, (config.heads, -1))
    if config.qk_norm:
        q = layer.q_norm(q)
    q = rotate(q, turn).transpose(0, 1) * config.head_width**-0.5  # (H, N, head_width)
    q = q.reshape(config.kv_heads, -1, config.head_width)  # (KV, G N, head_width)
    mixed = torch.softmax(q @ seen[0].transpose(1, 2) + among, -1) @ seen[1]
    return layer.o(mixed.reshape(config.heads, count, config.head_width).transpose(0, 1).flatten(1))


class FixedHead(nn.Module):
    """`backbone.Head` with ids of 32 bits, over rows [start, stop) of a head's or an embedding's matrix."""

    def __init__(self, weight: nn.Parameter, ids: tuple[int, int], top: int) -> None:
        """weight: of the whole head, (vocabulary, d), shared and not copied."""
        super().__init__()
        self.head, self.first, self.top = part_of(weight, *ids), ids[0], min(top, ids[1] - ids[0])

    def forward(self, hidden: Tensor, bias: Tensor, scale: Tensor) -> tuple[Tensor, ...]:  # (R, d), (1, stop - start), (1,)
        ids, *numbers = reduced(F.linear(hidden, self.head) * scale + bias, self.top)
        return ids + self.first, *numbers


def backbone_graph(model: BackboneModel, sizes: Sizes) -> FixedGraph:
    """A backbone's window graph of one bucket's sizes: rows, wanted, slots."""
    return fixed_graph(BACKBONE.graph("window"), "window", sizes, FixedBackboneWindow(model), {**model.config.dims, **sizes})


def head_graph(role: str, weight: nn.Parameter, ids: tuple[int, int], sizes: Sizes, top: int) -> FixedGraph:
    """A backbone's head (or `head_<modality>`) over ids [start, stop), of one bucket's size: wanted. weight (vocabulary, d)."""
    dims = {**sizes, "width": weight.shape[1], "vocabulary": ids[1] - ids[0], "1 or wanted": 1}
    return fixed_graph(BACKBONE.graph(role), role, sizes, FixedHead(weight, ids, top), dims)
