"""Full stops that end a sentence, full stops that do not, and marks after closing quotes."""

import pytest

from tests.apps.captions.spoken import say
from unmask.apps.captions.sentences import ends_sentence, joint_cost
from unmask.speech.words import Word


@pytest.mark.parametrize(
    "text",
    [  # a bar stands after each word that ends a sentence
        "Mr. and Mrs. Jones met Prof. Lee at 5 p.m. in Washington D.C. today.|",
        "J. R. R. Tolkien wrote it.| He did.|",
        "It was I.| They knew.|",
        "See No. 5 and vol. 3.| No.| I will not.|",
        "The U.S. Senate met.| He left the U.S.| They stayed.|",
        "It began at 9 a.m. sharp.| It ended at 5 p.m.| He left.|",
        "Smith & Co. of London paid.| He owned Smith & Co.| It was sold.|",
        "St. Louis is near.| Dr. King spoke.| Gen. Lee came.|",
        'He asked, "Why?"| She said, "Go."| They went.|',
        '"Why?" he asked.| "Stop!" she cried.|',
        "Well... maybe.| Wait...| He went on.|",
        "It cost 3.5 dollars.| Really?!| Yes!|",
        "We saw lions, tigers, etc. in cages.| (It was late.)| And so on.|",
        "e.g. this, i.e. that.|",
        "“Is it Mr. Bennet?”| “No.”|",
    ],
)
def test_ends(text: str) -> None:
    words = say(text.replace("|", ""))
    found = [ends_sentence(words, i) for i in range(len(words))]
    assert found == [word.endswith("|") for word in text.split()]


def test_a_pause_after_an_abbreviation_is_an_end() -> None:
    for pause_s in (0.1, 0.5):
        words = [*say("at 5 p.m."), *say("John left.", start_s=0.9 + pause_s)]
        assert ends_sentence(words, 2) == (pause_s > 0.3)


def test_the_last_word_ends_a_sentence_if_it_has_the_mark() -> None:
    for text, ends in (("p.m.", True), ("then", False), ("then,", False)):
        assert ends_sentence([Word(text, 0, 1, 1)], 0) == ends


def test_where_a_cue_may_end() -> None:
    words = say("He came, and she went to the old house with him. Then Mr. Lee")
    cost = {word.text: joint_cost(words, i) for i, word in enumerate(words)}
    assert cost["him."] == 0 < cost["came,"] < cost["went"] < cost["old"] < cost["the"] == cost["Mr."]
