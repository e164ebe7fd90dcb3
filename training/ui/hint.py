"""What the words of a request stand for, as a hint in training: row of the answer, its type, and the slot that points to them.

To fill the fifth row a model has to find the fifth thing that is said, so it has to count. It is told so at each word, in the
middle of the model. A bundle has nothing of this.
"""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from unmask.apps.ui.slots import COMPONENTS, NONE, OPTION, POINTERS, READING, ROWS, WORDS, Filled, Slots

TYPES = (NONE, *COMPONENTS, OPTION, READING)
ROLES = (NONE, "label", "low", "high", "value")
WIDTHS = (ROWS + 1, len(TYPES), len(ROLES))


class Hint(NamedTuple):
    """Of one word. A word that no row points to has the last number of a row."""

    row: int = ROWS
    type: int = 0
    role: int = 0


def told(filled: Filled) -> list[Hint]:
    """(WORDS,) what each word of a request stands for in its answer."""
    found = [Hint()] * WORDS
    for number, row in enumerate(filled.rows):
        kind = TYPES.index(row.type) if row.type in TYPES else 0
        for word, role in roles(row).items():
            found[word] = Hint(number, kind, ROLES.index(role))
    return found


def roles(row: Slots) -> dict[int, str]:
    """The words that a row points to, each with the slot that does."""
    found = {POINTERS.index(token): role for role in ROLES[2:] if (token := getattr(row, role)) in POINTERS}
    if row.start in POINTERS:
        label = range(POINTERS.index(row.start), POINTERS.index(row.end) + 1)
        found = {word: "label" for word in label} | found
    return found


def hint_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean nats of a word: logits (K, sum of WIDTHS), wanted (K, 3)."""
    parts = logits.float().split(WIDTHS, 1)
    losses = [F.cross_entropy(part, wanted[:, i]) for i, part in enumerate(parts)]
    return losses[0] + losses[1] + losses[2]
