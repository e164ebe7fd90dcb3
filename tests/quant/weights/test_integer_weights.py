"""Codes of weights against ONNX Runtime's own quantizers, their error against what a step allows, and sums in 16 bits."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from unmask.quant.weights import integer_weights as codes
from unmask.quant.weights.integer_weights import LARGEST, Blocks, Columns, NotFinite, blocks, columns, halves

Floats = NDArray[np.float32]


def widen(kept: Columns | Blocks, width: int, bits: int = 8) -> Floats:
    """The (N, K) weights that codes represent. width: K."""
    if isinstance(kept, Columns):
        return (kept.codes * kept.scales).T
    codes = kept.codes if bits == 8 else np.stack([kept.codes & 15, kept.codes >> 4], -1).reshape(*kept.codes.shape[:2], -1)
    whole = (codes.astype(np.float32) - (1 << bits - 1)) * kept.scales[..., None]
    return whole.reshape(len(whole), -1)[:, :width]


def weights(rows: int = 40, width: int = 96, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.03, (rows, width)).astype(np.float32)


def product(rows: Floats) -> onnx.ModelProto:
    """x @ W.T as a graph of one MatMul."""
    count, width = rows.shape
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["m", s]) for n, s in (("x", width), ("y", count))]
    inside = [numpy_helper.from_array(np.ascontiguousarray(rows.T), "W")]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "W"], ["y"])], "g", ends[:1], ends[1:], inside)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def constants(model: onnx.ModelProto) -> list[NDArray[np.generic]]:
    return [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]


# ---- against ONNX Runtime


def test_columns_are_those_of_the_dynamic_quantizer(tmp_path: Path) -> None:
    rows, path = weights(), tmp_path / "q.onnx"
    quantize_dynamic(product(rows), path, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    theirs = constants(onnx.load(path))
    ours = columns(rows)
    (own,) = (array for array in theirs if array.shape == ours.codes.shape)
    np.testing.assert_array_equal(ours.codes, own)
    (scales,) = (array for array in theirs if array.dtype == np.float32)
    np.testing.assert_allclose(ours.scales, scales, rtol=1e-6)


@pytest.mark.parametrize("block", [16, 32, 128])
def test_8_bit_blocks_are_those_of_the_nbits_quantizer(block: int) -> None:
    rows = weights(width=128)
    quantizer = MatMulNBitsQuantizer(product(rows), bits=8, block_size=block, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    theirs = constants(quantizer.model.model)
    ours = blocks(rows, 8, block)
    (own,) = (array for array in theirs if array.dtype == np.uint8)
    assert own.shape == ours.codes.shape
    assert np.abs(own.astype(int) - ours.codes).max() <= 1  # halves may be rounded either way
    assert np.mean(own == ours.codes) > 0.999
    (scales,) = (array for array in theirs if array.dtype == np.float32)
    np.testing.assert_allclose(ours.scales.ravel(), scales.ravel(), rtol=1e-6)


def test_4_bit_blocks_are_nearer_than_the_nbits_quantizers() -> None:
    """The same layout, so that its scales may stand in for ours; a better share of each range."""
    rows = weights(width=128)
    quantizer = MatMulNBitsQuantizer(product(rows), bits=4, block_size=32, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    codes_, scales = sorted(constants(quantizer.model.model), key=lambda array: array.dtype.itemsize)
    ours = blocks(rows, 4, 32)
    theirs = codes.Blocks(codes_.reshape(ours.codes.shape), scales.reshape(ours.scales.shape))
    error, other = (np.sqrt(np.mean((widen(kept, 128, 4) - rows) ** 2)) for kept in (ours, theirs))
    assert 0.5 * other < error < 0.97 * other


@pytest.mark.parametrize(("bits", "block", "width"), [(8, 32, 96), (4, 32, 96), (4, 32, 70), (8, 128, 96)])
def test_the_operator_reads_blocks_as_widen_does(bits: int, block: int, width: int) -> None:
    rows = weights(width=width)
    kept, model = blocks(rows, bits, block), product(rows)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend([numpy_helper.from_array(kept.codes, "B"), numpy_helper.from_array(kept.scales, "S")])
    sizes = {"K": width, "N": len(rows), "bits": bits, "block_size": block}
    model.graph.node.append(helper.make_node("MatMulNBits", ["x", "B", "S"], ["y"], domain="com.microsoft", **sizes))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    x = np.random.default_rng(1).standard_normal((5, width), np.float32)
    (y,) = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_allclose(y, x @ widen(kept, width, bits).T, atol=2e-4)


# ---- error


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 9), width=st.integers(1, 80), zeros=st.booleans())
def test_columns_are_right_to_half_a_step(seed: int, rows: int, width: int, zeros: bool) -> None:
    matrix = weights(rows, width, seed) * np.float32(10.0 ** (seed % 7 - 3))
    if zeros:
        matrix[0] = 0
    kept = columns(matrix)
    assert np.abs(kept.codes.astype(int)).max() <= LARGEST
    assert (np.abs(widen(kept, width) - matrix) <= 0.501 * kept.scales[:, None]).all()
    assert (kept.scales > 0).all()


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 5), width=st.integers(1, 80), block=st.sampled_from([16, 32]))
def test_8_bit_blocks_are_right_to_half_a_step(seed: int, rows: int, width: int, block: int) -> None:
    matrix = weights(rows, width, seed)
    kept = blocks(matrix, 8, block)
    step = np.repeat(np.abs(kept.scales), block, 1)[:, :width]
    wrong = np.abs(widen(kept, width) - matrix)
    assert (wrong <= 1.01 * step).all()  # the largest of the other side may be a step short
    assert np.mean(wrong <= 0.501 * step) > 0.9


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A matrix larger than memory is read in bands, from disk."""
    rows = weights(50, 64)
    whole = columns(rows), blocks(rows, 4, 32), blocks(rows, 8, 16)
    rows.tofile(tmp_path / "w")
    mapped = np.memmap(tmp_path / "w", np.float32, "r", 0, rows.shape)
    monkeypatch.setattr(codes, "BAND", 7 * 64)
    for one, other in zip(whole, (columns(mapped), blocks(mapped, 4, 32), blocks(mapped, 8, 16)), strict=True):
        np.testing.assert_array_equal(one.codes, other.codes)
        np.testing.assert_array_equal(one.scales, other.scales)


