"""Weights out of ONNX files and ONNX Runtime's own: floats and codes come back under the names of their modules."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from unmask.errors import UnmaskError
from unmask.export.checkpoint.graph_weights import Parameters
from unmask.export.checkpoint.onnx_weights import read_onnx
from unmask.export.checkpoint.ort_weights import read_ort

RNG = np.random.default_rng(0)
MATRIX = RNG.standard_normal((6, 4)).astype(np.float32)  # (in, out), as a graph multiplies by it
BIAS = RNG.standard_normal(4).astype(np.float32)
NORM = RNG.standard_normal(6).astype(np.float32)


def write_graph(path: Path, matrix: str = "onnx::MatMul_17") -> None:
    """A layer norm and a matrix whose own names are gone, and a bias that has kept its own."""
    nodes = [
        helper.make_node("LayerNormalization", ["x", "norm.weight"], ["n"], name="/norm/LayerNormalization", axis=-1),
        helper.make_node("MatMul", ["n", matrix], ["y"], name="/layers.0/fc1/MatMul"),
        helper.make_node("Add", ["layers.0.fc1.bias", "y"], ["z"], name="/layers.0/fc1/Add"),
    ]
    values = {"norm.weight": NORM, matrix: MATRIX, "layers.0.fc1.bias": BIAS}
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def to_ort(path: Path) -> Path:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path.with_suffix(".ort"))
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return path.with_suffix(".ort")


def read_as_ort(path: Path) -> Parameters:
    return read_ort(to_ort(path))


READERS = pytest.mark.parametrize("read", [read_onnx, read_as_ort], ids=["onnx", "ort"])
Reader = Callable[[Path], Parameters]


@READERS
def test_floats_come_back_as_pytorch_holds_them(tmp_path: Path, read: Reader) -> None:
    write_graph(tmp_path / "model.onnx")
    found = read(tmp_path / "model.onnx")
    np.testing.assert_array_equal(found["layers.0.fc1.weight"], MATRIX.T)
    np.testing.assert_array_equal(found["layers.0.fc1.bias"], BIAS)
    np.testing.assert_array_equal(found["norm.weight"], NORM)
    assert set(found) == {"layers.0.fc1.weight", "layers.0.fc1.bias", "norm.weight"}


@READERS
@pytest.mark.parametrize("kind", [QuantType.QUInt8, QuantType.QInt8])
def test_codes_come_back_as_floats_to_within_half_a_step(tmp_path: Path, kind: QuantType, read: Reader) -> None:
    write_graph(tmp_path / "float.onnx")
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "codes.onnx", weight_type=kind)
    found = read(tmp_path / "codes.onnx")
    step = (MATRIX.max() - MATRIX.min()) / 255
    bound = step if kind == QuantType.QUInt8 else 2 * np.abs(MATRIX).max() / 254
    assert np.abs(found["layers.0.fc1.weight"] - MATRIX.T).max() <= 0.51 * bound
    np.testing.assert_array_equal(found["layers.0.fc1.bias"], BIAS)


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    write_graph(tmp_path / "model.onnx")
    with pytest.raises(UnmaskError, match=r"model\.onnx: not a model in ONNX Runtime's format"):
        read_ort(tmp_path / "model.onnx")
    (tmp_path / "half.onnx").write_bytes((tmp_path / "model.onnx").read_bytes()[:200])
    with pytest.raises(UnmaskError, match=r"half\.onnx: no whole ONNX model"):
        read_onnx(tmp_path / "half.onnx")


def test_data_beside_an_onnx_file_is_read_and_missed(tmp_path: Path) -> None:
    write_graph(tmp_path / "model.onnx")
    apart = tmp_path / "apart.onnx"
    onnx.save(onnx.load(tmp_path / "model.onnx"), apart, save_as_external_data=True, location="apart.data", size_threshold=0)
    np.testing.assert_array_equal(read_onnx(apart)["layers.0.fc1.weight"], MATRIX.T)
    (tmp_path / "apart.data").unlink()
    with pytest.raises(UnmaskError, match=r"apart\.onnx: no whole ONNX model"):
        read_onnx(apart)
