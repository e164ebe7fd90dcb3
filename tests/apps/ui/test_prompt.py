"""Prompts: words that are said again point to those before."""

import pytest

from unmask.apps.ui.prompt import prompt_of, repeated
from unmask.apps.ui.slots import IDS, REPEATED
from unmask.apps.ui.words import words_of


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("mode eco or boost and boost is selected", {"boost": 3}),
        ("warm white or cool white with cool white ticked", {"cool": 3, "white": 4}),
        ("a switch for the fan and a switch for the lamp", {}),
        ("from 5 to 10 no from 5 to 12", {}),
    ],
)
def test_words_that_are_said_again_tell_the_phrase_before(text: str, again: dict[str, int]) -> None:
    words = words_of(text)
    assert {word.text: before for word, before in zip(words, repeated(words), strict=True) if before is not None} == again


def test_a_mark_after_the_word_has_the_place_of_the_one_before() -> None:
    ids, places = prompt_of(words_of("eco or boost and boost"), None, lambda word: (1, 2))
    assert ids == [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, IDS[REPEATED]]
    assert places == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 2]
