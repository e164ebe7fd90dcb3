"""int8 graphs: every matrix became 7-bit weights, attention stayed standard, and the numbers stay near those of fp32."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine

ROLES = ("context", "window")
ATTENTION = "com.microsoft:MultiHeadAttention"
Arrays = list[NDArray[np.generic]]


@pytest.fixture(scope="module")
def graphs(fp32_bundle: Path, int8_bundle: Path) -> dict[str, dict[str, onnx.ModelProto]]:
    return {
        folder.name: {role: onnx.load(folder / name) for role, name in load_bundle(folder).manifest.graphs.items()}
        for folder in (fp32_bundle, int8_bundle)
    }


def constants(graph: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}


def operators(graph: onnx.ModelProto) -> dict[str, int]:
    names = [f"{node.domain}:{node.op_type}" for node in graph.graph.node]
    return {name: names.count(name) for name in names}


def matrices(graph: onnx.ModelProto, kinds: tuple[str, ...]) -> Arrays:
    """The constant right-hand side of every product of these kinds."""
    known = constants(graph)
    return [known[node.input[1]] for node in graph.graph.node if node.op_type in kinds and node.input[1] in known]


# ---- the graphs


@pytest.mark.parametrize("role", ROLES)
def test_every_matrix_became_int8(graphs: dict[str, dict[str, onnx.ModelProto]], role: str) -> None:
    before, after = graphs["tiny-fp32"][role], graphs["tiny-int8"][role]
    full, small = matrices(before, ("MatMul", "Gemm")), matrices(after, ("MatMulInteger",))
    assert matrices(after, ("MatMul", "Gemm")) == []
    assert {array.dtype for array in small} == {np.dtype(np.int8)}
    assert len(small) == len(full) > 10
    assert sorted(a.size for a in small) == sorted(a.size for a in full)


@pytest.mark.parametrize("role", ROLES)
def test_weights_keep_7_bits_so_that_16_bit_sums_of_pairs_hold(graphs: dict[str, dict[str, onnx.ModelProto]], role: str) -> None:
    largest = max(int(np.abs(array.astype(np.int32)).max()) for array in matrices(graphs["tiny-int8"][role], ("MatMulInteger",)))
    assert 60 <= largest <= 64  # the range is used, and kept
    assert 2 * 255 * largest <= np.iinfo(np.int16).max < 2 * 255 * 127


@pytest.mark.parametrize("role", ROLES)
def test_weights_are_quantized_per_output_channel(graphs: dict[str, dict[str, onnx.ModelProto]], role: str) -> None:
    known = constants(graphs["tiny-int8"][role])
    quantized = [name for name in known if name.endswith("_quantized")]
    assert quantized
    for name in quantized:
        stem = name.removesuffix("_quantized")
        assert known[f"{stem}_scale"].shape == (known[name].shape[1],)
        assert (np.abs(known[name].astype(np.int32)).max(0) >= 60).all()  # each channel fills the range


@pytest.mark.parametrize("role", ROLES)
def test_other_operators_are_untouched(graphs: dict[str, dict[str, onnx.ModelProto]], role: str) -> None:
    before, after = operators(graphs["tiny-fp32"][role]), operators(graphs["tiny-int8"][role])
    for kind in (ATTENTION, ":LayerNormalization", ":Gelu", ":Conv", ":TopK", ":Softmax"):
        assert after.get(kind) == before.get(kind), kind
    assert after[ATTENTION] >= 2
    assert all(name.startswith(":") for name in after if name != ATTENTION), "an operator outside the standard"


# ---- the bundle


def test_bundle_says_what_it_is(fp32_bundle: Path, int8_bundle: Path) -> None:
    before, after = load_bundle(fp32_bundle), load_bundle(int8_bundle)
    assert (before.manifest.precision, after.manifest.precision) == ("fp32", "int8")
    assert after.manifest.embedding.dtype == "int8"
    for name in ("name", "family", "vocabulary", "tasks", "transcript", "license", "graphs"):
        assert getattr(after.manifest, name) == getattr(before.manifest, name)
    added = {key: after.manifest.provenance[key] for key in after.manifest.provenance.keys() - before.manifest.provenance.keys()}
    assert added.keys() == {"quantized"}
    assert "int8, a head among them" in added["quantized"]
    assert after.path("tokenizer.json").read_bytes() == before.path("tokenizer.json").read_bytes()


def test_matrices_take_little_over_a_quarter(graphs: dict[str, dict[str, onnx.ModelProto]]) -> None:
    """Of a tiny bundle most bytes are positions, which are no matrices; of the shipped one most are matrices."""
    full = sum(a.nbytes for graph in graphs["tiny-fp32"].values() for a in matrices(graph, ("MatMul", "Gemm")))
    small = sum(
        array.nbytes
        for graph in graphs["tiny-int8"].values()
        for name, array in constants(graph).items()
        if name.endswith(("_quantized", "_scale"))
    )
    assert full / 4 < small < 0.4 * full


def test_bundle_shrinks(fp32_bundle: Path, int8_bundle: Path) -> None:
    before, after = (
        sum(file.bytes for file in load_bundle(folder).manifest.files.values()) for folder in (fp32_bundle, int8_bundle)
    )
    assert after < before - 40_000


# ---- the numbers


def close_but_not_equal(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> None:
    error = np.sqrt(np.mean((ours - theirs) ** 2)) / theirs.std()
    assert 0 < error < 0.06


@pytest.mark.parametrize("seed", range(4))
def test_numbers_stay_near_those_of_fp32(fp32_bundle: Path, int8_bundle: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = (0.1 * rng.standard_normal((1, 20_000 + 8_000 * seed))).astype(np.float32)
    full, small = (Engine(load_bundle(folder)).run("context", {"samples": samples}) for folder in (fp32_bundle, int8_bundle))
    for name in ("cross_k", "cross_v"):
        close_but_not_equal(small[name], full[name])

    ids = rng.integers(3, 270, size=12)
    layers, heads, _, width = full["cross_k"].shape
    past = np.zeros((layers, 0, heads * width), np.float32)
    feeds = {"rows": load_bundle(fp32_bundle).table().gather(ids), "positions": np.arange(12), "listed": np.array([5, 9])}
    feeds |= {"cross_k": full["cross_k"], "cross_v": full["cross_v"], "past_k": past, "past_v": past}
    full, small = (Engine(load_bundle(folder)).run("window", feeds) for folder in (fp32_bundle, int8_bundle))
    for name in ("logits", "logsumexp", "listed_logits", "k", "v"):
        close_but_not_equal(small[name], full[name])
    assert np.mean(small["ids"][:, 0] == full["ids"][:, 0]) >= 0.8
