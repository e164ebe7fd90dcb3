"""`unmask quantize --target onnx-static`: made, inspected and run by the command."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.apps.conftest import Command

PLAN = ("--rounds", "1", "--min-seconds", "0", "--warmup", "0")


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    samples = 0.1 * np.clip(np.random.default_rng(0).normal(size=12000), -3, 3)
    path = tmp_path_factory.mktemp("audio") / "noise.wav"
    soundfile.write(path, samples, 16000)
    return path


@pytest.mark.slow
def test_fixed_graphs_are_made_and_run(command: Command, fp32_bundle: Path, noise: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    told = command("quantize", fp32_bundle, "--target", "onnx-static", "--to", "fp32", "--longest-s", "2.2", "--out", made)
    assert (told.code, told.out) == (0, f"{made}\n"), told.err
    shown = json.loads(command("inspect", made, "--json").out)
    assert {bucket["role"] for bucket in shown["buckets"]} == {"context", "window"}
    assert shown["transcript"]["longest_s"] == 2.2
    assert "at most 2.2 s" in command("inspect", made).out
    texts = [command("caption", noise, "--bundle", bundle).out for bundle in (made, fp32_bundle)]
    assert texts[0] == texts[1] != ""
    assert json.loads(command("devices", made, "--json").out)["bundle"]["longest_s"] == {"onnx": 2.2}
    assert command("compare", fp32_bundle, made, "--audio", noise, "--runs", "0", "--gate-argmax", "1", "--quiet").code == 0
    noise.with_suffix(".txt").write_text("something was said", encoding="utf-8")
    assert command("tune", fp32_bundle, "--also", made, "--audio", noise, "--rounds", "1").code == 0
    assert command("bench", made, "--audio", noise, *PLAN, "--quiet").code == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--target", "onnx-static", "--to", "int4"), "is made in int8-static or fp32 or fp16, not in int4"),
        (("--target", "onnx-static", "--to", "fp16", "--longest", "9"), "captions; --longest-s is the length of its recordings"),
        (("--target", "onnx-static", "--longest-s", "99"), "takes from 1 to 30 s"),
        (("--target", "rknn", "--to", "int8"), "is made in fp16, not in int8"),
        (("--target", "rknn", "--soc", "rk3399"), "--soc rk3399: no chip for which this is made"),
        (("--target", "rknn", "--toolkit", "nowhere"), "--toolkit nowhere: cannot be run"),
        (("--soc", "rk3588"), "--soc: read only with --target rknn or qnn"),
        (
            ("--target", "qnn", "--soc", "60"),
            "has no ONNX graphs of fixed sizes; first unmask quantize BUNDLE --target onnx-static",
        ),
        (("--target", "qnn", "--longest-s", "5"), "--longest-s: not read with --target qnn"),
        (("--to", "fp32"), "--to fp32 is for a --target of fixed sizes"),
    ],
)
def test_what_cannot_be_made_is_told(
    command: Command, fp32_bundle: Path, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    told = command("quantize", fp32_bundle, "--out", tmp_path / "x", *options)
    assert told.code == 2
    assert reason in told.err


@pytest.mark.parametrize("form", [pytest.param("fp32", marks=pytest.mark.slow), "fp16"])
def test_a_model_that_fills_a_canvas_is_made_of_its_bundle(
    command: Command, backbones: dict[str, Path], tmp_path: Path, form: str
) -> None:
    made = tmp_path / "made"
    told = command("quantize", backbones["block"], "--target", "onnx-static", "--to", form, "--longest", "64", "--out", made)
    assert (told.code, told.out) == (0, f"{made}\n"), told.err
    answers = [command("generate", bundle, "--prompt", "sea", "--length", "12").out for bundle in (backbones["block"], made)]
    assert answers[0] == answers[1] != ""


@pytest.mark.slow
def test_it_is_made_of_a_checkpoint_too(
    command: Command, checkpoints: dict[str, Path], backbones: dict[str, Path], tmp_path: Path
) -> None:
    made = tmp_path / "made"
    told = command("export", checkpoints["block"], "--target", "onnx-static", "--to", "fp16", "--longest", "64", "--out", made)
    assert (told.code, told.out) == (0, f"{made}\n"), told.err
    assert f"next: unmask generate {made} --prompt" in told.err
    answers = [command("generate", bundle, "--prompt", "sea", "--length", "12").out for bundle in (backbones["block"], made)]
    assert answers[0] == answers[1] != ""


@pytest.mark.slow
def test_panels_are_filled_by_graphs_of_fixed_sizes(command: Command, tmp_path: Path) -> None:
    made = tmp_path / "made"
    told = command("quantize", "models/ui-tiny", "--target", "onnx-static", "--to", "fp32", "--longest", "256", "--out", made)
    assert told.code == 0, told.err
    asked = ("--text", "a slider for the volume", "--format", "text", "--quiet")
    drawn = [command("ui", *asked, "--bundle", bundle).out for bundle in ("models/ui-tiny", made)]
    assert drawn[0] == drawn[1] != ""


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--target", "onnx-static"), "does not caption, and --target onnx-static --to int8-static is for captioners"),
        (("--target", "rknn"), "does not caption, and --target rknn --to fp16 is for captioners"),
        (
            ("--target", "onnx-static", "--to", "fp16", "--longest-s", "5"),
            "does not caption; --longest is the number of positions",
        ),
        (("--target", "onnx-static", "--to", "fp16", "--longest", "1"), "takes from 2 to"),
    ],
)
def test_what_cannot_be_made_of_it_is_told(
    command: Command, backbones: dict[str, Path], tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    told = command("quantize", backbones["dream"], *options, "--out", tmp_path / "x")
    assert (told.code, reason in told.err) == (2, True), told.err


def test_codecs_stay_with_onnx_runtime(command: Command, tmp_path: Path) -> None:
    told = command("quantize", "models/omni-tiny", "--target", "litert", "--to", "fp32", "--out", tmp_path / "x")
    assert (told.code, "for ONNX Runtime alone; take --target onnx-static" in told.err) == (2, True)
