"""LiteRT's graphs, converted here from a tiny model, against ONNX Runtime's of any size: the same tokens of the same audio."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.runtime.engines.test_litert import DATA
from tests.tiny import litert_window
from unmask import Captioner, EngineOptions, Schedule, load_bundle
from unmask.bundle.manifest import Bundle
from unmask.engines.litert import Interpreted, LitertRunner
from unmask.errors import InputError
from unmask.export.graphs import backbone_graphs
from unmask.export.litert import check_calls, check_size, round_tflite, signature_of, write_litert, write_tflite
from unmask.export.modules.captioner import CaptionerModel
from unmask.export.modules.static import FixedGraph, captioner_graph, head_graph
from unmask.export.onnx.backbone import write_backbone
from unmask.export.sizes import SizeRule
from unmask.quant.calibration.calibration_calls import record_calls
from unmask.text.generator import Generator

pytestmark = pytest.mark.convert

pytest.importorskip("litert_torch")
SCHEDULES = (Schedule(rule="quota", passes=1, verify=3), Schedule(rule="quota", passes=3, verify=0))
SIZES = (
    ("context", {"slots": 20}),
    ("window", {"rows": 20, "wanted": 20, "slots": 21}),
    ("verify", {"tokens": 24, "past": 24, "slots": 20}),
)


@pytest.fixture(scope="module")
def graphs(captioner: CaptionerModel) -> list[FixedGraph]:
    return [captioner_graph(captioner, role, sizes, 2) for role, sizes in SIZES]


@pytest.fixture(scope="module")
def recordings() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [(0.1 * rng.normal(size=count)).astype(np.float32) for count in (9_000, 20_000, 31_000)]


@pytest.fixture(scope="module")
def litert(fp32_bundle: Path, graphs: list[FixedGraph], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_litert(load_bundle(fp32_bundle), tmp_path_factory.mktemp("litert") / "tiny", graphs))


def texts(bundle: Bundle, options: EngineOptions, recordings: list[np.ndarray]) -> list[str]:
    reader = Captioner(bundle, options).load()
    return [reader.caption(recording, schedule).text for recording in recordings for schedule in SCHEDULES]


def test_same_audio_same_text(fp32_bundle: Path, litert: Bundle, recordings: list[np.ndarray]) -> None:
    onnx = texts(load_bundle(fp32_bundle), EngineOptions(), recordings)
    assert any(onnx)
    assert texts(litert, EngineOptions(engine="litert"), recordings) == onnx


@pytest.mark.parametrize("form", ["int8", "int8-static"])
def test_int8_stays_near_and_is_smaller(
    fp32_bundle: Path, litert: Bundle, graphs: list[FixedGraph], recordings: list[np.ndarray], tmp_path: Path, form: str
) -> None:
    """Rounded to int8, dynamically and with measured ranges: the same logits within the drift of 8 bits, and fewer bytes."""
    calls = record_calls(load_bundle(fp32_bundle), recordings, graphs)
    round_tflite(litert.path("graphs.tflite"), tmp_path / "int8.tflite", form, calls)
    assert (tmp_path / "int8.tflite").stat().st_size < 0.75 * litert.path("graphs.tflite").stat().st_size
    for graph in graphs:
        name = signature_of(graph)
        exact, rounded = (
            Interpreted(path, 1).run(name, calls[name][0]) for path in (litert.path("graphs.tflite"), tmp_path / "int8.tflite")
        )
        for output in set(graph.outputs) - {"ids"}:
            error = np.abs(rounded[output] - exact[output]).mean() / np.abs(exact[output]).mean()
            assert 0 < error < 0.05, (name, output, error)


def test_the_stored_graph_is_what_conversion_makes(tmp_path: Path) -> None:
    """Else: python -m tests.tiny."""
    graph, rng = litert_window(), np.random.default_rng(0)
    write_tflite([graph], tmp_path / "window.tflite")
    fresh, stored = Interpreted(tmp_path / "window.tflite", 1), Interpreted(DATA / "window.tflite", 1)
    name = signature_of(graph)
    assert stored.inputs(name) == fresh.inputs(name) == {key: tuple(t.shape) for key, t in graph.example.items()}
    feeds = {key: rng.normal(size=tuple(t.shape)).astype(np.float32) for key, t in graph.example.items()}
    feeds |= {key: np.zeros(tuple(t.shape), np.int32) for key, t in graph.example.items() if t.dtype == torch.int32}
    one, other = fresh.run(name, feeds), stored.run(name, feeds)
    assert one.keys() == other.keys() == set(graph.outputs)
    for key in one:
        np.testing.assert_allclose(one[key], other[key], rtol=0, atol=1e-5)


def test_a_gpu_that_is_not_here_is_told(litert: Bundle) -> None:
    runner = LitertRunner(litert, EngineOptions(engine="litert", delegate="gpu"))
    try:
        runner.inputs(litert.manifest.buckets[0])
    except InputError as error:
        assert "LiteRT finds no GPU that runs it on this" in str(error)  # noqa: PT017  (a machine may have one)


def test_a_backbones_graphs_share_a_file_and_its_head_stands_apart(tmp_path: Path, checkpoints: dict[str, Path]) -> None:
    source = load_bundle(write_backbone(checkpoints["dream"], tmp_path / "any"))
    made = backbone_graphs(checkpoints["dream"], source.manifest, 96, 8, SizeRule(shortest=80))
    bundle = load_bundle(write_litert(source, tmp_path / "litert", made))
    assert {bucket.file for bucket in bundle.manifest.buckets} == {"graphs.tflite", "heads.tflite"}
    said = []
    for one, engine in ((source, "onnx"), (bundle, "litert")):
        generator = Generator(one, EngineOptions(engine=engine))
        answer = generator.generate("chat", {"text": "sea"}, 12, Schedule(rule="quota", passes=4, reuse=True, block=8))
        said.append(answer.ids)
    assert said[0] == said[1]
    assert len(set(said[0])) > 1


def test_what_one_file_cannot_hold_is_told_before_conversion(tmp_path: Path) -> None:
    matrix = torch.nn.Parameter(torch.empty(700_000, 800), requires_grad=False)  # never touched, so that it takes no memory
    graph = head_graph("head", matrix, (0, len(matrix)), {"wanted": 4}, 2)
    with pytest.raises(InputError, match=r"GiB of weights, but a \.tflite holds at most 2 GiB"):
        check_size([graph], tmp_path / "x.tflite")


def test_graphs_that_no_recording_calls_are_told(fp32_bundle: Path, graphs: list[FixedGraph]) -> None:
    calls = record_calls(load_bundle(fp32_bundle), [np.full(4000, 0.1, np.float32)], graphs)
    with pytest.raises(
        InputError, match=r"no recording runs the graphs .*; give more recordings of other lengths with --calibrate"
    ):
        check_calls([*graphs, replace(graphs[0], sizes={"slots": 3})], "int8-static", calls)
