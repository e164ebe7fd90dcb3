"""Hints of training: each word of a request with the row that points to it."""

import numpy as np

from unmask.apps.ui.slots import POINTERS, ROWS
from unmask.training.ui.grammar.examples import draw
from unmask.training.ui.hint import ROLES, TYPES, told


def test_words_are_told_the_row_that_points_to_them() -> None:
    rng, pointing = np.random.default_rng(0), 0
    for _ in range(200):
        example = draw(rng)
        hints = told(example.filled)
        for number, row in enumerate(example.filled.rows):
            for role in ("low", "high", "value"):
                if (token := getattr(row, role)) in POINTERS:
                    hint = hints[POINTERS.index(token)]
                    assert ROLES[hint.role] == role
                    assert hint.row >= number  # rows that share a range: the last of them
                    assert hint.row > number or TYPES[hint.type] == (row.type if row.type in TYPES else TYPES[0])
                    pointing += 1
            if row.start in POINTERS and row.end in POINTERS:
                label = hints[POINTERS.index(row.start) : POINTERS.index(row.end) + 1]
                assert all(hint.row >= number for hint in label)  # a later row may have a part of the same words
                pointing += 1
        assert all(hint.row == ROWS for hint in hints[len(example.words) :])
    assert pointing > 300
