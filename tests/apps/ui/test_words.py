"""Requests as words: numbers and times are the same said or written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.apps.ui.words import label_of, spoken, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("from ten to twenty-five degrees", "from 10 to 25 degrees"),
        ("From 10 to 25°", "from 10 to 25 degrees"),
        ("between one hundred and two hundred", "between 100 and 200"),
        ("one hundred and five, a hundred, 1,500", "105 , 100 , 1500"),
        ("minus five to two point five or 21.5", "-5 to 2.5 or 21.5"),
        ("two and a half", "2.5"),
        ("twenty, thirty and forty", "20 , 30 and 40"),
        ("wake me at seven thirty", "wake me at 07:30"),
        ("an alarm for seven, fifteen on Monday, and tea", "an alarm for 07:15 on monday , and tea"),
        ("a choice for five, ten and fifteen", "a choice for 5 , 10 and 15"),
        ("7:30 p.m. and 6 a m, half past six pm", "19:30 and 06:00 , 18:30"),
        ("quarter to nine o'clock? 40%", "08:45 o'clock 40 percent"),
        ("um, show uh me the LED's", ", show me the led's"),
        ("", ""),
    ],
)
def test_words(text: str, words: str) -> None:
    assert " ".join(word.text for word in words_of(text)) == words


@given(st.floats(-5000, 999_999, allow_nan=False).map(lambda x: round(x, 1)))
def test_a_number_is_the_same_said_and_written(number: float) -> None:
    for text in (spoken(number), f"{number:.1f}".removesuffix(".0")):
        assert [word.number for word in words_of(text)] == [number]


@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    words = words_of(text)
    assert all(word.text and word.text == word.text.strip() for word in words)


def test_labels_are_as_they_were_written() -> None:
    assert label_of(words_of("my LED strip")) == "My LED strip"
    assert label_of(words_of("twenty five")) == "Twenty five"
