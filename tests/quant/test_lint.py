"""Each kind of node that an NPU provider would leave is named."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from unmask.bundle.manifest import load_bundle
from unmask.export.modules.captioner import Captioner
from unmask.export.modules.static import captioner_graph
from unmask.export.onnx.static import fixed_onnx
from unmask.quant.lint import lint, lint_bundle
from unmask.quant.operators import RULES

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def model(
    nodes: list[onnx.NodeProto],
    x: tuple[int, list[int | str]] = (FLOAT, [2, 4]),
    y: tuple[int, list[int | str]] = (FLOAT, [2, 4]),
    opset: int = 21,
    **constants: np.ndarray,
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    ends = [[helper.make_tensor_value_info(name, *kind)] for name, kind in (("x", x), ("y", y))]
    return helper.make_model(helper.make_graph(nodes, "g", *ends, tensors), opset_imports=[helper.make_opsetid("", opset)])


def reasons(made: onnx.ModelProto, provider: str = "qnn") -> list[tuple[str, str, str]]:
    return [(found.node, found.kind, found.reason) for found in lint("g.onnx", made, RULES[provider])]


def test_a_fixed_graph_of_plain_products_is_clean() -> None:
    made = model([helper.make_node("MatMul", ["x", "w"], ["y"], "one")], w=np.eye(4, dtype=np.float32))
    assert [reasons(made, provider) for provider in RULES] == [[], [], []]


def test_dynamic_axes_of_inputs_and_of_nodes() -> None:
    made = model([helper.make_node("Relu", ["x"], ["h"], "r"), helper.make_node("Abs", ["h"], ["y"], "a")], (FLOAT, ["n", 4]))
    found = reasons(made)
    assert ("x", "input", "a dynamic axis: n x 4") in found
    assert ("r", "Relu", "a dynamic axis: n x 4") in found


def test_operators_that_are_not_listed() -> None:
    made = model([helper.make_node("Celu", ["x"], ["y"], "odd")])
    assert reasons(made) == [("odd", "Celu", "this operator is not in the provider's table")]
    assert reasons(made, "openvino") == []
    blocks = model([helper.make_node("Relu", ["x"], ["y"], "own", domain="com.microsoft")])
    blocks.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert reasons(blocks)[0][:2] == ("own", "Relu")


def test_wide_types_but_for_what_is_narrowed_at_once() -> None:
    two = {"k": np.array([2], np.int64)}
    top = helper.make_node("TopK", ["x", "k"], ["v", "i"], "top")
    narrow = helper.make_node("Cast", ["i"], ["y"], "c", to=TensorProto.INT32)
    assert reasons(model([top, narrow], y=(TensorProto.INT32, [2, 2]), **two)) == []
    wide = [top, helper.make_node("Abs", ["i"], ["j"], "abs"), helper.make_node("Cast", ["j"], ["y"], "c", to=FLOAT)]
    assert reasons(model(wide, y=(FLOAT, [2, 2]), **two)) == [("top", "TopK", "its output i is int64")]
    assert ("x", "input", "is int64") in reasons(model([helper.make_node("Cast", ["x"], ["y"], to=FLOAT)], (INT64, [2, 4])))


def test_weights_that_are_no_constants() -> None:
    half = np.eye(4, dtype=np.float16)
    widened = [helper.make_node("Cast", ["w"], ["f"], "cast", to=FLOAT), helper.make_node("MatMul", ["x", "f"], ["y"], "one")]
    assert reasons(model(widened, w=half)) == [("one", "MatMul", "its weights f are computed from constants, and are none")]
    given = [helper.make_node("Transpose", ["x"], ["t"], "t"), helper.make_node("Gemm", ["x", "t"], ["y"], "two")]
    assert reasons(model(given, y=(FLOAT, [2, 2])))[0] == ("two", "Gemm", "its weights t are no constant")
    attention = [helper.make_node("Transpose", ["x"], ["t"], "t"), helper.make_node("MatMul", ["x", "t"], ["y"], "scores")]
    assert reasons(model(attention, y=(FLOAT, [2, 2]))) == []


def test_codes_are_constants() -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["f"], "widen", axis=1),
        helper.make_node("MatMul", ["x", "f"], ["y"], "one"),
    ]
    codes = {"w": np.ones((4, 4), np.int8), "s": np.ones(4, np.float32), "z": np.zeros(4, np.int8)}
    assert reasons(model(nodes, **codes)) == []


def test_an_opset_that_is_too_new() -> None:
    made = model([helper.make_node("Relu", ["x"], ["y"], "r")], opset=23)
    assert reasons(made, "vitisai") == [("g.onnx", "opset", "opset 23 is newer than 22")]


@pytest.mark.parametrize("provider", list(RULES))
def test_our_own_graphs(captioner: Captioner, fp32_bundle: Path, provider: str) -> None:
    """Of any size they have dynamic axes; of fixed sizes nothing is left."""
    found = lint_bundle(load_bundle(fp32_bundle), RULES[provider])
    assert {"input", "output"} <= {one.kind for one in found}
    made = fixed_onnx(captioner_graph(captioner, "verify", {"tokens": 4, "past": 6, "slots": 6}, 2))
    assert lint("verify.onnx", made, RULES[provider]) == []
