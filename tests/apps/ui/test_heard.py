"""What is not a request: silence, noise, talk without an end. It is told, and nothing is lost."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.apps.conftest import Command
from tests.apps.ui.test_board import Scripted
from unmask.apps.cli.tasks.ui import PANELS, Screen, UiOptions
from unmask.apps.ui.board import Board
from unmask.apps.ui.filler import Filler
from unmask.bundle.manifest import load_bundle
from unmask.speech.events import Event


def heard(*texts: str, kind: str = "segment_ended", tentative: str = "") -> list[Event]:
    return [Event(kind, i, 0.0, stable=text, tentative=tentative) for i, text in enumerate(texts, 1)]  # type: ignore[arg-type]


@pytest.fixture
def screen() -> Screen:
    return Screen(Board(Scripted()), UiOptions(quiet=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("loud", [0.0, 0.05])
def test_silence_and_noise_ask_for_nothing(command: Command, tmp_path: Path, loud: float) -> None:
    samples = loud * np.random.default_rng(0).standard_normal(3 * 16_000)
    soundfile.write(tmp_path / "heard.wav", samples, 16_000)
    result = command("ui", tmp_path / "heard.wav")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_talk_without_an_end_is_told_and_the_next_request_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(Board(Filler(load_bundle(PANELS))), UiOptions(quiet=True))
    for event in [*heard("and then " * 100, kind="updated", tentative="so"), *heard("and then " * 100, "show a volume slider")]:
        screen.publish(event)
    out, err = capsys.readouterr()
    assert err == "unmask: the request has 200 words; at most 64 are understood, so say it in parts\n"
    assert '"Volume"' in out


def test_a_segment_without_words_is_not_a_request(screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    for event in heard("", "...", "♪"):
        screen.publish(event)
    assert capsys.readouterr() == ("", "")


def test_the_answer_comes_at_the_pause_and_once(screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    for event in heard("volume", "volume seven"):
        screen.publish(event)
    before = capsys.readouterr().out
    screen.publish(*heard("limit 5", kind="updated", tentative=" or"))
    assert capsys.readouterr().out == ""  # more is coming, and it may be a change
    screen.publish(*heard("limit 5", kind="updated"))
    at_the_pause = capsys.readouterr().out
    screen.publish(*heard("limit 5"))
    assert '"max":5' in at_the_pause
    assert capsys.readouterr().out == ""
    assert '"max":10' in before
