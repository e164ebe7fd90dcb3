"""Requests that are spoken, and answers that are said, by `unmask generate` with a bundle of omni-tiny."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.training.omni.test_bundle import LINES, PIXELS
from unmask.apps.cli.main import main
from unmask.apps.cli.tasks.narration import Narrator
from unmask.apps.modalities.heard import in_words_of
from unmask.apps.modalities.pictures import png
from unmask.apps.modalities.spoken import wav
from unmask.bundle.manifest import load_bundle
from unmask.errors import InputError
from unmask.session import open_model

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


@pytest.mark.parametrize("task", ["t2i", "sketch"])
def test_a_picture_is_narrated(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str) -> None:
    picture, said = tmp_path / "picture.png", tmp_path / "said.wav"
    (tmp_path / "lines.png").write_bytes(png(LINES, ".png"))
    given = ["--image", str(tmp_path / "lines.png")] if task == "sketch" else []
    request = ["generate", str(bundle), "--task", task, "--text", "a big cat", *given, "--quiet"]
    assert main([*request, "--output", str(picture), "--narration", str(said)]) == 0
    told = capsys.readouterr().out.strip()
    assert told
    assert (
        main(["generate", str(bundle), "--task", "t2s", "--text", told, "--output", str(tmp_path / "again.wav"), "--quiet"]) == 0
    )
    assert said.read_bytes() == (tmp_path / "again.wav").read_bytes()
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main([*request, "--json", "--narration", str(said)]) == 0
    assert json.loads(capsys.readouterr().out)["narration"] == told


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("t2s", "--narration", "said.wav"), "--narration says what a picture shows, and t2s gives speech; leave it out"),
        (("t2i", "--narration", "said.mp3"), "this task gives speech; it writes speech to a .wav file"),
        (("t2i", "--narration", "nowhere/said.wav"), "there is no folder nowhere; make it first"),
    ],
)
def test_a_narration_that_cannot_be(bundle: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], error: str) -> None:
    assert main(["generate", str(bundle), "--text", "a cat", "--task", *words]) == 2
    told = capsys.readouterr()
    assert (told.out, error in told.err, told.err.count("\n")) == ("", True, 1), told.err


def test_no_words_are_not_said(bundle: Path, tmp_path: Path) -> None:
    session = open_model(bundle)
    narrator = Narrator(session, session.task("t2i"), tmp_path / "said.wav")
    assert session.generator is not None
    with pytest.raises(InputError, match="nothing is said, since the model found no words for its picture"):
        narrator.say(session.generator, "")
    session.tasks.pop("i2t")
    with pytest.raises(InputError, match="has no task that tells what a picture shows; leave it out"):
        Narrator(session, session.task("t2i"), tmp_path / "said.wav")


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
