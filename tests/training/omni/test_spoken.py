"""Requests that are spoken, and answers that are said, by `unmask generate` with a bundle of omni-tiny."""

import wave
from pathlib import Path

import numpy as np
import pytest

from tests.training.omni.test_bundle import PIXELS
from unmask.apps.cli.main import main
from unmask.apps.modalities.heard import in_words_of
from unmask.apps.modalities.pictures import png
from unmask.apps.modalities.spoken import wav
from unmask.bundle.manifest import load_bundle

RECORDING = Path(__file__).parents[3] / "apps" / "clips" / "lj-jail.flac"


def seconds(path: Path) -> float:
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


def test_what_is_heard_is_taken_in_words_of_the_model(bundle: Path) -> None:
    own = load_bundle(bundle)
    assert in_words_of(own, "Two small red cards, on the left!") == "two small red cars, on the left"
    assert in_words_of(own, "a snow man on a sand back ground") == "a snowman on a sand background"
    assert in_words_of(own, "A big zyx.") == "a big zyx"
    assert in_words_of(own, "Is there a cat?") == "is there a cat?"


def test_a_spoken_request_becomes_a_picture(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "picture.png"
    assert main(["generate", str(bundle), "--task", "t2i", "--speech", str(RECORDING), "--output", str(picture)]) == 0
    told = capsys.readouterr().err
    assert told.startswith("Heard: ")
    assert " Taken as: " in told
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_question_on_a_picture_is_answered_aloud(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "picture.png").write_bytes(png(PIXELS, ".png"))
    request = [
        "generate",
        str(bundle),
        "--task",
        "vqa",
        "--image",
        str(tmp_path / "picture.png"),
        "--text",
        "what is on the left?",
    ]
    assert main([*request, "--quiet"]) == 0
    text = capsys.readouterr().out
    assert main([*request, "--quiet", "--output", str(tmp_path / "answer.wav")]) == 0
    assert capsys.readouterr().out == text
    assert main(["generate", str(bundle), "--task", "t2s", "--text", text.strip(), "--output", str(tmp_path / "said.wav")]) == 0
    assert (tmp_path / "answer.wav").read_bytes() == (tmp_path / "said.wav").read_bytes()
    assert seconds(tmp_path / "said.wav") >= 0.4


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"1 2 3", "codes cannot be heard"), (wav(np.zeros(2205, np.float32), ".wav"), "no words are heard")],
)
def test_a_request_without_words_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, error: str
) -> None:
    (tmp_path / "request.wav").write_bytes(content)
    assert main(["generate", str(bundle), "--task", "t2i", "--speech", str(tmp_path / "request.wav")]) == 2
    told = capsys.readouterr().err
    assert error in told
    assert told.count("\n") == 1
