"""The int8 verifier and its table: one matrix for head and embedding, rows to half a step, numbers near those of fp32."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from unmask.bundle.embedding import Embedding
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.export.bundle_writer import LINE_BYTES, MAPPED_BYTES, PAGE_BYTES
from unmask.export.modules.captioner import CaptionerModel
from unmask.quant.weights.rewrite import HALVED_BYTES

SLOTS = 11


@pytest.fixture(scope="module")
def bundle(int8_bundle: Path) -> Bundle:
    return load_bundle(int8_bundle)


def embeddings(bundle: Bundle) -> dict[str, Embedding]:
    assert bundle.manifest.verifier is not None
    return {"window": bundle.manifest.embedding, "verify": bundle.manifest.verifier.embedding}


def outside(bundle: Bundle, role: str) -> dict[str, tuple[int, int]]:
    """Offset and length of each tensor of a graph that lies in the weights file."""
    out = {}
    for tensor in onnx.load(bundle.path(bundle.manifest.graphs[role]), load_external_data=False).graph.initializer:
        place = {entry.key: entry.value for entry in tensor.external_data}
        if place:
            out[tensor.name] = (int(place["offset"]), int(place["length"]))
    return out


def session(folder: Path, role: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(folder / f"{role}.onnx", options, providers=["CPUExecutionProvider"])


# ---- tables


@pytest.mark.parametrize("role", ["window", "verify"])
def test_rows_are_those_of_fp32_to_half_a_step(bundle: Bundle, captioner: CaptionerModel, role: str) -> None:
    module = {"window": captioner.embedding, "verify": captioner.verifier.embedding}[role]
    weight, table = module.weight.numpy(), bundle.table(embeddings(bundle)[role])
    assert table.scales is not None
    assert table.stored.dtype == np.int8
    np.testing.assert_allclose(table.scales, np.abs(weight).max(1) / 64, rtol=0.05)  # each row uses the range of 7 bits
    assert (np.abs(table.gather(np.arange(len(weight))) - weight) <= 0.501 * table.scales[:, None] + 1e-7).all()


@pytest.mark.parametrize("role", ["window", "verify"])
def test_head_and_table_are_one_matrix(bundle: Bundle, role: str) -> None:
    """The weights file holds its bytes once, where head and manifest both point, and no floating-point form of it."""
    table = embeddings(bundle)[role]
    size = table.rows * table.width
    assert [length for offset, length in outside(bundle, role).values() if offset == table.offset] == [size]
    data = bundle.path(table.file).read_bytes()
    assert data.count(data[table.offset : table.offset + size]) == 1
    every = {place for graph in bundle.manifest.graphs for place in outside(bundle, graph).values()}
    assert not {length for _, length in every} & {2 * size, 4 * size}


def test_the_weights_file_holds_nothing_but_graphs_and_tables(bundle: Bundle) -> None:
    places = {place for role in bundle.manifest.graphs for place in outside(bundle, role).values()}
    for table in embeddings(bundle).values():
        assert table.scales is not None
        places |= {(table.offset, table.rows * table.width), (table.scales, 4 * table.rows)}
    end = 0
    for offset, length in sorted(places):
        assert end <= offset < end + (PAGE_BYTES if length >= MAPPED_BYTES else LINE_BYTES)
        end = offset + length
    assert end == bundle.manifest.files["weights.bin"].bytes


# ---- the graph


@pytest.mark.parametrize("seed", range(3))
def test_numbers_stay_near_those_of_fp32(fp32_bundle: Path, int8_bundle: Path, captioner: CaptionerModel, seed: int) -> None:
    """On the same rows and the same recording: with nothing read before, and after a prefix."""
    rng, sizes = np.random.default_rng(seed), captioner.config.whisper
    heads = (sizes.decoder_layers, sizes.heads)

    def cache(count: int) -> np.ndarray:
        return rng.standard_normal((*heads, count, sizes.width // sizes.heads), dtype=np.float32)

    rows = captioner.verifier.embedding.weight.numpy()[rng.integers(1, 257, 30)]
    for past in (0, 6):
        feeds = {"rows": rows, "verify_k": cache(8 * SLOTS), "verify_v": cache(8 * SLOTS)}
        feeds |= {"past_k": cache(past), "past_v": cache(past)}
        full, small = (session(folder, "verify").run(None, feeds) for folder in (fp32_bundle, int8_bundle))
        for ours, theirs in zip(small[1:], full[1:], strict=True):
            error = np.sqrt(np.mean((ours - theirs) ** 2)) / theirs.std()
            assert 0 < error < 0.05
        assert np.mean(small[0][:, 0] == full[0][:, 0]) >= 0.8


# ---- what stays in floating point


def test_no_large_float_tensor_is_left(bundle: Bundle) -> None:
    for role, name in bundle.manifest.graphs.items():
        for tensor in onnx.load(bundle.path(name)).graph.initializer:
            if tensor.data_type == TensorProto.FLOAT:
                assert 4 * int(np.prod(tensor.dims)) < HALVED_BYTES, f"{role}: {tensor.name}"
