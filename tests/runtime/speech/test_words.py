"""Where words begin, and how sure they are over a recording."""

import pytest

from unmask.speech.words import FEWEST_WORDS, Word, mostly_unsure, starts_word, unsure_share


@pytest.mark.parametrize(
    ("unsure", "sure", "told"), [(12, 0, True), (7, 13, True), (6, 12, False), (0, 20, False), (11, 0, False), (0, 0, False)]
)
def test_a_good_third_of_enough_words(unsure: int, sure: int, told: bool) -> None:
    words = [Word("a", 0, 1, 0.29)] * unsure + [Word("b", 0, 1, 0.3)] * sure
    assert mostly_unsure(words) == told
    assert unsure_share(words) == (unsure / len(words) if words else 0)
    assert FEWEST_WORDS == 12


def test_a_word_begins_with_a_space_in_both_kinds_of_bpe() -> None:
    tokens = ["\u0120the", "\u2581the", "\u2581", "the", "<0x20>", "", None]
    assert [starts_word(token) for token in tokens] == [True, True, True, False, False, False, False]
