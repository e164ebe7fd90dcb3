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
from unmask.bundle.graph_spec import BACKBONE, TIMELINE
from unmask.engines.padding import Padding
from unmask.export.graph_inputs import example_inputs
from unmask.export.modules import backbone
from unmask.export.modules.backbone import BackboneModel, rotate, rotation
from unmask.export.modules.captioner import BLANK, CaptionerModel
from unmask.export.modules.scores import reduced
from unmask.export.modules.whisper import Attention

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


# ---- written-out parts


def attend(layer: Attention, x: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """x (N, d); k, v (H, M, d / H); mask added to scores, broadcast to (H, N, M) -> (N, d)."""
    q = split(layer, layer.query(x) * k.shape[-1] ** -0.5)
    mixed = torch.softmax(q @ k.transpose(1, 2) + mask, -1) @ v
    return layer.out(mixed.transpose(0, 1).flatten(1))


def split(layer: Attention, x: Tensor) -> Tensor:  # (N, d) -> (H, N, d / H)
    return x.unflatten(-1, (layer.heads, -1)).transpose(0, 1)


def keys_values(layer: Attention, x: Tensor) -> tuple[Tensor, Tensor]:
    return split(layer, layer.key(x)), split(layer, layer.value(x))


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


# ---- captioner


class FixedContext(nn.Module):
    """`Context` with a mask: frames of padding, after the real ones, are not attended to."""

    def __init__(self, model: CaptionerModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, mel: Tensor, frame_mask: Tensor) -> tuple[Tensor, ...]:  # (1, mels, 2 T), (T,)
        model, encoder = self.model, self.model.encoder
        x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)[0]
        x = x + encoder.positions[: len(x)]
        for block in encoder.blocks:
            rows = block.attention_norm(x)
            x = block.ffn(x + attend(block.attention, rows, *keys_values(block.attention, rows), frame_mask))
        x = encoder.norm(x)
        pairs = [
            torch.stack([pair[i] for pair in [keys_values(block.cross, x) for block in some]])
            for some in (model.blocks, model.verifier.blocks)
            for i in (0, 1)
        ]
        return pairs[0], pairs[1], model.slots(x[None])[0], pairs[2], pairs[3]


class FixedCaptionWindow(nn.Module):
    """`CaptionWindow` with a mask: slots of padding, after the canvas, are not attended to."""

    def __init__(self, model: CaptionerModel, top: int, blank_penalty: float) -> None:
        super().__init__()
        self.model, self.top = model, top
        self.head = part_of(model.embedding.weight, 0, model.config.vocabulary)
        penalty = torch.zeros(model.config.vocabulary)
        penalty[BLANK] = blank_penalty
        self.register_buffer("penalty", penalty)

    def forward(
        self,
        rows: Tensor,  # (W, d)
        positions: Tensor,  # (W,) int32
        wanted: Tensor,  # (R,) int32
        bias: Tensor,  # (1, V)
        cross_k: Tensor,  # (L, H, T, d / H)
        cross_v: Tensor,
        slots: Tensor,  # (S, d)
        cache_k: Tensor,  # (L, H, S, d / H)
        cache_v: Tensor,
        frame_mask: Tensor,  # (T,)
        mask: Tensor,  # (S,)
    ) -> tuple[Tensor, ...]:
        model, places = self.model, self.model.positions
        if len(slots) > len(places):  # the longest bucket has one slot more than any canvas, for rows of padding
            places = torch.cat([places, places.new_zeros(len(slots) - len(places), places.shape[1])])
        x = rows + places.index_select(0, positions) + slots.index_select(0, positions)
        near = model.near(positions.float(), cross_k.shape[2]) + frame_mask
        replaced = Replaced(positions, len(slots))
        keys, values = [], []
        for i, block in enumerate(model.blocks):
            normed = block.attention_norm(x)
            k, v = keys_values(block.attention, normed)
            keys.append(k)
            values.append(v)
            x = x + attend(block.attention, normed, replaced(cache_k[i], k), replaced(cache_v[i], v), mask)
            x = block.ffn(x + attend(block.cross, block.cross_norm(x), cross_k[i], cross_v[i], near))
        hidden = model.norm(x.index_select(0, wanted))
        logits = F.linear(hidden, self.head) - self.penalty + bias
        return *reduced(logits, self.top), torch.stack(keys), torch.stack(values)


class FixedVerify(nn.Module):
    """`Verify` with positions and a mask as inputs."""

    def __init__(self, model: CaptionerModel, top: int) -> None:
        super().__init__()
        self.verifier, self.top = model.verifier, top
        # Rows of marks are left out instead of barred: a logit of -1e4 would take up the whole range in int8-static.
        weight, self.own, self.marks = model.embedding.weight, model.config.vocabulary, len(model.config.marks)
        self.head = part_of(weight, 0, self.own)
        self.rarer = part_of(weight, model.config.canvas_rows, model.config.rows) if model.config.rarer else None

    def forward(
        self,
        rows: Tensor,  # (N, d)
        verify_k: Tensor,  # (L, H, T, d / H)
        verify_v: Tensor,
        past_k: Tensor,  # (L, H, P, d / H)
        past_v: Tensor,
        positions: Tensor,  # (N,) int32
        mask: Tensor,  # (N, P + N)
        frame_mask: Tensor,  # (T,)
    ) -> tuple[Tensor, ...]:
        verifier = self.verifier
        x = rows + verifier.positions.index_select(0, positions)
        keys, values = [], []
        for i, block in enumerate(verifier.blocks):
            normed = block.attention_norm(x)
            k, v = keys_values(block.attention, normed)
            keys.append(k)
            values.append(v)
            k, v = torch.cat([past_k[i], k], 1), torch.cat([past_v[i], v], 1)
            x = x + attend(block.attention, normed, k, v, mask)
            x = block.ffn(x + attend(block.cross, block.cross_norm(x), verify_k[i], verify_v[i], frame_mask))
        hidden = verifier.norm(x)
        logits = F.linear(hidden, self.head)
        if self.rarer is not None:
            logits = torch.cat([logits, F.linear(hidden, self.rarer)], 1)
        ids, best, logsumexp, _ = reduced(logits, self.top)
        if self.rarer is not None:  # ids that follow the marks
            ids = ids + self.marks * (ids >= self.own).int()
        return ids, best, logsumexp, torch.stack(keys), torch.stack(values)


def captioner_graph(model: CaptionerModel, role: str, sizes: Sizes, top: int, blank_penalty: float = 0.0) -> FixedGraph:
    """A captioner's context, window or verify graph of one bucket's sizes. top and blank_penalty as in `CaptionWindow`."""
    modules = {
        "context": FixedContext,
        "window": lambda m: FixedCaptionWindow(m, top, blank_penalty),
        "verify": lambda m: FixedVerify(m, top),
    }
    dims = {
        **model.config.dims,
        **Padding(TIMELINE, model.config.frames_per_slot).whole(sizes),
        "past + tokens": sizes.get("past", 0) + sizes.get("tokens", 0),
    }
    return fixed_graph(TIMELINE.graph(role), role, sizes, modules[role](model), dims)


# ---- backbones


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
