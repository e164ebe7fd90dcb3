"""Omni-tiny in PyTorch: the backbone that bundles know, over words and the digits of picture codes.

A code's embedding is the sum of its digits' rows, and so is its row of the head: a softmax over 4,096 codes is then the product
of four over 8 levels, which is learned several times as fast as 4,096 rows.
A bundle gets the sums.
Rows of an answer, and of codes in a prompt, also have the embedding of their place in it; the order of all else is in RoPE.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.export.modules.backbone import BackboneConfig, BackboneModel, Layer, rotation
from unmask.export.modules.sticker_codec import CODES, DIGITS, LEVELS, digits_of
from unmask.training.omni.vocabulary import IMAGE, LONGEST, PICTURE, SIDE_CODES, SIZE, WORDS

NO_PLACE = PICTURE + LONGEST  # index of the row of zeros among places: picture, then words


@dataclass(frozen=True)
class OmniConfig:
    layers: int = 8
    width: int = 256
    heads: int = 8
    ffn: int = 768

    @property
    def backbone(self) -> BackboneConfig:
        return BackboneConfig(
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            kv_heads=self.heads,
            head_width=self.width // self.heads,
            ffn=self.ffn,
            vocabulary=SIZE + NO_PLACE,
            eps=1e-6,
            rope_theta=1000.0,
            qk_norm=True,
        )


@dataclass(frozen=True)
class Sequences:
    """B canvases of N positions, padded at the end: each is a prompt and an answer."""

    ids: Tensor  # (B, N) int64
    places: Tensor  # (B, N) int64: index of the place's row, NO_PLACE for none
    positions: Tensor  # (B, N) int64: on the whole canvas, of which training may leave out a part
    prompt: Tensor  # (B,) positions of the prompt, which does not see the answer
    length: Tensor  # (B,) positions that are not padding

    def to(self, device: str) -> "Sequences":
        return Sequences(*(getattr(self, name).to(device) for name in ("ids", "places", "positions", "prompt", "length")))


class Omni(nn.Module):
    def __init__(self, config: OmniConfig = OmniConfig()) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.backbone = BackboneModel(config.backbone)
        sizes = {"words": WORDS, "digits": DIGITS * LEVELS, "rows": SIDE_CODES, "columns": SIDE_CODES, "answer": LONGEST}
        for name, count in sizes.items():
            setattr(self, name, nn.Parameter(torch.randn(count, width) / 2))
        self.word_head = nn.Parameter(torch.randn(WORDS, width) / width**0.5)
        self.digit_head = nn.Parameter(torch.randn(DIGITS * LEVELS, width) / width**0.5)
        for layer in self.backbone.layers:
            for linear in (layer.attention.o, layer.down):
                nn.init.normal_(linear.weight, std=(2 * config.layers * linear.in_features) ** -0.5)

    def table(self) -> Tensor:
        """(SIZE, d) the embeddings of all ids."""
        return torch.cat([self.words, _sums(self.digits)])

    def head(self) -> Tensor:
        """(SIZE, d)"""
        return torch.cat([self.word_head, _sums(self.digit_head)])

    def place_table(self) -> Tensor:
        """(NO_PLACE + 1, d)"""
        picture = (self.rows[:, None] + self.columns).flatten(0, 1)
        return torch.cat([picture, self.answer, self.answer.new_zeros(1, self.config.width)])

    def forward(self, canvas: Sequences) -> Tensor:
        """Hidden rows (B, N, d) after the final norm. Those of padding mean nothing."""
        rows = F.embedding(canvas.ids, self.table()) + F.embedding(canvas.places, self.place_table())
        count = canvas.ids.shape[1]
        at = torch.arange(count, device=rows.device)
        seen = torch.where(at[:, None] < canvas.prompt[:, None, None], canvas.prompt[:, None, None], canvas.length[:, None, None])
        mask = (at < seen)[:, None]  # (B, 1, N, N)
        turn = tuple(part.unflatten(0, canvas.ids.shape)[:, :, None] for part in self._rotation(canvas.positions.flatten()))
        for layer in self.backbone.layers:
            rows = layer.ffn(rows + _attention(layer, rows, turn, mask))
        return self.backbone.norm(rows)

    def _rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        return rotation(positions, self.config.backbone.head_width, self.config.backbone.rope_theta)

    def word_logits(self, hidden: Tensor) -> Tensor:
        """(M, d) -> (M, WORDS)"""
        return F.linear(hidden, self.word_head)

    def digit_logits(self, hidden: Tensor) -> Tensor:
        """(M, d) -> (M, DIGITS, LEVELS)"""
        return F.linear(hidden, self.digit_head).unflatten(-1, (DIGITS, LEVELS))


def _sums(digits: Tensor) -> Tensor:
    """(DIGITS * LEVELS, d) -> (CODES, d): of each code the sum of its digits' rows."""
    parts = digits.unflatten(0, (DIGITS, LEVELS))
    return parts[torch.arange(DIGITS, device=digits.device), digits_of(torch.arange(CODES, device=digits.device))].sum(1)


def _attention(layer: Layer, rows: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
    """As `unmask.export.modules.backbone.Attention`, for a batch. The scores are in fp32: in bf16 they are slower on CPUs."""
    own = layer.attention
    x = layer.attention_norm(rows)
    q, k, v = (part(x).unflatten(-1, (own.config.heads, -1)).float() for part in (own.q, own.k, own.v))
    cosine, sine = turn  # (B, N, 1, head_width)

    def turned(heads: Tensor) -> Tensor:
        low, high = heads.chunk(2, -1)
        return (heads * cosine + torch.cat([-high, low], -1) * sine).transpose(1, 2)

    with torch.autocast(rows.device.type, enabled=False):
        out = F.scaled_dot_product_attention(turned(own.q_norm(q)), turned(own.k_norm(k)), v.transpose(1, 2), mask)
    return own.o(out.transpose(1, 2).flatten(2))


def losses_at(model: Omni, hidden: Tensor, wanted: Tensor) -> Tensor:
    """(M,) nats of each wanted id, given its hidden rows (M, d)."""
    found = hidden.new_zeros(len(wanted), dtype=torch.float32)
    coded = wanted >= IMAGE
    if bool((~coded).any()):
        found[~coded] = F.cross_entropy(model.word_logits(hidden[~coded]).float(), wanted[~coded], reduction="none")
    if bool(coded.any()):
        logits, digits = model.digit_logits(hidden[coded]).float(), digits_of(wanted[coded] - IMAGE)
        found[coded] = F.cross_entropy(logits.transpose(1, 2), digits, reduction="none").sum(1)
    return found
