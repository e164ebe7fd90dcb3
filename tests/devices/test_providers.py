"""ONNX Runtime's providers for GPUs and NPUs, on software drivers: they take whole graphs and give the CPU's text."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile

from tests.devices.swiftshader import needs_swiftshader
from unmask import Captioner, load_bundle

pytestmark = pytest.mark.devices
WEBGPU = "webgpu"  # on a software GPU
QNN = "qnn,backend_type=htp,soc_model=60"  # Qualcomm's library for PCs compiles for a Snapdragon X and runs what it compiled


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed (dev-devices)")


@pytest.mark.parametrize(
    "provider",
    [
        pytest.param(WEBGPU, marks=[needs("onnxruntime_ep_webgpu"), needs_swiftshader]),
        pytest.param(QNN, marks=needs("onnxruntime_qnn")),
    ],
)
def test_a_captioner_runs_on_the_provider_alone(static_bundle: Path, tmp_path: Path, provider: str) -> None:
    """In a process of its own: plugins stay loaded. Opening holds ids and numbers of each kind of graph against the CPU's."""
    samples = (0.1 * np.random.default_rng(0).normal(size=24_000)).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, 16_000, subtype="FLOAT")
    wanted = Captioner(load_bundle(static_bundle)).load().caption(samples).text
    assert wanted
    done = unmask("caption", tmp_path / "noise.wav", "--bundle", static_bundle, "--provider", provider, "--strict")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == wanted  # a library has a note of its own before it


@needs("onnxruntime_ep_webgpu")
@needs_swiftshader
def test_a_text_is_written_in_blocks_on_webgpu_alone(backbones: dict[str, Path], tmp_path: Path) -> None:
    made, asked = tmp_path / "made", ("--prompt", "sea", "--length", "12", "--quiet")
    done = unmask("quantize", backbones["block"], "--target", "onnx-static", "--to", "fp32", "--longest", "64", "--out", made)
    assert done.returncode == 0, done.stderr
    wanted = unmask("generate", backbones["block"], *asked).stdout
    assert wanted.strip()
    done = unmask("generate", made, *asked, "--provider", WEBGPU, "--strict")
    assert (done.returncode, done.stdout) == (0, wanted), done.stderr


def unmask(*line: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "unmask.apps.cli.main", *line], capture_output=True, text=True, check=False)


@needs("onnxruntime_qnn")
def test_graphs_compiled_for_a_chip_are_opened_as_they_are(static_bundle: Path, tmp_path: Path) -> None:
    """They are held against the CPU's answers from when they were compiled: the CPU cannot run them."""
    samples = (0.1 * np.random.default_rng(0).normal(size=24_000)).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, 16_000, subtype="FLOAT")
    made = tmp_path / "made"
    done = unmask("quantize", static_bundle, "--target", "qnn", "--soc", "60", "--out", made)
    assert done.returncode == 0, done.stderr
    buckets = load_bundle(made).manifest.buckets
    assert {bucket.chip for bucket in buckets} == {"qnn soc_model=60"}
    for bucket in buckets:
        (node,) = onnx.load(made / bucket.file).graph.node
        assert node.op_type == "EPContext"
    assert len([bucket for bucket in buckets if bucket.answers]) == 2
    told = unmask("caption", tmp_path / "noise.wav", "--bundle", made, "--provider", QNN, "--strict")
    assert told.stdout.splitlines()[-1] == Captioner(load_bundle(static_bundle)).load().caption(samples).text
