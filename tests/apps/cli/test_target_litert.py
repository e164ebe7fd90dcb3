"""From a bundle, or a checkpoint, to LiteRT's graphs and what they say, by the commands of docs/targets/linux-arm64.md."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.apps.conftest import Command
from unmask.bundle.manifest import load_bundle


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    soundfile.write(path, (0.3 * np.sin(np.arange(24000) ** 1.3 / 40)).astype(np.float32), 16000)
    return path


@pytest.mark.convert
def test_a_caption_bundle_for_litert_says_the_same(command: Command, fp32_bundle: Path, tmp_path: Path, recording: Path) -> None:
    pytest.importorskip("litert_torch")
    made = {}
    for form in ("fp32", "int8"):
        out = tmp_path / form
        done = command("quantize", fp32_bundle, "--target", "litert", "--to", form, "--longest-s", "1.5", "--out", out)
        assert (done.code, done.out) == (0, f"{out}\n")
        manifest = load_bundle(out).manifest
        assert not manifest.graphs
        assert {bucket.role for bucket in manifest.buckets} == {"context", "window"}
        assert {(bucket.engine, bucket.precision, bucket.file) for bucket in manifest.buckets} == {
            ("litert", form, "graphs.tflite")
        }
        made[form] = command("caption", recording, "--bundle", out, "--engine", "litert", "--verify", "3")
        assert made[form].code == 0
    assert made["fp32"].out == command("caption", recording, "--bundle", fp32_bundle, "--verify", "3").out
    assert "it has one for --engine litert" in command("caption", recording, "--bundle", tmp_path / "fp32").err
    recording.with_suffix(".txt").write_text("something was said", encoding="utf-8")
    assert command("tune", fp32_bundle, "--also", tmp_path / "fp32", "--audio", recording, "--rounds", "1").code == 0
    longer = tmp_path / "longer.wav"
    soundfile.write(longer, np.tile(soundfile.read(recording)[0], 4), 16000)
    told = command("caption", longer, "--bundle", tmp_path / "fp32", "--engine", "litert", "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["words"][-1]["end_s"] > 1.5, "a longer recording is cut to fit the graphs"


@pytest.mark.convert
def test_a_checkpoint_for_litert_generates(command: Command, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("litert_torch")
    out = tmp_path / "llada"
    done = command("export", checkpoints["llada"], "--target", "litert", "--to", "int8", "--longest", "100", "--out", out)
    assert (done.code, done.out) == (0, f"{out}\n")
    assert "--engine litert" in done.err
    manifest = load_bundle(out).manifest
    assert (manifest.name, manifest.precision, manifest.graphs) == (checkpoints["llada"].name, "int8", {})
    answer = command("generate", out, "--engine", "litert", "--prompt", "hello", "--length", "8")
    assert answer.code == 0
    assert answer.out.strip()


def test_bad_input_is_told_in_one_line(command: Command, checkpoints: dict[str, Path], fp32_bundle: Path, tmp_path: Path) -> None:
    for words, told in (
        (("export", fp32_bundle, "--target", "litert"), "is a bundle; for another engine: unmask quantize"),
        (("export", checkpoints["dream"], "--to", "int8"), "--target onnx is exported in fp32, not in int8; see unmask quantize"),
        (("export", checkpoints["dream"], "--target", "litert", "--longest", "1"), "a canvas has 2 positions at least"),
        (
            ("quantize", fp32_bundle, "--target", "litert", "--to", "int4"),
            "--target litert is made in int8 or fp32, not in",
        ),
    ):
        result = command(*words, "--out", tmp_path / "out")
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert told in result.err
