"""Texts as OmniVoice reads them: lengths, clean-up, pieces and styles. All of them equal the authors' code in benchmarks/lab."""

import pytest

from unmask.errors import InputError
from unmask.export.families.omnivoice import STYLES
from unmask.voice.duration import frames_of, weight
from unmask.voice.script import cleaned, ended, published_pieces, sentences
from unmask.voice.style import styled


@pytest.mark.parametrize(
    ("text", "frames"),
    [("Hello.", 28), ("Hello, world.", 36), ("The birch canoe slid on the smooth planks.", 63), ("你好，世界！", 38), ("", 1)],
)
def test_frames_of_a_text(text: str, frames: int) -> None:
    assert frames_of(text) == frames


def test_a_voice_and_a_speed_set_the_pace() -> None:
    text = "The birch canoe slid on the smooth planks."
    assert frames_of(text, text, 100) == 100
    assert frames_of(text, text, 100, speed=2.0) == 50
    assert frames_of(text, "\u0640", 100) == frames_of(text), "a transcript that weighs nothing sets none"
    assert weight("a 1é\u0301 \u0640中ガ한") == pytest.approx(1 + 0.2 + 3.5 + 1 + 0 + 0.2 + 0 + 3 + 2.2 + 2.5)


def test_texts_are_cleaned() -> None:
    assert cleaned("a\nb  c\t（d） 你 好 e") == "ab c (d)你好e"
    assert [ended(text) for text in ("Yes", "Yes!", "好", " ")] == ["Yes.", "Yes!", "好。", ""]


def test_published_pieces_end_after_clauses_but_not_abbreviations() -> None:
    text = "One, two. Mr. Smith went; “yes.” ok"
    assert published_pieces(text, 12) == ["One, two.", "Mr. Smith went;", "“yes.” ok"]
    assert "".join(published_pieces(text, 8)).replace(" ", "") == text.replace(" ", "")


def test_sentences_are_cut_where_they_are_too_long() -> None:
    text = 'He said "no." Then, after a while of waiting at the door, he went. Dr. No came!\nA line 好的。是'
    found = sentences(text, 30)
    assert found[0] == 'He said "no."'
    assert max(map(len, found)) <= 30
    assert "Dr. No came!" in found
    assert "".join(found).replace(" ", "") == text.replace(" ", "").replace("\n", "")
    assert sentences("x" * 100, 30) == ["x" * 30] * 3 + ["x" * 10]


def test_styles_are_known_words() -> None:
    def of(style: str, text: str = "hi") -> str:
        return styled("style", style, STYLES, text)

    assert of(" Male,british ACCENT，") == "male, british accent"
    assert of("male, whisper", "你好") == "男，耳语"
    assert of("male, indian accent", "你好") == "male, indian accent"
    assert of("female, 四川话") == "女，四川话"
    for style, told in {
        "mail": "did you mean 'male'",
        "male, female": "'male' and 'female', of which a voice has one",
        "british accent, 四川话": "of which a voice has one",
        ",": "names no word",
    }.items():
        with pytest.raises(InputError, match=told):
            of(style)
