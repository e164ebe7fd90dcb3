"""A transcript bundle in int8: heads, tables and convolutions in one byte a weight."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.tiny import TINY
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine import Engine
from unmask.quant.calibration.calibrate import measure_ranges
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.weights.integer_weights import WHOLE, rounded
from unmask.quant.weights.matrices import matrices
from unmask.quant.weights.quantize import Recipe, quantize_bundle
from unmask.quant.weights.store import place_of

IDS = np.arange(TINY.vocabulary)
SAMPLES = (0.1 * np.random.default_rng(0).standard_normal((1, 30_000))).astype(np.float32)


@pytest.fixture(scope="module")
def bundles(fp32_bundle: Path, int8_bundle: Path) -> tuple[Bundle, Bundle]:
    return load_bundle(fp32_bundle), load_bundle(int8_bundle)


def constants(bundle: Bundle, role: str) -> dict[str, NDArray[np.generic]]:
    graph = onnx.load(bundle.path(bundle.manifest.graphs[role])).graph
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


def test_every_matrix_became_int8(bundles: tuple[Bundle, Bundle]) -> None:
    exact, small = bundles
    for role in ("context", "window"):
        assert len(matrices(role, onnx.load(exact.path(f"{role}.onnx"), load_external_data=False))) > 10
        assert matrices(role, onnx.load(small.path(f"{role}.onnx"), load_external_data=False)) == []


def test_convolutions_of_the_encoder_are_matrices(bundles: tuple[Bundle, Bundle]) -> None:
    exact, small = (onnx.load(bundle.path("context.onnx"), load_external_data=False) for bundle in bundles)
    named = {matrix.name: matrix.shape for matrix in matrices("context", exact)}
    width = TINY.width
    assert named["model.encoder.conv2.weight.T"] == (7 * width, 2 * width)
    assert named["model.encoder.conv3.weight.T"] == (3 * 2 * width, width)
    assert "model.encoder.conv2.weight.T_quantized" in {tensor.name for tensor in small.graph.initializer}


def test_a_quiet_stretch_beside_a_loud_one_stays_near(bundles: tuple[Bundle, Bundle]) -> None:
    samples = SAMPLES * np.where(np.arange(SAMPLES.shape[1]) < 4000, 20, 1).astype(np.float32)
    wanted, found = (Engine(bundle).load().run("context", {"samples": samples})["cross_k"] for bundle in bundles)
    quiet = np.s_[:, :, 20:]  # the loud samples end at state 11
    assert np.linalg.norm((found - wanted)[quiet]) < 0.05 * np.linalg.norm(wanted[quiet])


def test_heads_and_table_are_one_matrix(bundles: tuple[Bundle, Bundle]) -> None:
    exact, small = (bundle.table() for bundle in bundles)
    (only,) = bundles[1].manifest.embedding.parts
    assert (only.dtype, only.rows) == ("int8", len(IDS))
    assert small.scales is not None
    assert (np.abs(small.gather(IDS) - exact.gather(IDS)) <= 0.501 * small.scales[:, None]).all()
    for role in ("context", "window"):  # the drafter's head takes some of the rows
        graph = onnx.load(bundles[1].path(f"{role}.onnx"), load_external_data=False).graph
        assert only.offset in {place.offset for tensor in graph.initializer if (place := place_of(tensor))}


@pytest.mark.parametrize("format", ["int8-static", "int8-weights", "int4", "fp16"])
def test_drafts_stay_near_in_every_format(fp32_bundle: Path, tmp_path: Path, format: str) -> None:
    source = load_bundle(fp32_bundle)
    ranges = measure_ranges(source, Material((SAMPLES[0],))) if format == "int8-static" else None
    made = quantize_bundle(fp32_bundle, tmp_path / "small", Recipe(format), ranges)
    wanted, found = (Engine(bundle).load().run("context", {"samples": SAMPLES}) for bundle in (source, load_bundle(made)))
    assert (found["draft"] == wanted["draft"]).mean() > 0.6
    assert np.abs(found["sure"] - wanted["sure"]).mean() < 0.2


def test_results_stay_near(bundles: tuple[Bundle, Bundle]) -> None:
    exact, small = (Engine(bundle).load() for bundle in bundles)
    heard = exact.run("context", {"samples": SAMPLES})
    close = small.run("context", {"samples": SAMPLES})
    for name in ("cross_k", "cross_v"):
        assert np.linalg.norm(close[name] - heard[name]) < 0.05 * np.linalg.norm(heard[name]), name
    assert (close["draft"] == heard["draft"]).mean() > 0.6
    ids = IDS[1:40:3]
    layers, heads, _, width = heard["cross_k"].shape
    feeds = {
        "rows": exact.embed(ids),
        "positions": np.arange(len(ids)),
        "listed": IDS,
        "cross_k": heard["cross_k"],
        "cross_v": heard["cross_v"],
        **dict.fromkeys(("past_k", "past_v"), np.zeros((layers, 0, heads * width), np.float32)),
    }
    wanted, made = exact.run("window", feeds), small.run("window", feeds)
    spread = wanted["listed_logits"].std()
    assert np.abs(made["listed_logits"] - wanted["listed_logits"]).mean() < 0.2 * spread  # unrelated logits differ by more than 1
    assert (made["ids"][:, 0] == wanted["ids"][:, 0]).mean() > 0.6


def test_rounded_rows_use_all_of_eight_bits_and_zeros_stay_zeros() -> None:
    rows = np.array([[0.0, 0.0], [1.0, -0.5], [3e-3, 1e-3]], np.float32)
    codes, scales = rounded(rows)
    np.testing.assert_array_equal(codes[:, 0], [0, WHOLE, WHOLE])
    np.testing.assert_allclose(codes * scales[:, None], rows, atol=0.5 / WHOLE)
