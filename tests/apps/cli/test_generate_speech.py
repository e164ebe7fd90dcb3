"""`unmask generate --speech`: recordings of every kind, from files and standard input, and what cannot be read."""

import io
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.apps.conftest import CLIPS, Command
from unmask.apps.audio.files import read_recording

FEW = ("--task", "asr", "--length", "6", "--passes", "2", "--rule", "quota", "--quiet")
CLIP = CLIPS / "lj-jail.flac"


@pytest.fixture
def spoken(tmp_path: Path) -> dict[str, Path]:
    """The same second of speech in several formats, all at 16 kHz."""
    samples = read_recording(CLIP)[:16_000]
    made = {}
    for ending, subtype in (("wav", "PCM_16"), ("flac", "PCM_16"), ("mp3", "MPEG_LAYER_III")):
        made[ending] = tmp_path / f"question.{ending}"
        soundfile.write(made[ending], samples, 16_000, subtype)
    return made


@pytest.mark.slow
def test_wav_flac_and_mp3_are_answered(command: Command, media: Path, spoken: dict[str, Path]) -> None:
    told = {ending: command("generate", media, "--speech", path, *FEW) for ending, path in spoken.items()}
    assert {result.code for result in told.values()} == {0}
    assert told["wav"].out == told["flac"].out != ""
    assert {result.err for result in told.values()} == {""}


def test_standard_input_is_answered_as_the_file(
    command: Command, media: Path, spoken: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file = command("generate", media, "--speech", spoken["flac"], *FEW)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(spoken["flac"].read_bytes())))
    piped = command("generate", media, "--speech", "-", *FEW)
    assert (piped.code, piped.err) == (0, "")
    assert piped.out == from_file.out


def test_reference_mode_reads_with_dither_of_its_seed(command: Command, media: Path, spoken: dict[str, Path]) -> None:
    line = ("generate", media, "--task", "asr", "--length", "6", "--steps", "2", "--reference", "--quiet")
    first, again = (command(*line, "--speech", spoken["wav"], "--seed", "3") for _ in range(2))
    assert first.code == 0
    assert first.out == again.out


def write_hour(path: Path) -> None:
    """An hour of silence in 7 MB."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 1, 2000, 0, "NONE", ""))
        file.writeframes(bytes([128]) * 2000 * 3600)


def write_sound(path: Path, seconds: float) -> None:
    soundfile.write(path, 0.1 * np.ones(round(16_000 * seconds)), 16_000)


BAD = {
    "0.01 s": (lambda path: write_sound(path, 0.01), "the speech has 0.01 s of sound, less than one frame"),
    "200 s": (lambda path: write_sound(path, 200), "the speech has 200 s of sound; the model reads 120 s at most: cut it"),
    "an hour": (write_hour, "longer than 600 s, and a model reads less at once; cut it into parts"),
    "no sound": (lambda path: path.write_bytes(b"RIFF" + bytes(100)), "question.wav"),
    "a text": (lambda path: path.write_text("what is this"), "question.wav"),
    "nothing": (lambda path: path.write_bytes(b""), "the input speech is empty"),
    "a folder": (lambda path: path.mkdir(), "question.wav"),
    "not there": (lambda path: None, "question.wav"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_answered_is_one_line_and_code_2(command: Command, media: Path, tmp_path: Path, what: str) -> None:
    write, message = BAD[what]
    write(tmp_path / "question.wav")
    result = command("generate", media, "--speech", tmp_path / "question.wav", *FEW)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err


def test_without_the_encoder_the_command_that_adds_it_is_named(command: Command, omni: Path, spoken: dict[str, Path]) -> None:
    result = command("generate", omni, "--speech", spoken["wav"], *FEW)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "no codec that reads speech" in result.err
    assert "--sensevoice" in result.err


def test_pictures_are_not_read_from_standard_input(command: Command, omni: Path) -> None:
    result = command("generate", omni, "--task", "vqa", "--prompt", "x", "--image", "-")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "image is read from a file, not from standard input" in result.err


def test_speech_codes_are_still_numbers_in_a_file(command: Command, media: Path, tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_text("1 2 3")
    assert command("generate", media, "--speech", tmp_path / "codes.txt", *FEW).code == 0
