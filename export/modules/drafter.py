"""Drafts a whole text in one pass over the encoder's states: each slot of them holds a token or none.

The slots are masked at first, filled together, and read as in connectionist temporal classification (Graves et al. 2006): equal
neighbors are one token. Letters, at every state, teach the layers below to spell; only training looks at them.
Knows no file and no tokenizer.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STATES_PER_SLOT = 3  # of 24 ms each
LETTERS = " !\"&',-.0123456789?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LOW, HIGH = 3, 3  # blocks before and after states become slots
LOW_REACH, HIGH_REACH = 5, 4  # neighbors to each side that a block mixes
WIDENED = 2
GIVEN = "head.weight"  # the decoder's, so it is neither trained nor saved with the rest


class Block(nn.Module):
    """A residual block: neighbors are mixed channel by channel, then channels (Liu et al. 2022, arXiv 2201.03545)."""

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(width, width, 2 * reach + 1, padding=reach, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, WIDENED * width)
        self.narrow = nn.Linear(WIDENED * width, width)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, d) -> the same
        return x + self.narrow(F.gelu(self.widen(self.norm(self.mix(x.transpose(1, 2)).transpose(1, 2)))))


class Drafter(nn.Module):
    """Encoder states -> scores of letters at each state, and of tokens in each slot.

    It can draft V of the decoder's tokens, by the decoder's own embeddings of them.
    """

    def __init__(self, ids: Tensor, table: Tensor) -> None:
        """ids: (V,) int64, the tokens that it can draft. table: (V, d), the decoder's embeddings of them."""
        super().__init__()
        width = table.shape[1]
        self.low = nn.ModuleList(Block(width, LOW_REACH) for _ in range(LOW))
        self.letters_norm = nn.LayerNorm(width)
        self.letters = nn.Linear(width, len(LETTERS) + 1)
        self.join = nn.Conv1d(width, width, STATES_PER_SLOT + 2, stride=STATES_PER_SLOT)
        self.high = nn.ModuleList(Block(width, HIGH_REACH) for _ in range(HIGH))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.project.weight)
        self.none = nn.Linear(width, 1)
        self.head = nn.Linear(width, len(ids))
        self.head.weight = nn.Parameter(table.detach().clone(), requires_grad=False)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("ids", ids)
        self.ids: Tensor

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, d) -> letters (B, S, 1 + letters) and slots (B, ceil(S / STATES_PER_SLOT), 1 + V). First comes "none"."""
        x = states
        for block in self.low:
            x = block(x)
        letters = self.letters(self.letters_norm(x))
        x = self.join(F.pad(x, (0, 0, 1, STATES_PER_SLOT)).transpose(1, 2)).transpose(1, 2)
        for block in self.high:
            x = block(x)
        x = self.norm(x)
        return letters, torch.cat((self.none(x), self.head(self.project(x))), -1)
