"""LiteRT's GPU delegate on SwiftShader: it takes whole graphs and gives the CPU's texts; a wrong one does not open."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import unmask.export.litert
from tests.devices.swiftshader import needs_swiftshader
from unmask import Captioner, load_bundle
from unmask.bundle.graph_spec import BACKBONE
from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.device_check import check_device
from unmask.engines.engine_options import EngineOptions
from unmask.engines.litert import LitertRunner
from unmask.errors import InputError
from unmask.export.litert import signature_of, write_tflite
from unmask.export.modules.static import head_graph

pytest.importorskip("litert_torch")
pytestmark = [pytest.mark.devices, pytest.mark.convert, needs_swiftshader]
CPU = EngineOptions(engine="litert")
GPU = replace(CPU, delegate="gpu")
DATA = Path(__file__).parents[1] / "data"


def test_a_captioner_runs_on_the_gpu_alone(litert_bundle: Path) -> None:
    """Opening holds ids and numbers of each kind of graph against the CPU's."""
    bundle, rng = load_bundle(litert_bundle), np.random.default_rng(0)
    recordings = [(0.1 * rng.normal(size=count)).astype(np.float32) for count in (20_000, 30_000)]
    wanted, found = ([Captioner(bundle, options).load().caption(one).text for one in recordings] for options in (CPU, GPU))
    assert any(wanted)
    assert found == wanted


def test_the_best_of_rows_of_odd_width_are_wrong_on_it_and_do_not_open(
    fp32_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the operators that the export spells for GPUs."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(257, 16), requires_grad=False)
    graph = head_graph("head", weight, (0, 257), {"wanted": 8}, 4)
    bucket = Bucket("litert", "head", "right.tflite", graph.sizes, "fp32", signature_of(graph))
    bundle = Bundle(tmp_path, load_bundle(fp32_bundle).manifest)

    def check(name: str) -> None:
        write_tflite([graph], tmp_path / name)
        runners = (LitertRunner(bundle, options) for options in (GPU, CPU))
        check_device(*runners, replace(bucket, file=name), BACKBONE.graph("head"), "--delegate gpu")

    check("right.tflite")
    monkeypatch.setattr(unmask.export.litert, "ForGpus", nullcontext)
    with pytest.raises(InputError, match=r"wrong\.tflite: --delegate gpu gives other ids than the CPU"):
        check("wrong.tflite")


def test_operators_that_it_refuses_are_named(fp32_bundle: Path) -> None:
    window = Bucket("litert", "window", "window.tflite", {}, "fp32", "window_4_6_6_2")  # exported before it was spelled for GPUs
    with pytest.raises(InputError, match=r"LiteRT's gpu refuses it \(GATHER_ND: Operation is not supported\)"):
        LitertRunner(Bundle(DATA, load_bundle(fp32_bundle).manifest), GPU).inputs(window)
