"""What the words of a request stand for, as a hint in training: row of the answer, its type, and the slot that points to them.

To fill the fifth row a model has to find the fifth thing that is said, so it has to count. It is told so at each word, in the
middle of the model. Words that no slot points to are told what they stand for as well, where they name an option that is chosen
or a row that is changed: the model has to find the same words elsewhere, in the request or on the panel. A bundle has nothing of
this.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from unmask.apps.ui.slots import COMPONENTS, NONE, ON, OPTION, POINTERS, READING, ROWS, TARGETS, WORDS, Slots
from unmask.apps.ui.surface import label_at
from unmask.apps.ui.words import places_of, words_of
from unmask.training.ui.grammar.sketch import Example

TYPES = (NONE, *COMPONENTS, OPTION, READING)
CHOSEN, CHANGED = "chosen", "changed"
NUMBER_SLOTS = ("low", "high", "value")
ROLES = (NONE, "label", *NUMBER_SLOTS, CHOSEN, CHANGED)
WIDTHS = (ROWS + 1, len(TYPES), len(ROLES))


class Hint(NamedTuple):
    """Of one word. A word that no row points to has the last number of a row."""

    row: int = ROWS
    type: int = 0
    role: int = 0


def told(example: Example) -> list[Hint]:
    """(WORDS,) what each word of a request stands for in its answer."""
    found = [Hint()] * WORDS
    for number, row in enumerate(example.filled.rows):
        kind = TYPES.index(row.type) if row.type in TYPES else 0
        for word, role in roles(row).items():
            found[word] = Hint(number, kind, ROLES.index(role))
    texts = [word.text for word in example.words]
    for number, name, role in _named(example, texts):
        kind = TYPES.index(OPTION) if role == CHOSEN else 0
        for at in places_of(name, texts):
            if all(found[word] == Hint() for word in at):
                found[at.start : at.stop] = [Hint(number, kind, ROLES.index(role))] * len(at)
    return found


def _named(example: Example, texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str], str]]:
    """(row of the answer, its name, role) of what a request may name without a slot that points to it."""
    for number, row in enumerate(example.filled.rows):
        if row.type == OPTION and row.value == ON:
            yield number, [texts[at] for at in label_at(row)], CHOSEN
        if row.place in TARGETS and example.panel:
            yield number, [word.text for word in words_of(example.panel.rows[TARGETS.index(row.place)].label)], CHANGED


def roles(row: Slots) -> dict[int, str]:
    """The words that a row points to, each with the slot that does."""
    found = {POINTERS.index(token): role for role in NUMBER_SLOTS if (token := getattr(row, role)) in POINTERS}
    return {word: "label" for word in label_at(row)} | found


def hint_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean nats of a word: logits (K, sum of WIDTHS), wanted (K, 3)."""
    parts = logits.float().split(WIDTHS, 1)
    losses = [F.cross_entropy(part, wanted[:, i]) for i, part in enumerate(parts)]
    return losses[0] + losses[1] + losses[2]
