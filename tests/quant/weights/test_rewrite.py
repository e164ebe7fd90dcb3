"""Rewritten graphs against the ones they come from: products in a row, biases, shared rows, constants of every size."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from unmask.bundle.manifest import Bundle
from unmask.export.bundle_writer import WEIGHTS, WeightsFile
from unmask.quant.weights.matrices import matrices
from unmask.quant.weights.rewrite import HALVED_BYTES, MATRIX_FORMS, Blocking, Rewriter, asymmetric
from unmask.quant.weights.store import Store, in_bundle

WIDTH, INNER = 48, 64
RANGES = {"x": (-4.0, 4.0), "a": (-9.0, 9.0), "b": (-30.0, 30.0)}


def chain() -> onnx.ModelProto:
    """x -> a -> b -> y without anything between, another product of x, a Gemm with a bias, constants that are no matrices."""
    rng = np.random.default_rng(0)
    shapes = {
        "first": (WIDTH, INNER),
        "second": (INNER, WIDTH),
        "third": (INNER, WIDTH),
        "bias": (INNER,),
        "beside": (WIDTH, INNER),
    }
    tensors = {name: rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    tensors |= {"large": rng.standard_normal(HALVED_BYTES // 4, np.float32), "small": rng.standard_normal(200, np.float32)}
    tensors |= {"huge": np.array([1e6, 1.0], np.float32).repeat(HALVED_BYTES // 8), "one": np.float32(1)}
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["a"]),
        helper.make_node("MatMul", ["a", "second"], ["b"]),
        helper.make_node("Gemm", ["b", "third", "bias"], ["whole"], transB=1),
        helper.make_node("MatMul", ["x", "beside"], ["also"]),
        helper.make_node("Add", ["whole", "also"], ["sum"]),
        helper.make_node("Mul", ["sum", "one"], ["y"]),
        helper.make_node("ReduceMean", ["large"], ["mean"], keepdims=0),
        helper.make_node("ReduceMean", ["small"], ["other"], keepdims=0),
        helper.make_node("ReduceMax", ["huge"], ["most"], keepdims=0),
    ]
    ends = {"y": ["n", INNER], "mean": [], "other": [], "most": []}
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends.items()]
    rows = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])
    inside = [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, "g", [rows], made, inside)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)


def rewritten(model: onnx.ModelProto, folder: Path, form: str, blocking: Blocking | None = None) -> onnx.ModelProto:
    weights = WeightsFile(folder / WEIGHTS)
    store = Store(in_bundle(Bundle(folder, None)), weights, matrices("g", model))  # type: ignore[arg-type]  # all tensors are inside
    out = Rewriter("g", model, store, lambda matrix: form, blocking or Blocking(32), RANGES).run()
    weights.close()
    onnx.save_model(out, folder / "g.onnx")
    onnx.checker.check_model(str(folder / "g.onnx"))
    return out


def run(model: onnx.ModelProto, folder: Path, rows: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": rows})


@pytest.mark.parametrize(
    ("form", "most"),
    [("int8", 0.04), ("int8-static", 0.06), ("int8-weights", 0.03), ("int4", 0.25), ("fp16", 1e-3), ("fp32", 1e-6)],
)
def test_numbers_stay_near(tmp_path: Path, form: str, most: float) -> None:
    model, rows = chain(), np.random.default_rng(1).standard_normal((7, WIDTH), np.float32)
    exact, found = run(model, tmp_path, rows), run(rewritten(model, tmp_path, form), tmp_path, rows)
    error = np.sqrt(np.mean((found[0] - exact[0]) ** 2)) / exact[0].std()
    assert error < most
    assert error > most / 100 or form == "fp32"
    np.testing.assert_allclose(found[1:], exact[1:], rtol=1e-3, atol=1e-3)


def test_every_form_is_covered() -> None:
    assert set(MATRIX_FORMS) == {"int8", "int8-static", "int8-weights", "int4", "fp16", "fp32"}


@pytest.mark.parametrize("form", MATRIX_FORMS)
def test_large_constants_are_stored_in_half_where_they_fit(tmp_path: Path, form: str) -> None:
    stored = {tensor.name: tensor.data_type for tensor in rewritten(chain(), tmp_path, form).graph.initializer}
    assert stored["large_half"] == TensorProto.FLOAT16
    assert stored["small"] == stored["huge"] == TensorProto.FLOAT  # 1e6 is no float16


def test_rows_that_enter_two_products_are_quantized_once(tmp_path: Path) -> None:
    kinds = [node.op_type for node in rewritten(chain(), tmp_path, "int8").graph.node]
    assert kinds.count("DynamicQuantizeLinear") == 3  # x, a and b
    assert kinds.count("MatMulInteger") == 4


@pytest.mark.parametrize("level", [0, 4])
def test_blocks_have_the_size_and_the_accuracy_asked_for(tmp_path: Path, level: int) -> None:
    model = rewritten(chain(), tmp_path, "int4", Blocking(16, level))
    found = [{a.name: a.i for a in node.attribute} for node in model.graph.node if node.op_type == "MatMulNBits"]
    assert len(found) == 4
    assert {(f["bits"], f["block_size"], f["accuracy_level"]) for f in found} == {(4, 16, level)}
    assert "com.microsoft" in {opset.domain for opset in model.opset_import}


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.5, 2.0), (-2.0, -1.0), (0.0, 0.0)])
def test_ranges_hold_zero_and_their_ends(low: float, high: float) -> None:
    """As DynamicQuantizeLinear has it for the same values."""
    graph = helper.make_graph(
        [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, []), helper.make_tensor_value_info("z", TensorProto.UINT8, [])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    scale, zero = run(model, Path(), np.array([low, high], np.float32))
    ours = asymmetric(low, high)
    assert ours[1] == zero
    if low or high:
        assert ours[0] == pytest.approx(scale, rel=1e-6)
