"""ONNX graphs of fixed sizes: every shape a number, constants where providers want constants, and PyTorch's numbers."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.tiny import make_drafter
from unmask.export.modules.moonshine import Moonshine
from unmask.export.modules.static import FixedGraph
from unmask.export.modules.static_transcript import transcript_graph
from unmask.export.onnx.static import fixed_onnx, fold

pytestmark = pytest.mark.slow

SIZES = {"context": {"samples": 5000}, "window": {"tokens": 5, "past": 8, "frames": 6, "listed": 3}}


@pytest.fixture(scope="module", params=[*SIZES])
def pair(request: pytest.FixtureRequest, captioner: Moonshine) -> tuple[FixedGraph, onnx.ModelProto]:
    graph = transcript_graph(captioner, make_drafter(captioner), request.param, SIZES[request.param], top=2)
    return graph, fixed_onnx(graph)


def test_every_shape_is_a_number(pair: tuple[FixedGraph, onnx.ModelProto]) -> None:
    graph, model = pair
    values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
    assert all(dim.dim_value > 0 for value in values for dim in value.type.tensor_type.shape.dim)
    assert [value.name for value in model.graph.input] == list(graph.example)
    assert [value.name for value in model.graph.output] == list(graph.outputs)
    assert len(model.graph.value_info) >= len(model.graph.node) - len(model.graph.output), "no shape is left unknown"


def test_the_numbers_are_those_of_pytorch(pair: tuple[FixedGraph, onnx.ModelProto]) -> None:
    graph, model = pair
    rng = np.random.default_rng(0)
    feeds = {}
    for name, example in graph.example.items():
        if example.dtype == torch.int32:
            feeds[name] = np.arange(len(example), dtype=np.int32) % min(graph.sizes.values())
        else:
            feeds[name] = 0.3 * rng.normal(size=tuple(example.shape)).astype(np.float32)
    with torch.no_grad():
        expected = graph.module(*(torch.from_numpy(feeds[name]) for name in graph.example))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for ours, theirs in zip(session.run(None, feeds), expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5)


def test_products_have_constant_weights_and_indices_32_bits(pair: tuple[FixedGraph, onnx.ModelProto]) -> None:
    _, model = pair
    constants = {tensor.name for tensor in model.graph.initializer}
    assert all(node.input[1] in constants for node in model.graph.node if node.op_type in ("Gemm", "Conv"))
    wide = {value.name for value in model.graph.value_info if value.type.tensor_type.elem_type == TensorProto.INT64}
    read = {(node.op_type, at) for node in model.graph.node for at, name in enumerate(node.input) if name in wide}
    assert read <= {("Cast", 0), ("Gather", 1)}, "what ONNX gives only in int64 is narrowed at once, or an index as it is"


def test_slices_and_transposes_of_constants_are_folded() -> None:
    values = np.arange(24, dtype=np.float32).reshape(6, 4)
    at = {name: np.array([value], np.int64) for name, value in (("start", 1), ("stop", 5), ("axis", 0))}
    tensors = [numpy_helper.from_array(values, "w"), *(numpy_helper.from_array(value, name) for name, value in at.items())]
    nodes = [
        helper.make_node("Slice", ["w", "start", "stop", "axis"], ["cut"]),
        helper.make_node("Transpose", ["cut"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 4]) for name in "xy")
    model = fold(helper.make_model(helper.make_graph(nodes, "g", [x], [y], tensors)))
    assert [node.op_type for node in model.graph.node] == ["MatMul"]
    (kept,) = model.graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(kept), values[1:5].T)
