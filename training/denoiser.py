"""A denoiser of ours in training: the backbone that bundles know, in batches of canvases whose prompt never sees the answer.

Knows rows. Knows no vocabulary: what the rows are made of, and what is read from them, are the models'.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from unmask.export.modules.backbone import BackboneConfig, BackboneModel, Layer, rotation


@dataclass(frozen=True)
class Sizes:
    """Of the layers."""

    layers: int
    width: int = 192
    heads: int = 6
    ffn: int = 512

    @property
    def middle(self) -> int:
        """After so many layers rows tell what they stand for, where a training has hints; the others read it."""
        return max(1, self.layers * 5 // 8)

    def config(self, vocabulary: int) -> BackboneConfig:
        return BackboneConfig(
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            kv_heads=self.heads,
            head_width=self.width // self.heads,
            ffn=self.ffn,
            vocabulary=vocabulary,
            eps=1e-6,
            rope_theta=1000.0,
            qk_norm=True,
        )


@dataclass(frozen=True)
class Sequences:
    """B canvases of N positions, padded at the end: each is a prompt and an answer."""

    ids: Tensor  # (B, N) int64
    places: Tensor  # (B, N) int64: index of the place's row, the model's index of zeros for none
    positions: Tensor  # (B, N) int64: on the whole canvas, of which training may leave out a part
    prompt: Tensor  # (B,) positions of the prompt, which does not see the answer
    length: Tensor  # (B,) positions that are not padding

    def to(self, device: str) -> "Sequences":
        return Sequences(*(getattr(self, name).to(device) for name in ("ids", "places", "positions", "prompt", "length")))


def begin(backbone: BackboneModel) -> None:
    """Random matrices that write into the rows, small enough that the rows of a deep model do not grow."""
    for layer in backbone.layers:
        for linear in (layer.attention.o, layer.down):
            nn.init.normal_(linear.weight, std=(2 * backbone.config.layers * linear.in_features) ** -0.5)


def matrices(backbone: BackboneModel) -> list[nn.Parameter]:
    """The matrices between layers."""
    return [parameter for parameter in backbone.layers.parameters() if parameter.ndim == 2]


@dataclass(frozen=True)
class Passed:
    """What the layers make of rows. Rows of padding mean nothing."""

    middle: Tensor  # (B, N, d) after some of the layers
    last: Tensor  # (B, N, d) after the final norm
    queries: Tensor  # (B, N, head_width) of the first head of the last of the layers before the middle, and its
    keys: Tensor  # (B, N, head_width)
    mask: Tensor  # (B, N, N) what rows see

    @property
    def looks(self) -> Tensor:
        """(B, N, N) nats: how likely that head looks from a row at each other. Computed when it is asked for."""
        with torch.autocast(self.queries.device.type, enabled=False):
            logits = self.queries.float() @ self.keys.float().mT * self.queries.shape[-1] ** -0.5
            return logits.masked_fill(~self.mask, -torch.inf).log_softmax(-1)


def passed(backbone: BackboneModel, canvas: Sequences, rows: Tensor, middle: int) -> Passed:
    """rows: (B, N, d), embedded. middle: a number of layers, at least 1."""
    at = torch.arange(canvas.ids.shape[1], device=rows.device)
    seen = torch.where(at[:, None] < canvas.prompt[:, None, None], canvas.prompt[:, None, None], canvas.length[:, None, None])
    mask = (at < seen)[:, None]  # (B, 1, N, N)
    sizes = backbone.config
    turn = rotation(canvas.positions.flatten(), sizes.head_width, sizes.rope_theta)
    turn = tuple(part.unflatten(0, canvas.ids.shape)[:, :, None] for part in turn)
    between = queries = keys = rows
    for number, layer in enumerate(backbone.layers, 1):
        attended, first = _attention(layer, rows, turn, mask)
        rows = layer.ffn(rows + attended)
        if number == middle:
            between, (queries, keys) = rows, first
    return Passed(between, backbone.norm(rows), queries, keys, mask[:, 0])


def _attention(layer: Layer, rows: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """As `unmask.export.modules.backbone.Attention`, for a batch, and queries and keys (B, N, head_width) of the first head.

    On CPUs it is in fp32, which is faster there than bf16.
    """
    kind = torch.float32 if rows.device.type == "cpu" else torch.bfloat16
    own = layer.attention
    x = layer.attention_norm(rows)
    q, k, v = (part(x).unflatten(-1, (own.config.heads, -1)).to(kind) for part in (own.q, own.k, own.v))
    cosine, sine = turn  # (B, N, 1, head_width)

    def turned(heads: Tensor) -> Tensor:
        low, high = heads.chunk(2, -1)
        return (heads * cosine + torch.cat([-high, low], -1) * sine).transpose(1, 2).to(kind)

    queries, keys = turned(own.q_norm(q)), turned(own.k_norm(k))
    with torch.autocast(rows.device.type, enabled=False):
        out = F.scaled_dot_product_attention(queries, keys, v.transpose(1, 2), mask)
    return own.o(out.transpose(1, 2).flatten(2)), (queries[:, 0], keys[:, 0])


# ---- files


def sizes_of(tensors: Mapping[str, Tensor]) -> Sizes:
    """Of the layers in the weights of a run."""
    layers = 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("backbone.layers."))
    width, head_width = tensors["words"].shape[1], len(tensors["backbone.layers.0.attention.q_norm.weight"])
    return Sizes(layers, width, width // head_width, len(tensors["backbone.layers.0.gate.weight"]))


def write_folder(
    out: Path, sizes: BackboneConfig, own: Mapping[str, Any], tokenizer: Tokenizer, tensors: Mapping[str, Tensor]
) -> None:
    """A checkpoint folder that `unmask export` reads. own: what config.json says besides the sizes of the layers."""
    out.mkdir(parents=True, exist_ok=True)
    config = {
        "license": "Apache-2.0",
        "hidden_size": sizes.width,
        "intermediate_size": sizes.ffn,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "rms_norm_eps": sizes.eps,
        "rope_theta": sizes.rope_theta,
        "vocab_size": sizes.vocabulary,
        **own,
    }
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    tokenizer.save(str(out / "tokenizer.json"))
    save_file({name: value.contiguous() for name, value in tensors.items()}, out / "model.safetensors")