def test_halves_refuse_what_float16_cannot_hold() -> None:
    half = halves(np.array([1.0, -65504.0], np.float32))
    assert half is not None
    assert half.dtype == np.float16
    assert halves(np.array([1.0, 70000.0], np.float32)) is None
    with pytest.raises(NotFinite, match=r"\[0, 1\] is nan"):
        halves(np.array([1, np.nan], np.float32))


# ---- sums in 16 bits


def pairs_in_16_bits(activations: NDArray[np.uint8], own: NDArray[np.int8]) -> NDArray[np.int64]:
    """u8 x s8 as AVX2 without VNNI computes it: products of neighbors are added in 16 bits and saturate (VPMADDUBSW)."""
    products = activations[:, :, None].astype(np.int64) * own[None].astype(np.int64)
    pairs = products[:, 0::2] + products[:, 1::2]
    return np.clip(pairs, -(1 << 15), (1 << 15) - 1).sum(1)


def test_sums_hold_on_cpus_without_vnni() -> None:
    """Worst activations, weights of one sign: ours are exact, and full 8-bit codes would not be."""
    rows = np.abs(weights(8, 64)) + np.float32(0.1)
    activations = np.full((1, 64), 255, np.uint8)
    ours = columns(rows).codes
    full = np.rint(rows.T / (np.abs(rows).max(1) / 127)).astype(np.int8)
    np.testing.assert_array_equal(pairs_in_16_bits(activations, ours), activations.astype(np.int64) @ ours.astype(np.int64))
    assert (pairs_in_16_bits(activations, full) < activations.astype(np.int64) @ full.astype(np.int64)).all()
