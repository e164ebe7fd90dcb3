"""The grammar: pointers lead to the words that were meant, held-back phrasings stay out of training."""

import re
from collections import Counter
from itertools import product

import numpy as np
import pytest

from unmask.apps.ui.slots import CANNOT, CLOSE, EDIT, FIELDS, NEW, ON, UNCLEAR, UNDO, allowed
from unmask.apps.ui.surface import once, read
from unmask.training.ui.grammar import names
from unmask.training.ui.grammar.controls import picker
from unmask.training.ui.grammar.examples import draw
from unmask.training.ui.grammar.phrasing import Talk, Tree, known, parsed, resolved, tagged
from unmask.training.ui.grammar.sketch import Sketch


@pytest.mark.parametrize("held", [False, True])
def test_answers_are_what_they_say(held: bool) -> None:
    rng, kinds = np.random.default_rng(0), Counter[str]()
    for _ in range(400):
        example = draw(rng, held)
        outcome = read(example.filled, example.words, example.panel)
        kinds[outcome.kind] += 1
        emptied = example.filled.kind == EDIT and outcome.panel is None  # the last control is removed
        assert outcome.kind == example.filled.kind or emptied, example.text
        assert bool(example.strange) >= held
        known = allowed(example.words, len(example.panel.rows) if example.panel else 0)
        answer = zip(example.filled.ids, ("kind", *FIELDS * len(example.filled.rows)), strict=True)
        assert all(any(low <= id < high for low, high in known[slot]) for id, slot in answer), example.text
        if outcome.kind == NEW:
            assert outcome.panel is not None
            meant = [row for row in example.filled.rows if row.type != "Row"]
            assert len([row for row in outcome.panel.rows if row.type != "Row"]) == len(meant), example.text
    assert {NEW, EDIT, UNDO, CLOSE, CANNOT, UNCLEAR} == kinds.keys()


def test_training_sees_no_phrasing_that_is_held_back() -> None:
    rng = np.random.default_rng(1)
    assert not any(draw(rng).strange for _ in range(300))
    with_plus = known()["and"]
    assert {Talk(rng, False).say("and") for _ in range(2000)} == set(with_plus.train)
    assert {Talk(rng, True).say("and") for _ in range(2000)} == {*with_plus.train, *with_plus.held}


def test_each_phrasing_is_well_formed_and_either_seen_or_held_back() -> None:
    for name, phrases in known().items():
        assert phrases.train, name
        assert phrases.held, name
        assert not set(phrases.train) & set(phrases.held)
        for pattern in (*phrases.train, *phrases.held):
            parsed(pattern.lstrip("!?"))


def every(tree: Tree) -> list[str]:
    """All that a pattern can say."""
    kind, parts = tree
    if kind == "|":
        return [text for part in parts for text in every(part)]
    if kind == "?":
        return ["", *every(parts[0])]
    if kind == "+":
        return ["".join(texts) for texts in product(*map(every, parts))]
    return [kind[1:]]


def test_no_phrasing_for_training_says_what_one_that_is_held_back_says() -> None:
    for phrases in known().values():
        seen, held = (
            {" ".join(text.lower().split()) for pattern in part for text in every(parsed(pattern.lstrip("!?")))}
            for part in (phrases.train, phrases.held)
        )
        assert not seen & held


def test_whole_sentences_are_not_put_into_others() -> None:
    rng = np.random.default_rng(2)
    for text in [example.text for example in (draw(rng) for _ in range(500)) if example.filled.kind == NEW]:
        assert not re.search(r"(show|give|make|draw|have|need|want) (me )?(let me|i want|people|set a|wake)", text), text


def test_names_for_tests_are_not_for_training() -> None:
    for group in (names.ROOMS, names.DEVICES, names.LEVELS, names.ITEMS, names.BUTTONS + names.DEEDS):
        assert group.train
        assert group.held
        assert not set(group.train) & set(group.held)
        assert group.part(True) == group.held
    assert names.TIMES.part(True) == names.TIMES.train
    sets, held_sets = names.option_sets(False), names.option_sets(True)
    assert all(len(set(each)) == len(each) > 1 for each in (*sets, *held_sets))
    assert not set(sets) & set(held_sets)


def test_training_practices_what_tests_ask_for_as_often_as_people_do() -> None:
    def chosen(held: bool) -> float:
        """Share of pickers for one option in which it is said which one is chosen."""
        rng, found = np.random.default_rng(6), list[bool]()
        for _ in range(200):
            s = Sketch(Talk(rng, held))
            picker(s)
            if "multipleSelection" not in s.rows[0].look:
                found.append(any(row.value == ON for row in s.rows))
        return float(np.mean(found))

    assert chosen(held=True) < 0.5 < chosen(held=False)


def test_parts_are_found_again() -> None:
    marked = f"from {tagged('a', 'minus five')} to {tagged('b', 'twenty five')} for {tagged('c', 'the big lamp')}"
    words, spans, text = resolved(marked)
    assert text == "from minus five to twenty five for the big lamp"
    assert [words[first].number for first, _ in (spans["a"], spans["b"])] == [-5, 25]
    assert [word.text for word in words[spans["c"][0] : spans["c"][1] + 1]] == ["the", "big", "lamp"]


def test_patterns() -> None:
    talk = Talk(np.random.default_rng(0), False)
    found = {talk.expand("(a|b (c|d)) [e|f] {x}", {"x": "y"}) for _ in range(200)}
    assert found == {f"{left}{right} y" for left in ("a", "b c", "b d") for right in ("", " e", " f")}
    with pytest.raises(ValueError, match="unbalanced"):
        parsed("a)")


@pytest.mark.parametrize("held", [False, True])
def test_no_request_of_the_grammar_asks_for_a_thing_twice(held: bool) -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        example = draw(rng, held)
        assert once(example.filled.rows, example.words) == list(example.filled.rows), example.text
