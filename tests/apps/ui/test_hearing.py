"""Words that the captioner is told before a request."""

from pathlib import Path
from types import SimpleNamespace

from tests.apps.ui.test_board import Scripted
from unmask.apps.cli.tasks.ui import Screen, UiOptions
from unmask.apps.ui.board import Board
from unmask.apps.ui.hearing import WORDS, expected
from unmask.apps.ui.surface import Panel, Row
from unmask.apps.ui.words import words_of
from unmask.bundle.manifest import load_bundle
from unmask.speech.captioner import Captioner
from unmask.speech.words import Phrase

MODELS = Path(__file__).parents[3] / "models"


def test_labels_of_the_panel_are_expected_and_their_words() -> None:
    panel = Panel((Row("Slider", 0, "Fog machine"), Row("Button", 0, "☺"), Row("Text", 0, "x" * 200), Row("CheckBox", 0, "To")))
    assert [phrase.text for phrase in expected(panel)] == [*WORDS, "Fog machine", "Fog", "machine"]
    assert [phrase.text for phrase in expected(None)] == list(WORDS)


def test_each_word_is_one_that_requests_have() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert all([word.text for word in words_of(text)] == text.split() for text in WORDS)


def test_all_of_them_can_be_spelled() -> None:
    captioner = Captioner(load_bundle(MODELS / "moonshine-tiny-en"))
    for phrase in expected(None):
        assert all(
            captioner.tokenizer.decode(ids).strip().lower() == phrase.text for ids, _ in phrase.spelled(captioner.tokenizer)
        )


def test_the_screen_expects_what_it_shows() -> None:
    told: list[list[Phrase]] = []
    screen = Screen(Board(Scripted()), UiOptions(quiet=True))  # type: ignore[arg-type]
    screen.listen_with(SimpleNamespace(expect=told.append))  # type: ignore[arg-type]
    screen.ask("volume")
    assert told[0] == expected(None)
    assert "Volume" in [phrase.text for phrase in told[1]]
