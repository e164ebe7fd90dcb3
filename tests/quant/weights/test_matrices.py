"""What can be quantized in a graph, and which product is the head: recognized by its place, not by its shape."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from unmask.quant.weights.matrices import heads_of, matrices, ranked

WIDTH, SIZE = 4, 6


def model(nodes: list[onnx.NodeProto], outputs: tuple[str, ...], **tensors: tuple[int, ...]) -> onnx.ModelProto:
    inside = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in tensors.items()]
    inside.append(numpy_helper.from_array(np.array([2]), "two"))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", *outputs)]
    return helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], inside))


def two_of_a_shape() -> onnx.ModelProto:
    """Another matrix of the head's shape comes before it, and one after it on another branch."""
    nodes = [
        helper.make_node("MatMul", ["x", "other"], ["wide"]),
        helper.make_node("MatMul", ["wide", "narrow"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "own"], ["all"], transB=1),
        helper.make_node("Mul", ["all", "scale"], ["scaled"]),
        helper.make_node("TopK", ["scaled", "two"], ["logits", "ids"]),
        helper.make_node("MatMul", ["hidden", "third"], ["k"]),
    ]
    shapes = {"other": (WIDTH, SIZE), "narrow": (SIZE, WIDTH), "own": (SIZE, WIDTH), "scale": (1,), "third": (WIDTH, SIZE)}
    return model(nodes, ("ids", "logits", "k"), **shapes)


def test_the_head_is_what_the_ids_come_from() -> None:
    graph = two_of_a_shape()
    assert heads_of(graph) == {"all"}
    assert ranked(graph) == "scaled"
    assert {m.name: m.head for m in matrices("window", graph)} == {"other": False, "narrow": False, "own": True, "third": False}


def test_a_head_may_stand_in_two_parts() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "other"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "common"], ["first"], transB=1),
        helper.make_node("Gemm", ["hidden", "rare"], ["second"], transB=1),
        helper.make_node("Concat", ["first", "second"], ["all"], axis=1),
        helper.make_node("TopK", ["all", "two"], ["logits", "ids"]),
    ]
    graph = model(nodes, ("ids", "logits"), other=(WIDTH, WIDTH), common=(SIZE, WIDTH), rare=(SIZE, WIDTH))
    assert heads_of(graph) == {"first", "second"}
    assert ranked(graph) == "all"


def test_sizes_are_what_goes_in_and_out() -> None:
    found = {m.label: (m.shape, m.transposed) for m in matrices("window", two_of_a_shape())}
    assert found["window:own"] == ((WIDTH, SIZE), True)
    assert found["window:narrow"] == ((SIZE, WIDTH), False)


@pytest.mark.parametrize("constant", [True, False])
def test_chosen_rows_of_a_constant_are_a_matrix(constant: bool) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "two" if constant else "x"], ["rows"], axis=0),
        helper.make_node("Transpose", ["rows"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["hidden"]),
    ]
    found = matrices("context", model(nodes, ("hidden",), table=(SIZE, WIDTH)))
    assert [(m.label, m.shape, m.transposed) for m in found] == [("context:table", (WIDTH, 1), True)] * constant


def test_a_graph_that_predicts_nothing_has_no_head() -> None:
    graph = model([helper.make_node("MatMul", ["x", "w"], ["hidden"])], ("hidden",), w=(WIDTH, SIZE))
    assert heads_of(graph) == set()
    assert ranked(graph) is None
    assert [m.head for m in matrices("window", graph)] == [False]


@pytest.mark.parametrize("attributes", [{"alpha": 2.0}, {"beta": 0.5}, {"transA": 1}])
def test_products_that_do_more_are_left_alone(attributes: dict[str, float]) -> None:
    graph = model([helper.make_node("Gemm", ["x", "w"], ["y"], **attributes)], ("y",), w=(WIDTH, SIZE))
    assert matrices("window", graph) == []


def test_products_of_activations_are_left_alone() -> None:
    graph = model(
        [helper.make_node("MatMul", ["x", "x"], ["y"]), helper.make_node("MatMul", ["w", "x"], ["z"])], ("y",), w=(4, 4)
    )
    assert matrices("window", graph) == []
