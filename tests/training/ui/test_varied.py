"""Requests in other words still ask for the same."""

import numpy as np

from unmask.apps.ui.slots import NEW, WORDS
from unmask.apps.ui.surface import Panel, read
from unmask.apps.ui.words import words_of
from unmask.training.ui.grammar.examples import draw
from unmask.training.ui.grammar.made_up import made_up
from unmask.training.ui.grammar.names import COMPOUNDS, held_words
from unmask.training.ui.grammar.phrasing import held_back_words
from unmask.training.ui.misheard import differences, misheard
from unmask.training.ui.varied import SMALL, heard, moved, named, pointed, reworded, shortened, strewn, synonyms, varied


def numbers(panel: Panel | None) -> list[tuple[object, ...]]:
    rows = panel.rows if panel else ()
    return [(row.type, row.depth, row.low, row.high, row.value, row.icon, row.style) for row in rows]


def test_all_but_the_labels_stays() -> None:
    rng, other = np.random.default_rng(0), 0
    for _ in range(400):
        example = draw(rng)
        changed = varied(example, rng)
        before, after = (read(each.filled, each.words, each.panel) for each in (example, changed))
        assert after.kind == before.kind
        if before.kind == NEW:
            assert numbers(after.panel) == numbers(before.panel)
        other += changed.words != example.words
    assert 150 < other < 350


def test_words_that_mean_nothing_change_no_label() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        example = draw(rng)
        if len(example.words) <= WORDS - 3:
            changed = moved(example, *strewn(example.words, pointed(example), rng))
            assert len(changed.words) > len(example.words)
            assert read(changed.filled, changed.words, None).panel == read(example.filled, example.words, None).panel


def test_small_words_that_are_left_out_change_no_label() -> None:
    rng, shorter = np.random.default_rng(5), 0
    for _ in range(300):
        example = draw(rng)
        kept = pointed(example) | named(example)
        changed = moved(example, *shortened(example.words, kept, rng))
        assert changed.words
        assert [w for w in changed.words if w.text not in SMALL] == [w for w in example.words if w.text not in SMALL]
        assert read(changed.filled, changed.words, None).panel == read(example.filled, example.words, None).panel
        shorter += len(changed.words) < len(example.words)
    assert shorter > 100


def test_synonyms_are_words_and_none_makes_a_phrasing_that_is_held_back() -> None:
    for word, others in synonyms().items():
        assert words_of(word)[0].text == word
        for other in others:
            assert set(other.split()) - held_back_words(), other
            assert all(each.number is None and each.time is None for each in words_of(other)), other


def test_other_words_of_the_same_meaning_leave_labels_and_names_of_rows() -> None:
    rng, other = np.random.default_rng(4), 0
    for _ in range(300):
        example = draw(rng)
        kept = pointed(example) | named(example)
        words, places = reworded(example.words, kept, rng)
        assert [words[places[i][0] : places[i][1] + 1] for i in sorted(kept)] == [[example.words[i]] for i in sorted(kept)]
        other += words != example.words
    assert other > 60


def test_places_of_words_follow_them() -> None:
    words, rng = words_of("give me a button for the garage door from 3 to 9"), np.random.default_rng(1)
    for _ in range(200):
        found, places = heard(words, (), rng)
        assert (places[0][0], places[-1][1]) == (0, len(found) - 1)
        assert places == sorted(places)
        assert [found[places[i][0]].number for i in (9, 11)] == [3, 9]
        found, places = strewn(words, {6, 7}, rng)
        assert [found[first] for first, _ in places] == words
        assert places[7][0] - places[6][1] == 1  # nothing inside of "garage door"


def test_what_was_misheard_is_words_for_words() -> None:
    assert differences("show me a slider from ten", "so me a glider from then") == [("show", "so"), ("slider", "glider")]
    assert differences("the same", "the same.") == []
    for said, instead in misheard().items():
        assert 1 <= len(said.split()) <= 2
        assert all(word.number is None for text in (said, *instead) for word in words_of(text))


def test_names_of_no_list_have_no_word_that_is_held_back() -> None:
    rng = np.random.default_rng(2)
    names = [made_up(rng, held_words()) for _ in range(2000)]
    assert not {word for name in (*names, *COMPOUNDS.train) for word in name.split(" ")} & held_words()
    assert len(set(names)) > 1800
