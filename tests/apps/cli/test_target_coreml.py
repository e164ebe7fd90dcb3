"""`unmask quantize --target coreml`: a bundle with a package, and what it says where the package cannot be made or run."""

import sys
from pathlib import Path

import pytest

from tests.apps.conftest import Command
from unmask.bundle.manifest import load_bundle
from unmask.engines.known_engines import ENGINES


@pytest.mark.convert
def test_a_package_and_where_it_does_not_run(command: Command, clip: Path, fp32_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("coremltools")
    out = tmp_path / "tiny"
    told = command("quantize", fp32_bundle, "--target", "coreml", "--to", "int8", "--longest-s", "1", "--out", out)
    assert (told.code, told.out) == (0, f"{out}\n"), told.err
    assert f"next: unmask devices {out}" in told.err
    manifest = load_bundle(out).manifest
    assert (manifest.precision, manifest.graphs) == ("int8", {})
    assert {bucket.role for bucket in manifest.buckets} == {"context", "window"}
    assert {(bucket.engine, bucket.file, bucket.precision) for bucket in manifest.buckets} == {
        ("coreml", "graphs.mlpackage", "int8")
    }
    assert manifest.provenance["converted"] == "CoreML, int8, for iOS18, from fp32"
    if sys.platform != "darwin":
        told = command("caption", clip, "--bundle", out, "--engine", "coreml")
        assert (told.code, told.out) == (2, "")
        assert "the engine coreml runs on macOS" in told.err


@pytest.mark.convert
def test_a_checkpoint_becomes_a_package_that_generates(
    command: Command, checkpoints: dict[str, Path], backbones: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("coremltools")
    from tests.export.mil_engine import evaluated

    out = tmp_path / "llada"
    told = command("export", checkpoints["llada"], "--target", "coreml", "--to", "fp32", "--longest", "60", "--out", out)
    assert (told.code, told.out) == (0, f"{out}\n"), told.err
    assert "--engine coreml" in told.err
    manifest = load_bundle(out).manifest
    assert (manifest.name, manifest.precision, manifest.graphs) == (checkpoints["llada"].name, "fp32", {})
    assert {bucket.role for bucket in manifest.buckets} == {"window", "head"}
    monkeypatch.setitem(ENGINES, "coreml", evaluated())
    asked = ("--prompt", "hello", "--length", "8")
    answer = command("generate", out, "--engine", "coreml", *asked)
    assert (answer.code, answer.out) == (0, command("generate", backbones["llada"], *asked).out)
    assert answer.out.strip()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "int8-static"], "--target coreml is made in fp16 or fp32 or int8 or int4, not in int8-static"),
        (["--to", "int4", "--deployment-target", "macOS14"], "int4 needs iOS18 or macOS15"),
        (["--longest-s", "40"], "takes from 1 to 30 s"),
    ],
)
def test_what_cannot_be_made(command: Command, fp32_bundle: Path, tmp_path: Path, options: list[str], message: str) -> None:
    told = command("quantize", fp32_bundle, "--target", "coreml", *options, "--out", tmp_path / "none")
    assert (told.code, told.out) == (2, "")
    assert message in told.err
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_in_a_form_that_is_not(command: Command, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    told = command("export", checkpoints["llada"], "--target", "litert", "--to", "int4", "--out", tmp_path / "none")
    assert (told.code, told.out) == (2, "")
    assert "--target litert is exported in fp32 or int8, not in int4" in told.err
