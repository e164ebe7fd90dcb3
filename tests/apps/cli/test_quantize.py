"""`unmask quantize`: the new bundle's folder on stdout, bad input in one line, nothing half-written."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.apps.conftest import Command
from unmask.apps.cli.options import SHIPPED
from unmask.bundle.manifest import load_bundle


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    soundfile.write(path, (0.3 * np.sin(np.arange(24000) ** 1.3 / 40)).astype(np.float32), 16000)
    return path


def test_the_new_bundle_is_named_and_measured(command: Command, fp32_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    result = command("quantize", fp32_bundle, "--to", "int4", "--out", out)
    assert (result.code, result.out) == (0, f"{out}\n")
    assert "iB became" in result.err
    assert f"next: unmask compare {fp32_bundle} {out}" in result.err
    assert load_bundle(out).manifest.precision == "int4"


def test_the_default_name_ends_in_the_format(command: Command, fp32_bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(fp32_bundle, copy)
    result = command("quantize", copy, "--to", "fp16", "--quiet")
    assert (result.code, result.out, result.err) == (0, f"{tmp_path / 'mine-fp16'}\n", "")
    result = command("quantize", copy, "--to", "fp16")
    assert (result.code, result.out) == (2, "")
    assert "--replace" in result.err
    assert command("quantize", copy, "--to", "fp16", "--replace").code == 0


def test_static_is_calibrated_on_recordings(command: Command, fp32_bundle: Path, tmp_path: Path, recording: Path) -> None:
    result = command("quantize", fp32_bundle, "--to", "int8-static", "--out", tmp_path / "out", "--calibrate", recording)
    assert result.code == 0
    assert "measuring ranges" in result.err
    assert load_bundle(tmp_path / "out").manifest.precision == "int8-static"


@pytest.mark.slow
def test_a_search_keeps_what_it_found(command: Command, fp32_bundle: Path, tmp_path: Path, recording: Path) -> None:
    result = command(
        "quantize", fp32_bundle, "--to", "int4", "--keep-bytes", "9000", "--out", tmp_path / "out", "--calibrate", recording
    )
    assert result.code == 0
    assert "mean KL to fp32" in result.err
    assert "matrices fp16" in load_bundle(tmp_path / "out").manifest.provenance["quantized"]


@pytest.mark.slow
def test_a_checkpoint_needs_no_fp32_bundle(command: Command, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    source, out = checkpoints["dream"], tmp_path / "small"
    result = command("quantize", source, "--out", out)
    assert (result.code, result.out) == (0, f"{out}\n")
    assert "iB became" in result.err
    assert f"next: unmask generate {out}" in result.err
    assert command("generate", out, "--prompt", "Why?", "--length", "8").code == 0
    for more, said in (
        (("--to", "int8-static"), "first run unmask export"),
        (("--keep-bytes", "1000"), "first run unmask export"),
        (("--target", "litert"), f"unmask export {source} --target litert"),
    ):
        result = command("quantize", source, "--out", tmp_path / "x", *more)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), more
        assert said in result.err
        assert not (tmp_path / "x").exists()


def test_bad_input_is_told_in_one_line(command: Command, fp32_bundle: Path, tmp_path: Path, recording: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    damaged = tmp_path / "damaged"
    shutil.copytree(fp32_bundle, damaged)
    (damaged / "weights.bin").write_bytes((damaged / "weights.bin").read_bytes()[:-1])
    for arguments, said in (
        ((SHIPPED, "--out", tmp_path / "x"), "holds int8 weights already"),
        ((SHIPPED, "--out", tmp_path / "x", "--to", "int8-static"), "holds int8 weights already"),
        ((damaged, "--out", tmp_path / "x"), "cut short"),
        ((tmp_path, "--out", tmp_path / "x"), "not a bundle"),
        ((fp32_bundle, "--out", notes, "--replace"), "not a bundle, so it is not replaced"),
        ((fp32_bundle, "--out", fp32_bundle, "--replace"), "is the bundle itself"),
        ((fp32_bundle, "--out", tmp_path / "x", "--keep", "nothing:*"), "matches no matrix"),
        ((fp32_bundle, "--out", tmp_path / "x", "--block-size", "20", "--to", "int4"), "power of two"),
        ((fp32_bundle, "--out", tmp_path / "x", "--keep-bytes", "0", "--calibrate", recording), "budget"),
        ((fp32_bundle, "--out", tmp_path / "x", "--to", "int8-static", "--calibrate", tmp_path / "no.wav"), "no such file"),
    ):
        result = command("quantize", *arguments, "--quiet")
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), arguments
        assert said in result.err
        assert not (tmp_path / "x").exists()
