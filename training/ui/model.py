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
from unmask.export.modules.backbone import BackboneModel
from unmask.training.denoiser import Sequences, Sizes, begin, matrices, passed
from unmask.training.ui.hint import WIDTHS

NO_PLACE = PLACES


@dataclass(frozen=True)
class UiConfig(Sizes):
    layers: int = 8


class UiModel(nn.Module):
    def __init__(self, config: UiConfig, pieces: int) -> None:
        super().__init__()
        self.config, self.pieces, width = config, pieces, config.width
        self.backbone = BackboneModel(config.config(COUNT + pieces + PLACES))
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
        self.hints = nn.Parameter(torch.randn(sum(WIDTHS), width) / width**0.5)
        self.point_in, self.point_out = (nn.Parameter(torch.eye(width) * scale) for scale in (0.5, width**-0.5))
        begin(self.backbone)

    @property
    def matrices(self) -> list[nn.Parameter]:
        """The matrices between layers."""
        return matrices(self.backbone)

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

    def forward(self, canvas: Sequences) -> tuple[Tensor, Tensor]:
        """Rows (B, N, d) of the middle, and hidden rows after the final norm. Those of padding mean nothing."""
        rows = F.embedding(canvas.ids, self.table()) + F.embedding(canvas.places, self.place_table())
        found = passed(self.backbone, canvas, rows, self.config.middle)
        return found.middle, found.last

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., d) -> (..., COUNT)"""
        return F.linear(hidden, self.head_rows()).float()
