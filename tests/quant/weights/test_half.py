"""Graphs in float16: they are called as those in float32 and give their numbers and ids, also where float16 alone would not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from tests.tiny import fixed_graphs
from unmask import Captioner, load_bundle
from unmask.bundle.graph_spec import BACKBONE, TRANSCRIPT
from unmask.engines.device_check import fixed_call
from unmask.errors import InputError
from unmask.export.modules.backbone import BackboneConfig, BackboneModel
from unmask.export.modules.static import FixedGraph, backbone_graph, head_graph
from unmask.export.onnx.static import fixed_onnx
from unmask.quant.weights.half import halved
from unmask.quant.weights.onnx_static import write_fixed

SIZES = {"rows": 6, "wanted": 5, "slots": 4001}
Arrays = Mapping[str, NDArray[Any]]


def window() -> FixedGraph:
    torch.manual_seed(0)
    config = BackboneConfig(2, 32, 2, 2, 16, 48, 50, 1e-6, 1e4, qk_norm=True)
    return backbone_graph(BackboneModel(config).eval().requires_grad_(False), SIZES)


def head() -> FixedGraph:
    torch.manual_seed(0)
    return head_graph("head_text", torch.nn.Parameter(torch.randn(300, 16), requires_grad=False), (43, 300), {"wanted": 8}, 4)


def shapes(graph: FixedGraph) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in graph.example.items()}


def opened(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString())


def both(graph: FixedGraph, feeds: Arrays) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """What the graph gives in float32 and in float16, after a look at names, types and shapes."""
    whole = fixed_onnx(graph)
    one, other = opened(whole), opened(made := halved(whole))
    for get in ("get_inputs", "get_outputs"):
        named = [[(value.name, value.type, value.shape) for value in getattr(session, get)()] for session in (one, other)]
        assert named[0] == named[1]
    floats = [tensor for tensor in made.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    assert all(max(tensor.dims, default=1) == np.prod(tensor.dims) for tensor in floats), "every matrix is in float16"
    return tuple(dict(zip(graph.outputs, session.run(None, dict(feeds)), strict=True)) for session in (one, other))  # type: ignore[return-value]


def distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.linalg.norm(one - other) / max(np.linalg.norm(one), 1e-6))


def test_a_head_gives_the_ids_and_numbers_of_float32() -> None:
    graph = head()
    one, other = both(graph, fixed_call(shapes(graph), BACKBONE.graph("head")))
    assert one["ids"].min() >= 43
    np.testing.assert_array_equal(one["ids"], other["ids"])
    for name in ("logits", "logsumexp", "entropy"):
        assert distance(one[name], other[name]) < 3e-3


def test_a_window_far_along_and_of_large_numbers_stays_near() -> None:
    """Angles of positions beyond 2048 and squares of a thousand are nothing that float16 holds."""
    graph = window()
    feeds = fixed_call(shapes(graph), BACKBONE.graph("window")) | {"positions": np.arange(3990, 3996, dtype=np.int32)}
    one, other = both(graph, feeds | {"rows": 1000 * feeds["rows"]})
    for name in graph.outputs:
        assert distance(one[name], other[name]) < 3e-3, name


def test_a_constant_that_float16_cannot_hold_is_refused() -> None:
    graph = window()
    next(graph.module.parameters())[0] = 7e4
    with pytest.raises(InputError, match="has numbers beyond 65504, which float16 cannot hold; use --to fp32"):
        halved(fixed_onnx(graph))


@pytest.mark.slow
def test_a_captioner_says_the_same(fp32_bundle: Path, static_bundle: Path, tmp_path: Path) -> None:
    graphs, rng = fixed_graphs(), np.random.default_rng(0)
    for graph in graphs[:2]:
        one, other = both(graph, fixed_call(shapes(graph), TRANSCRIPT.graph(graph.role)))
        for name in graph.outputs:
            if one[name].dtype.kind == "i":
                assert (one[name] == other[name]).mean() > 0.9, name
            else:
                assert distance(one[name], other[name]) < 5e-3, name
    made = load_bundle(write_fixed(load_bundle(fp32_bundle), tmp_path / "half", graphs, "fp16", lambda line: None))
    recordings = [(0.1 * rng.normal(size=count)).astype(np.float32) for count in (12_000, 20_000, 30_000)]
    wanted, found = (
        [Captioner(bundle).load().caption(one).text for one in recordings] for bundle in (load_bundle(static_bundle), made)
    )
    assert any(wanted)
    assert found == wanted
