"""`unmask speak`: a text aloud, by the model that ships and by a tiny OmniVoice of random weights; and what cannot be said."""

import io
import json
import shutil
import sys
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.apps.conftest import Command
from unmask import Kept, open_model
from unmask.apps.audio.files import demo_clips
from unmask.benchmarks.scenarios.speech.higgs import SMALL_CODEC, write_codec
from unmask.errors import BundleError, InputError
from unmask.session import RunOptions
from unmask.voice.saying import SayOptions

TEXT = "The birch canoe slid on the smooth planks. It was late. Nobody saw it until the next morning came along!"


def sound(path: Path) -> tuple[int, int]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), file.getnframes()


def save(path: Path, samples: "np.ndarray", rate_hz: int = 24_000) -> Path:  # type: ignore[type-arg]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def test_the_model_that_ships_speaks(command: Command, tmp_path: Path) -> None:
    told = command("speak", "a big cat on the left", "--output", tmp_path / "a.wav")
    assert (told.code, told.out) == (0, "")
    assert "s of speech in one part" in told.err
    rate_hz, frames = sound(tmp_path / "a.wav")
    assert rate_hz == 22_050
    assert frames > rate_hz


def test_sentences_are_parts_that_join_to_the_file(command: Command, voice: Path, tmp_path: Path) -> None:
    told = command("speak", TEXT, "--bundle", voice, "--output", tmp_path / "a.wav")
    assert told.code == 0, told.err
    assert "in 2 parts, the first after" in told.err
    assert "20 passes" in told.err
    parts = list(open_model(voice).say(TEXT))
    assert [part.text for part in parts] == [TEXT[:42], TEXT[43:]]
    assert sound(tmp_path / "a.wav") == (24_000, sum(len(part.samples) for part in parts))
    assert all(np.abs(part.samples).max() <= 1 for part in parts)
    assert parts[1].rows > parts[0].rows, "the first sentence is the voice of the second"


