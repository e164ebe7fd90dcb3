"""`unmask generate` with sound in its answer: written, played, and refused in a line."""

import json
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.apps.audio.test_speaker import StandIn
from tests.apps.conftest import Command
from unmask.apps.modalities.spoken import wav

FEW = ("--passes", "2", "--quiet")
SAY = ("--task", "tts", "--text", "good morning", *FEW)


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22_050, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "sounddevice", stand_in)  # type: ignore[arg-type]
    return stand_in


def test_a_text_is_said(command: Command, media: Path, tmp_path: Path) -> None:
    made = command("generate", media, *SAY, "--json", "--output", tmp_path / "answer.wav")
    assert (made.code, made.err) == (0, "")
    codes = json.loads(made.out)["codes"]["speech"]
    heard = samples(tmp_path / "answer.wav")
    assert heard.size == int(len(codes) * 441 / 64) * 256
    assert np.abs(heard).max() > 100
    command("generate", media, *SAY, "--output", tmp_path / "again.wav")
    np.testing.assert_array_equal(samples(tmp_path / "again.wav"), heard)


def test_an_answer_is_played_and_written(command: Command, media: Path, device: StandIn, tmp_path: Path) -> None:
    made = command("generate", media, *SAY, "--play", "--output", tmp_path / "answer.wav")
    assert (made.code, made.out, made.err) == (0, "", "")
    heard, written = np.concatenate(device.heard), samples(tmp_path / "answer.wav")
    assert heard.std() > 0.001
    start = int(np.flatnonzero(heard)[0])
    np.testing.assert_array_equal(np.round(heard[start : start + 4096] * 32767), written[:4096])


def test_each_wrong_thing_is_a_line(
    command: Command, media: Path, omni: Path, device: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: dict[tuple[str | Path, ...], str] = {
        ("generate", omni, *SAY, "--output", tmp_path / "a.wav"): "`unmask export BUNDLE --glm-voice FOLDER` adds it",
        ("generate", omni, *SAY, "--play"): "no codec that writes speech",
        (
            "generate",
            media,
            "--task",
            "t2i",
            "--text",
            "x",
            *FEW,
            "--play",
        ): "--play: this task gives image, so there is no sound",
        ("generate", media, *SAY, "--output", tmp_path / "a.mp3"): "it writes speech to a .wav file",
    }
    for line, told in lines.items():
        result = command(*line)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result
        assert told in result.err
    device.refused = ValueError("No output device found")
    refused = command("generate", media, *SAY, "--play")
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert "leave out --play" in refused.err
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert "pip install 'unmask[live]'" in command("generate", media, *SAY, "--play").err
    assert not (tmp_path / "a.wav").exists()


def test_samples_beyond_full_scale_are_cut_and_not_wrapped() -> None:
    data = wav(np.array([-2, -1, 0, 0.5, 1, 2], np.float32), ".wav")
    assert np.frombuffer(data[44:], "<i2").tolist() == [-32767, -32767, 0, 16384, 32767, 32767]


def test_a_decoder_is_added_and_one_of_another_model_is_named(command: Command, omni_files: Path, media: Path) -> None:
    wrong = command("export", media, "--glm-voice", omni_files / "magvit")
    assert (wrong.code, wrong.out, wrong.err.count("\n")) == (2, "", 2)
    assert "flow.pt: missing" in wrong.err
    told = " ".join(command("inspect", media).out.replace("│", " ").split())
    assert "writes speech; glm-voice/flow_encoder.onnx" in told
    assert "GLM-4 model license" in told
