"""Static int8 for NPUs, held against rounding by hand and against what its form promises."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unmask.errors import InputError
from unmask.quant.weights.integer_weights import LARGEST
from unmask.quant.weights.qdq import measured, quantized

RNG = np.random.default_rng(0)
W = RNG.normal(size=(6, 8)).astype(np.float32)  # (N, K), transposed by the Gemm
BIAS = RNG.normal(size=6).astype(np.float32)
HEAD = RNG.normal(size=(6, 9)).astype(np.float32)  # (K, N)


def model(head: bool = True) -> onnx.ModelProto:
    """A product with a bias, followed by a head that returns its best ids."""
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["h"], "first", transB=1)]
    tensors = [numpy_helper.from_array(W, "w"), numpy_helper.from_array(BIAS, "b")]
    outputs = [helper.make_tensor_value_info("h", TensorProto.FLOAT, [3, 6])]
    if head:
        nodes.append(helper.make_node("MatMul", ["h", "v"], ["z"], "head"))
        nodes.append(helper.make_node("TopK", ["z", "two"], ["best", "ids"], "top"))
        tensors += [numpy_helper.from_array(HEAD, "v"), numpy_helper.from_array(np.array([2]), "two")]
        outputs += [
            helper.make_tensor_value_info("z", TensorProto.FLOAT, [3, 9]),
            helper.make_tensor_value_info("ids", TensorProto.INT64, [3, 2]),
        ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 8])
    return helper.make_model(helper.make_graph(nodes, "g", [x], outputs, tensors), opset_imports=[helper.make_opsetid("", 21)])


def run(made: onnx.ModelProto, x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    onnx.checker.check_model(made)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return {value.name: array for value, array in zip(session.get_outputs(), session.run(None, {"x": x}), strict=True)}


def grid(values: NDArray[Any], low: float, high: float, bits: int) -> NDArray[np.float64]:
    """Rounded to codes over [low, high]."""
    scale = (high - low) / (2**bits - 1)
    zero = np.rint(-low / scale)
    return (np.clip(np.rint(values / scale) + zero, 0, 2**bits - 1) - zero) * scale


@pytest.mark.parametrize(("activations", "bits"), [("u8", 8), ("u16", 16)])
def test_a_product_is_that_of_rounded_factors(activations: str, bits: int) -> None:
    x = RNG.uniform(-2, 3, size=(3, 8)).astype(np.float32)
    plain = model(head=False)
    assert measured("window", plain) == ["x", "h"]
    exact = x @ W.T + BIAS
    spans = {"x": (-2.0, 3.0), "h": (float(exact.min()), float(exact.max()))}
    (ours,) = run(quantized("window", plain, spans, activations), x).values()
    scales = np.abs(W).max(1) / LARGEST
    weights = np.rint(W / scales[:, None]) * scales[:, None]
    product = grid(x, -2, 3, bits) @ weights.T + BIAS
    step = (spans["h"][1] - spans["h"][0]) / (2**bits - 1)
    np.testing.assert_allclose(ours, grid(product, *spans["h"], bits), atol=1.01 * step)


def test_a_head_has_16_bits_always() -> None:
    x = RNG.uniform(-1, 1, size=(3, 8)).astype(np.float32)
    exact = run(model(), x)
    spans = {"x": (-1.0, 1.0), "h": (-9.0, 9.0), "z": (float(exact["z"].min()), float(exact["z"].max()))}
    made = quantized("window", model(), spans, "u8")
    kinds = {tensor.name: tensor.data_type for tensor in made.graph.initializer if tensor.name.endswith("_zero")}
    assert sorted(TensorProto.DataType.Name(kind) for kind in kinds.values()) == ["UINT16", "UINT16", "UINT8", "UINT8"]
    ours = run(made, x)
    assert np.abs(ours["z"] - exact["z"]).max() < 0.1 * np.abs(exact["z"]).max()


def test_the_form_is_what_providers_want() -> None:
    made = quantized("window", model(), {"x": (0, 1), "h": (-4, 4), "z": (-5, 5)}, "u8")
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    makers = {name: node for node in made.graph.node for name in node.output}
    for node in made.graph.node:
        if node.op_type not in ("Gemm", "MatMul"):
            continue
        assert [makers[name].op_type for name in node.input] == ["DequantizeLinear"] * len(node.input)
        codes = tensors[makers[node.input[1]].input[0]]
        assert codes.dtype == np.int8
        assert np.abs(codes).max() <= LARGEST
        (after,) = (other.op_type for other in made.graph.node if node.output[0] in other.input)
        assert after == "QuantizeLinear"
    assert tensors["b_behind_x_codes"].dtype == np.int32
    assert not {"w", "v", "b"} & set(tensors), "the weights themselves are gone"


def test_a_missing_range_and_unknown_products() -> None:
    with pytest.raises(InputError, match="the range of h was not measured"):
        quantized("window", model(), {"x": (0, 1), "z": (0, 1)}, "u8")