def test_standard_input_style_and_speed(command: Command, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello there, all of you."))
    line = ("--bundle", voice, "--style", "Female, whisper", "--language", "en", "--speed", "2", "--quiet")
    told = command("speak", "-", *line, "--output", tmp_path / "a.wav")
    assert (told.code, told.out, told.err) == (0, "", "")


def test_a_voice_is_heard_saved_and_used_again(command: Command, voice: Path, tmp_path: Path) -> None:
    saved = tmp_path / "jail.json"
    told = command("speak", "Yes.", "--bundle", voice, "--voice", demo_clips()[2], "--save-voice", saved)
    assert told.code == 0, told.err
    assert "Heard in" in told.err
    kept = json.loads(saved.read_text())
    assert kept["streams"] == 8
    assert kept["transcript"].startswith("The inadequacy of the jail")
    line = ("speak", "Yes, it is.", "--bundle", voice, "--voice", saved, "--reference", "--steps", "3")
    assert command(*line, "--output", tmp_path / "a.wav").code == 0
    assert sound(tmp_path / "a.wav")[0] == 24_000


def test_tasks_in_python(voice: Path) -> None:
    session = open_model(voice)
    assert session.says() == ("tts", "clone")
    answer = session.run("tts", {"text": "Hello."})
    assert len(answer.media["speech"]) == 28 * 960  # type: ignore[union-attr]
    steps = list(session.steps("tts", {"text": "Hello."}, RunOptions(length=4)))
    assert [len(step.ids) for step in steps] == [32] * len(steps)
    assert steps[-1].masked == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (("speak", "hello"), "nothing would be heard: give --output FILE.wav, or --play"),
        (("speak", " ", "--output", "a.wav"), "there is no text to say"),
        (("speak", "a" * 100_000, "--output", "a.wav"), "the text has 100000 characters; 20000 are said at once"),
        (("speak", "hello", "--output", "a.mp3"), "it writes speech to a .wav file"),
        (("speak", "x <|text_end|> y", "--output", "a.wav"), "contains '<|text_end|>', a mark of the model's prompt"),
        (("speak", "hello", "--output", "a.wav", "--style", "mail"), "did you mean 'male'?"),
        (
            ("speak", "hello", "--output", "a.wav", "--language", "en-US"),
            "the model knows; near ones: en (English)",
        ),
        (("speak", "hello", "--output", "a.wav", "--language", "germn"), "near ones: de (German), "),
        (("speak", "hello", "--output", "a.wav", "--speed", "9"), "speed is 9; 0.25 to 4 can be said"),
        (("speak", "hello", "--output", "a.wav", "--transcript", "x"), "--transcript: read only with --voice RECORDING"),
        (("speak", "hello", "--output", "a.wav", "--voice", "none.wav"), "none.wav: no such file"),
        (("speak", "hello", "--output", "a.wav", "--duration-s", "2", "--speed", "2"), "given without a speed"),
        (("speak", "hello", "--output", "a.wav", "--reference", "--threshold", "0.5"), "--threshold: the published decoding"),
    ],
)
def test_what_cannot_be_said(
    command: Command, voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = command(*line, "--bundle", voice)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said
    assert told in said.err
    assert not list(tmp_path.iterdir())


def test_voices_that_are_none(command: Command, voice: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    short, long = save(tmp_path / "short.wav", rng.normal(0, 0.1, 2400)), save(tmp_path / "long.wav", np.zeros(600 * 8000), 8000)
    music = save(tmp_path / "music.wav", 0.3 * np.sin(np.arange(24_000 * 5) * 0.05))
    silent = save(tmp_path / "silent.wav", np.zeros(24_000 * 5))
    (tmp_path / "saved.json").write_text("{}")
    cases = {
        ("--voice", short): "short.wav: 0.1 s of sound; 1 to 30 s are read, best 3 to 10 s",
        ("--voice", long): "longer than 60 s",
        ("--voice", music): "no words are heard in it",
        ("--voice", music, "--transcript", "no"): "takes about 0.9 s to say, and the voice has",
        ("--voice", silent, "--transcript", "Yes, it is so."): "the voice is silent",
        ("--voice", tmp_path / "saved.json"): "no voice that was saved",
    }
    for line, told in cases.items():
        said = command("speak", "hello", "--bundle", voice, *line, "--output", tmp_path / "a.wav")
        assert (said.code, said.err.count("\n")) == (2, 1), (line, said)
        assert told in said.err, said.err
    own = command("speak", "hello", "--voice", music, "--output", tmp_path / "a.wav")
    assert "omni-tiny speaks in its own voice alone" in own.err


def test_codecs_of_other_models_are_refused(command: Command, voice: Path, omni_files: Path, tmp_path: Path) -> None:
    own, other = shutil.copytree(voice, tmp_path / "own"), tmp_path / "other"
    write_codec(other, replace(SMALL_CODEC, streams=4))
    for folder, told in (
        (other, "the codec higgs has 4 streams of 1024 codes, and the model 8 of 1024: it is another model's"),
        (omni_files / "magvit", "config.json: not there"),
        (tmp_path / "none", "not there"),
    ):
        said = command("export", own, "--higgs", folder, "--quiet")
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1), said
        assert told in said.err
    assert command("speak", "Hi.", "--bundle", own, "--output", tmp_path / "a.wav").code == 0


def test_bundles_that_do_not_speak_and_options_that_do_not_fit(
    command: Command, voice: Path, backbones: dict[str, Path], tmp_path: Path
) -> None:
    told = command("speak", "hello", "--bundle", backbones["dream"], "--output", tmp_path / "a.wav")
    assert "has no task that says a text" in told.err
    assert "run unmask speak --bundle" in command("generate", voice, "--prompt", "x").err
    session = open_model(voice)
    with pytest.raises(InputError, match="keeps no part"):
        session.run("tts", {"text": "x"}, RunOptions(keep={"speech": Kept([1], np.ones(1, bool))}))
    with pytest.raises(InputError, match="call run or steps"):
        session.request("tts", {"text": "x"})
    with pytest.raises(InputError, match="a frame has 8 whole ones"):
        session.run("clone", {"text": "x", "transcript": "y", "voice": (1, 2, 3)})
    with pytest.raises((InputError, BundleError), match="one voice and one way to speak"):
        list(open_model("models/omni-tiny").say("a cat", SayOptions(style="male")))
