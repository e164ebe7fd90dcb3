"""The example for boards: a recording or a pipe in, text out, with LiteRT and with ONNX Runtime."""

import io
import subprocess
import sys
import types
import wave
from pathlib import Path

import numpy as np
import pytest

from unmask import Captioner, load_bundle
from unmask.apps import board
from unmask.apps.audio.files import read_recording
from unmask.apps.cli.shipped import SHIPPED


def written(path: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def wav(clip: Path, tmp_path: Path) -> Path:
    return written(tmp_path / "clip.wav", read_recording(clip))


def test_a_recording_is_captioned(wav: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert board.main([str(SHIPPED), str(wav), "--engine", "onnx"]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == Captioner(load_bundle(SHIPPED)).load().caption(board.read_wav(wav)).text
    assert "ready after" in err
    assert "s of audio in" in err


def test_a_pipe_is_captioned_live(wav: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with wave.open(str(wav)) as file:
        data = file.readframes(file.getnframes())
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(data + b"\x01")))
    assert board.main([str(SHIPPED), "-", "--engine", "onnx"]) == 0
    assert "jail" in capsys.readouterr().out


def test_the_bundle_of_litert_is_what_it_is_for(
    fp32_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], captioner: object
) -> None:
    pytest.importorskip("litert_torch")
    from unmask.export.litert_bundle import write_litert
    from unmask.export.modules.static import captioner_graph

    sizes = [
        ("context", {"slots": 20}),
        ("window", {"rows": 20, "wanted": 20, "slots": 21}),
        ("verify", {"tokens": 90, "past": 90, "slots": 20}),
    ]
    graphs = [captioner_graph(captioner, role, size, 2, 0.0) for role, size in sizes]  # type: ignore[arg-type]
    bundle = write_litert(load_bundle(fp32_bundle), tmp_path / "litert", graphs)
    noise = written(tmp_path / "noise.wav", 0.1 * np.clip(np.random.default_rng(0).normal(size=24000), -3, 3))
    assert board.main([str(bundle), str(noise)]) == 0
    text = capsys.readouterr().out
    assert board.main([str(fp32_bundle), str(noise), "--engine", "onnx"]) == 0
    assert text == capsys.readouterr().out


def test_what_cannot_be_used_is_told_in_a_line(wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stereo = written(tmp_path / "fast.wav", np.zeros(100), rate=44100)
    assert board.main([str(SHIPPED), str(stereo), "--engine", "onnx"]) == 2
    assert "44100 Hz" in capsys.readouterr().err
    (tmp_path / "no.wav").write_bytes(b"RIFF")
    assert board.main([str(SHIPPED), str(tmp_path / "no.wav"), "--engine", "onnx"]) == 2
    assert board.main([str(SHIPPED), str(wav), "--engine", "litert"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "litert" in err.splitlines()[-1]


def test_it_needs_the_runtime_alone() -> None:
    """None of the packages of the extra `apps`: a board has little room."""
    code = "import sys, unmask.apps.board; print([m for m in ('cyclopts', 'rich', 'soundfile', 'soxr') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
