"""What lies outside the sticker world is told: words, and pictures."""

from pathlib import Path

import pytest

from unmask.session import Session, open_model
from unmask.training.stickers.exam import held_out_cases


@pytest.fixture(scope="module")
def session(bundle: Path) -> Session:
    return open_model(bundle)


def test_words_that_are_no_tokens_are_named_with_the_nearest_known(session: Session) -> None:
    assert session.doubts("t2i", {"text": "A small red CAR, in the middle."}) == ()
    (told,) = session.doubts("t2i", {"text": "a glittering unicorn and a baloon"})
    assert told.startswith("checkpoint does not know 'glittering', 'unicorn', 'baloon' (did you mean 'balloon'?);")


def test_no_word_of_a_description_is_unknown(session: Session) -> None:
    for case in held_out_cases(50, 3):
        assert session.doubts("t2i", {"text": case.text}) == ()
        assert session.doubts("vqa", {"text": case.question.text, "image": [0] * 64}) == ()
