"""Hints of training: each word of a request with the row that points to it."""

import numpy as np

from unmask.apps.ui.slots import DEPTHS, EDIT, NEW, OFF, ON, OPTION, POINTERS, ROWS, TARGETS, Filled, Slots
from unmask.apps.ui.surface import Panel, Row
from unmask.apps.ui.words import words_of
from unmask.training.ui.grammar.examples import draw
from unmask.training.ui.grammar.sketch import Example
from unmask.training.ui.hint import CHANGED, CHOSEN, ROLES, TYPES, told


def test_words_are_told_the_row_that_points_to_them() -> None:
    rng, pointing = np.random.default_rng(0), 0
    for _ in range(200):
        example = draw(rng)
        hints = told(example)
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


def test_the_option_that_is_chosen_is_told_where_it_is_named_again() -> None:
    text = "mode with eco or turbo and preselect turbo"
    options = [Slots(OPTION, DEPTHS[1], POINTERS[at], POINTERS[at], value=value) for at, value in ((2, OFF), (4, ON))]
    picker = Slots("ChoicePicker", start=POINTERS[0], end=POINTERS[0])
    hints = told(Example(words_of(text), None, Filled(NEW, (picker, *options)), text, "new pick"))
    assert (hints[7].row, TYPES[hints[7].type], ROLES[hints[7].role]) == (2, OPTION, CHOSEN)
    assert ROLES[hints[4].role] == "label"
    assert hints[6].row == ROWS


def test_the_row_that_is_changed_is_told_where_it_is_named() -> None:
    text, panel = "turn the desk lamp on", Panel((Row("CheckBox", label="Fan"), Row("CheckBox", label="Desk lamp")))
    hints = told(Example(words_of(text), panel, Filled(EDIT, (Slots(place=TARGETS[1], value=ON),)), text, "edit turn"))
    assert [ROLES[hint.role] for hint in hints[:5]] == [ROLES[0], ROLES[0], CHANGED, CHANGED, ROLES[0]]
    assert hints[2].row == 0
