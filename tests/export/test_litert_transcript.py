"""A transcript on LiteRT's graphs, converted here from a tiny model: the same texts as ONNX Runtime's of any size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tiny import fixed_graphs
from unmask import Captioner, EngineOptions, load_bundle
from unmask.bundle.graph_spec import TRANSCRIPT
from unmask.bundle.manifest import Bundle
from unmask.engines.device_check import fixed_call
from unmask.engines.litert import Interpreted, LitertRunner
from unmask.errors import InputError
from unmask.export.litert import round_tflite, signature_of
from unmask.export.modules.static import FixedGraph

pytestmark = pytest.mark.convert

pytest.importorskip("litert_torch")


@pytest.fixture(scope="module")
def graphs() -> list[FixedGraph]:
    return fixed_graphs()


@pytest.fixture(scope="module")
def recordings() -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return [(0.1 * rng.normal(size=count)).astype(np.float32) for count in (1500, 20_000, 30_000)]


@pytest.fixture(scope="module")
def litert(litert_bundle: Path) -> Bundle:
    return load_bundle(litert_bundle)


def texts(bundle: Bundle, engine: str, recordings: list[NDArray[np.float32]]) -> list[str]:
    captioner, usual = Captioner(bundle, EngineOptions(engine=engine)).load(), bundle.schedule("caption")
    schedules = usual, replace(usual, verify_lookahead=None)
    return [captioner.caption(recording, schedule).text for recording in recordings for schedule in schedules]


def test_same_audio_same_text(fp32_bundle: Path, litert: Bundle, recordings: list[NDArray[np.float32]]) -> None:
    onnx = texts(load_bundle(fp32_bundle), "onnx", recordings)
    assert any(onnx)
    assert texts(litert, "litert", recordings) == onnx


def test_int8_stays_near_and_is_smaller(
    litert: Bundle, graphs: list[FixedGraph], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    exact, small = litert.path("graphs.tflite"), tmp_path / "int8.tflite"
    capfd.readouterr()
    round_tflite(exact, small)
    assert not any(capfd.readouterr())
    assert small.stat().st_size < 0.8 * exact.stat().st_size
    opened = [Interpreted(path, 1) for path in (exact, small)]
    for graph in graphs:
        name = signature_of(graph)
        call = fixed_call(opened[0].inputs(name), TRANSCRIPT.graph(graph.role))
        wanted, found = (one.run(name, call) for one in opened)
        for output in set(graph.outputs) - {"ids", "draft"}:
            error = np.abs(found[output] - wanted[output]).mean() / np.abs(wanted[output]).mean()
            assert 0 < error < 0.1, (name, output, error)


def test_a_gpu_that_is_not_here_is_told(litert: Bundle) -> None:
    runner = LitertRunner(litert, EngineOptions(engine="litert", delegate="gpu"))
    try:
        runner.inputs(litert.manifest.buckets[0])
    except InputError as error:
        assert "LiteRT finds no GPU that runs it on this" in str(error)  # noqa: PT017  (a machine may have one)
