"""Ui-tiny in PyTorch: the backbone that bundles know, over words of a request, rows of the present panel, and slots.

A pointer's embedding, and its row of the head, is a projection of the place that it points to, so that pointing to any word is
learned at once.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.apps.ui.prompt import PLACES
from unmask.apps.ui.slots import AFTER, COUNT, FIELDS, IDS, POINTERS, ROWS, TARGETS, WORDS
from unmask.export.modules.backbone import BackboneConfig, BackboneModel, Layer, rotation

NO_PLACE = PLACES


@dataclass(frozen=True)
class UiConfig:
    layers: int = 5
    width: int = 192
    heads: int = 6
    ffn: int = 512

    def backbone(self, pieces: int) -> BackboneConfig:
        return BackboneConfig(
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            kv_heads=self.heads,
            head_width=self.width // self.heads,
            ffn=self.ffn,
            vocabulary=COUNT + pieces + PLACES,
            eps=1e-6,
            rope_theta=1000.0,
            qk_norm=True,
        )


@dataclass(frozen=True)
class Canvases:
    """B canvases of N positions, padded at the end: a prompt, and slots."""

    ids: Tensor  # (B, N) int64
    places: Tensor  # (B, N) int64: see `unmask.apps.ui.prompt`; NO_PLACE of padding
    positions: Tensor  # (B, N) int64: on the whole canvas, of which training leaves out a part
    prompt: Tensor  # (B,) positions of the prompt, which does not see the slots
    length: Tensor  # (B,) positions that are not padding


class UiModel(nn.Module):
    def __init__(self, config: UiConfig, pieces: int) -> None:
        super().__init__()
        self.config, self.pieces, width = config, pieces, config.width
        self.backbone = BackboneModel(config.backbone(pieces))
        sizes = {
            "tokens": COUNT,
            "words": pieces,
            "word_places": WORDS,
            "row_places": ROWS,
            "rows": ROWS,
            "slots": 1 + len(FIELDS),
        }
        for name, count in sizes.items():
            setattr(self, name, nn.Parameter(torch.randn(count, width) / 2))
        self.head = nn.Parameter(torch.randn(COUNT, width) / width**0.5)
        self.point_in, self.point_out = (nn.Parameter(torch.eye(width) * scale) for scale in (0.5, width**-0.5))
        for layer in self.backbone.layers:
            for linear in (layer.attention.o, layer.down):
                nn.init.normal_(linear.weight, std=(2 * config.layers * linear.in_features) ** -0.5)

    @property
    def matrices(self) -> list[nn.Parameter]:
        """The matrices between layers."""
        return [parameter for parameter in self.backbone.layers.parameters() if parameter.ndim == 2]

    def _pointed(self, table: Tensor, projection: Tensor) -> Tensor:
        """(COUNT, d) the table with what pointers point to added."""
        added = torch.zeros_like(table)
        for tokens, places in ((POINTERS, self.word_places), (TARGETS, self.row_places), (AFTER, self.row_places)):
            start = IDS[tokens[0]]
            added = added + F.pad(places @ projection, (0, 0, start, COUNT - start - len(tokens)))
        return table + added

    def table(self) -> Tensor:
        """(COUNT + pieces, d) the embeddings of all ids."""
        return torch.cat([self._pointed(self.tokens, self.point_in), self.words])

    def head_rows(self) -> Tensor:
        """(COUNT, d)"""
        return self._pointed(self.head, self.point_out)

    def place_table(self) -> Tensor:
        """(PLACES + 1, d), zeros at the end."""
        canvas = torch.cat([self.slots[:1], (self.rows[:, None] + self.slots[1:]).flatten(0, 1)])
        return torch.cat([self.word_places, self.row_places, canvas, canvas.new_zeros(1, self.config.width)])

    def forward(self, canvas: Canvases) -> Tensor:
        """Hidden rows (B, N, d) after the final norm. Those of padding mean nothing."""
        rows = F.embedding(canvas.ids, self.table()) + F.embedding(canvas.places, self.place_table())
        at = torch.arange(canvas.ids.shape[1])
        seen = torch.where(at[:, None] < canvas.prompt[:, None, None], canvas.prompt[:, None, None], canvas.length[:, None, None])
        mask = (at < seen)[:, None]  # (B, 1, N, N)
        sizes = self.backbone.config
        turn = rotation(canvas.positions.flatten(), sizes.head_width, sizes.rope_theta)
        turn = tuple(part.unflatten(0, canvas.ids.shape)[:, None] for part in turn)
        for layer in self.backbone.layers:
            rows = layer.ffn(rows + _attention(layer, rows, turn, mask))
        return self.backbone.norm(rows)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., d) -> (..., COUNT)"""
        return F.linear(hidden, self.head_rows()).float()


def _attention(layer: Layer, rows: Tensor, turn: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    """As `unmask.export.modules.backbone.Attention`, for a batch."""
    own, x = layer.attention, layer.attention_norm(rows)
    q, k, v = (part(x).unflatten(-1, (own.config.heads, -1)).transpose(1, 2).float() for part in (own.q, own.k, own.v))

    def turned(heads: Tensor) -> Tensor:  # (B, heads, N, head_width)
        low, high = heads.chunk(2, -1)
        return heads * turn[0] + torch.cat([-high, low], -1) * turn[1]

    with torch.autocast("cpu", enabled=False):
        out = F.scaled_dot_product_attention(turned(own.q_norm(q)), turned(own.k_norm(k)), v, mask)
    return own.o(out.transpose(1, 2).flatten(2))
