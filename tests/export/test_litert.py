"""LiteRT's graphs, converted here from a tiny model, against ONNX Runtime's of any size: the same tokens of the same audio."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.runtime.engines.test_litert import DATA
from tests.tiny import litert_window
from unmask import EngineOptions, Schedule, load_bundle
from unmask.engines.litert import Interpreted
from unmask.errors import InputError
from unmask.export.graphs import backbone_graphs
from unmask.export.litert import check_size, signature_of, write_litert, write_tflite
from unmask.export.modules.static import head_graph
from unmask.export.sizes import SizeRule
from unmask.text.generator import Generator

pytestmark = pytest.mark.convert

pytest.importorskip("litert_torch")


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


def test_a_backbones_graphs_share_a_file_and_its_head_stands_apart(
    tmp_path: Path, checkpoints: dict[str, Path], backbones: dict[str, Path]
) -> None:
    source = load_bundle(backbones["dream"])
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
