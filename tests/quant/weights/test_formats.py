"""Every format on tiny bundles of every kind: which operators stand where, what is stored once, how far answers may drift."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from unmask.benchmarks.compare.bundles import measure_drift
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine import Engine
from unmask.errors import BundleError, InputError
from unmask.quant.calibration.calibrate import measure_ranges
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.weights.matrices import matrices
from unmask.quant.weights.quantize import WEIGHT_FORMATS, Recipe, bundle_source, quantize_bundle
from unmask.quant.weights.rewrite import Blocking
from unmask.quant.weights.store import place_of
from unmask.text.denoiser import BackboneDenoiser

TONE = (0.3 * np.sin(np.arange(24000) ** 1.3 / 40)).astype(np.float32)
MATERIAL = Material((TONE,), ("What?",), length=12, draws=2)
KINDS = ("caption", "dream", "block")
PRODUCTS = {
    "int8": {"MatMulInteger"},
    "int8-weights": {"MatMulNBits", "MatMulInteger"},  # a tied head's codes serve the embedding too
    "int4": {"MatMulNBits", "MatMulInteger"},
    "int8-static": {"MatMul"},
    "fp16": {"MatMul", "Gemm"},
}
KL = {"int8": 0.03, "int8-weights": 0.01, "int4": 0.5, "int8-static": 0.05, "fp16": 1e-5}  # nats a row, of random weights


@pytest.fixture(scope="module")
def sources(fp32_bundle: Path, backbones: dict[str, Path]) -> dict[str, Path]:
    return {"caption": fp32_bundle, **backbones}


@pytest.fixture(scope="module")
def made(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Bundle]:
    root = tmp_path_factory.mktemp("formats")
    out = {}
    for kind in KINDS:
        ranges = measure_ranges(load_bundle(sources[kind]), MATERIAL)
        for name in WEIGHT_FORMATS:
            out[kind, name] = load_bundle(quantize_bundle(sources[kind], root / f"{kind}-{name}", Recipe(name), ranges))
    return out


def graphs(bundle: Bundle) -> dict[str, onnx.ModelProto]:
    return {role: onnx.load(bundle.path(name)) for role, name in bundle.manifest.graphs.items()}


def size(bundle: Bundle) -> int:
    return bundle.manifest.files["weights.bin"].bytes


# ---- each format


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WEIGHT_FORMATS)
def test_products_have_the_format(made: dict[tuple[str, str], Bundle], kind: str, name: str) -> None:
    for role, graph in graphs(made[kind, name]).items():
        onnx.checker.check_model(graph)
        known = {tensor.name for tensor in graph.graph.initializer}
        widened = {node.output[0] for node in graph.graph.node if node.op_type in ("Cast", "DequantizeLinear")}
        products = {"MatMul", "Gemm", "MatMulInteger", "MatMulNBits"}
        found = {node.op_type for node in graph.graph.node if node.op_type in products and node.input[1] in known | widened}
        assert found <= PRODUCTS[name], role
        assert matrices(role, graph) == [], "a matrix is still in float32"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WEIGHT_FORMATS)
def test_answers_stay_near(sources: dict[str, Path], made: dict[tuple[str, str], Bundle], kind: str, name: str) -> None:
    parts, _ = measure_drift(load_bundle(sources[kind]), made[kind, name], MATERIAL)
    assert {part.ratio for part in parts} == ({None} if kind == "caption" else {0.25, 0.5, 0.75, 1.0})
    for part in parts:
        assert 0 < part.kl < KL[name]
    assert np.mean([part.argmax for part in parts]) > (0.5 if name == "int4" else 0.8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_manifest_says_what_was_done(sources: dict[str, Path], made: dict[tuple[str, str], Bundle], kind: str) -> None:
    before = load_bundle(sources[kind]).manifest
    for name in WEIGHT_FORMATS:
        after = made[kind, name].manifest
        assert after.precision == name
        assert name in after.provenance["quantized"]
        for field in ("name", "family", "vocabulary", "tasks", "templates", "transcript", "attention", "block", "end_ids"):
            assert getattr(after, field) == getattr(before, field)


def test_smaller_formats_take_fewer_bytes(made: dict[tuple[str, str], Bundle]) -> None:
    for kind in KINDS:
        assert size(made[kind, "int4"]) < size(made[kind, "int8-weights"])
        assert size(made[kind, "int8"]) < size(made[kind, "fp16"])


def test_formats_differ_in_their_drift(sources: dict[str, Path], made: dict[tuple[str, str], Bundle]) -> None:
    """Weights alone drift less than weights and activations, 4 bits more than 8."""
    drift = {}
    for name in WEIGHT_FORMATS:
        parts, _ = measure_drift(load_bundle(sources["dream"]), made["dream", name], MATERIAL)
        drift[name] = np.mean([part.kl for part in parts])
    assert drift["fp16"] < drift["int8-weights"] < drift["int8"] < drift["int4"]


# ---- heads and embeddings


def test_a_tied_head_and_its_embedding_are_one_matrix(sources: dict[str, Path], made: dict[tuple[str, str], Bundle]) -> None:
    for name in ("int8", "int8-weights", "int4", "int8-static"):
        bundle = made["block", name]
        table = bundle.manifest.embedding
        head = onnx.load(bundle.path("head.onnx"), load_external_data=False)
        places = {(place.offset, place.length) for tensor in head.graph.initializer if (place := place_of(tensor))}
        assert (table.offset, table.rows * table.width) in places
        exact = load_bundle(sources["block"]).table().gather(np.arange(9))
        np.testing.assert_allclose(bundle.table().gather(np.arange(9)), exact, atol=float(np.abs(exact).max()) / 100)


def test_an_embedding_that_is_not_tied_gets_its_own_form(sources: dict[str, Path], tmp_path: Path) -> None:
    exact = load_bundle(sources["dream"]).table().gather(np.arange(260))
    for form, dtype, most in (("int8", "int8", 0.02), ("fp16", "float16", 2e-3), ("fp32", "float32", 0.0)):
        bundle = load_bundle(quantize_bundle(sources["dream"], tmp_path / form, Recipe(embedding=form)))
        assert bundle.manifest.embedding.dtype == dtype
        assert np.abs(bundle.table().gather(np.arange(260)) - exact).max() <= most * np.abs(exact).max()
    with pytest.raises(InputError, match="not tied"):
        quantize_bundle(sources["dream"], tmp_path / "head", Recipe(embedding="head"))


def test_heads_are_chosen_apart(sources: dict[str, Path], tmp_path: Path) -> None:
    bundle = load_bundle(quantize_bundle(sources["dream"], tmp_path / "out", Recipe("int4", head="int8-weights")))
    bits = {
        role: {onnx.helper.get_attribute_value(next(a for a in node.attribute if a.name == "bits")) for node in nodes}
        for role, graph in graphs(bundle).items()
        if (nodes := [node for node in graph.graph.node if node.op_type == "MatMulNBits"])
    }
    assert bits == {"window": {4}, "head": {8}}


@pytest.mark.parametrize("name", ["int8", "int8-weights", "fp16"])
def test_sliced_heads_are_stored_once_and_agree_with_the_whole(omni: Path, tmp_path: Path, name: str) -> None:
    bundle = load_bundle(quantize_bundle(omni, tmp_path / name, Recipe(name)))
    manifest = bundle.manifest
    padded = 128 / 16 * 8 + 32 / 16  # at width 16 a block of 128 is mostly padding, and one scale
    bits = {"int8": 8, "int8-weights": padded, "fp16": 16}[name]
    one = manifest.vocabulary.size * manifest.embedding.width
    table = {"int8": 1, "float16": 2}[manifest.embedding.dtype] * one
    assert size(bundle) < 1.1 * (one * bits / 8 + table + 8 * manifest.vocabulary.size)
    engine = Engine(bundle)
    denoiser = BackboneDenoiser(engine, 6, 2)
    hidden = denoiser.hidden(np.arange(6), np.arange(2, 6))
    whole = denoiser.numbers(hidden, 1.0)
    for role, (low, high) in manifest.vocabulary.ranges.items():
        bias, scale = np.zeros((1, high - low), np.float32), np.ones(1, np.float32)
        ids, logits, *_ = engine.run(f"head_{role}", {"hidden": hidden, "bias": bias, "scale": scale}).values()
        assert ((ids >= low) & (ids < high)).all()
        for row, (best, value) in enumerate(zip(ids, logits, strict=True)):
            known = dict(zip(whole.ids[row].tolist(), whole.logits[row].tolist(), strict=True))
            shared = [(known[int(i)], v) for i, v in zip(best, value, strict=True) if int(i) in known]
            np.testing.assert_allclose(*zip(*shared, strict=True), rtol=1e-4) if shared else None


# ---- what is spared


def test_kept_matrices_are_float16(sources: dict[str, Path], tmp_path: Path) -> None:
    recipe = Recipe("int8", keep=("window:*.down.weight", "head:weight"))
    bundle = load_bundle(quantize_bundle(sources["dream"], tmp_path / "out", recipe))
    kept = {
        f"{role}:{tensor.name}": tensor.data_type
        for role, graph in graphs(bundle).items()
        for tensor in graph.graph.initializer
        if tensor.name.endswith("_half")
    }
    assert set(kept) == {f"window:backbone.layers.{i}.down.weight_half" for i in (0, 1)} | {"head:weight_half"}
    assert set(kept.values()) == {onnx.TensorProto.FLOAT16}
    assert "window:backbone.layers.0.down.weight" in bundle.manifest.provenance["quantized"]


# ---- refusals


def test_a_bundle_that_is_quantized_already_is_refused(int8_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds int8 weights already"):
        quantize_bundle(int8_bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_says_fp32_and_holds_int8_is_refused(int8_bundle: Path, tmp_path: Path) -> None:
    bundle = load_bundle(int8_bundle)
    with pytest.raises(InputError, match="already"):
        bundle_source(Bundle(bundle.folder, replace(bundle.manifest, precision="fp32")))


def test_a_changed_weight_is_found_before_anything_is_written(sources: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sources["dream"], copy)
    data = bytearray((copy / "weights.bin").read_bytes())
    data[100] ^= 1
    (copy / "weights.bin").write_bytes(data)
    with pytest.raises(BundleError, match="SHA-256"):
        quantize_bundle(copy, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_static_int8_needs_ranges(sources: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ranges"):
        quantize_bundle(sources["dream"], tmp_path / "out", Recipe("int8-static"))
    with pytest.raises(InputError, match="was not measured: measure again"):
        quantize_bundle(sources["dream"], tmp_path / "out", Recipe("int8-static"), {"window": {}})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"format": "int3"}, "int8, int8-weights"),
        ({"head": "int3"}, "head"),
        ({"embedding": "int4"}, "embedding"),
        ({"blocking": Blocking(block=24)}, "power of two"),
        ({"blocking": Blocking(block=8)}, "power of two"),
        ({"blocking": Blocking(accuracy_level=5)}, "accuracy level"),
    ],
)
def test_recipes_are_checked(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Recipe(**wrong)  # type: ignore[arg-type]


def test_a_pattern_that_names_nothing_is_told(sources: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"keep 'window:\*dwon\*' matches no matrix; labels look like window:backbone"):
        quantize_bundle(sources["dream"], tmp_path / "out", Recipe(keep=("window:*dwon*",)))


# ---- files


def test_other_files_and_the_card_stay(sources: dict[str, Path], tmp_path: Path) -> None:
    copy, target = tmp_path / "copy", tmp_path / "target"
    shutil.copytree(sources["dream"], copy)
    (copy / "voice.dat").write_bytes(b"codec")
    manifest = json.loads((copy / "bundle.json").read_text())
    manifest["files"]["voice.dat"] = {"bytes": 5, "sha256": hashlib.sha256(b"codec").hexdigest()}
    (copy / "bundle.json").write_text(json.dumps(manifest))
    quantize_bundle(copy, target)
    (target / "README.md").write_text("my card")
    quantize_bundle(copy, target, Recipe("fp16"))
    assert (target / "voice.dat").read_bytes() == b"codec"
    assert (target / "README.md").read_text() == "my card"
    assert "README.md" not in load_bundle(target).manifest.files
    assert (target / "tokenizer.json").read_bytes() == (copy / "tokenizer.json").read_bytes()
