"""Rare rows in 4 bits: the common ones stay what they were, the canvas answers as before, the file shrinks by what it should."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tokenizers import Tokenizer

from tests.tiny import TINY
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.export.modules.captioner import CaptionerConfig, CaptionerModel
from unmask.export.onnx.captioner import write_captioner
from unmask.quant.calibration.instrumented import InstrumentedEngine, whole_logits
from unmask.quant.drift import log_softmax
from unmask.quant.weights.quantize import Recipe, quantize_bundle
from unmask.speech.captioner import Captioner as Runtime

pytestmark = pytest.mark.slow

RARER = 3000


@pytest.fixture(scope="module")
def fp32(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    model = CaptionerModel(CaptionerConfig(TINY, tokenizer.get_vocab_size(), rarer=RARER)).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return write_captioner(model, tokenizer.to_str(), tmp_path_factory.mktemp("rare") / "fp32", "tiny", "MIT", {})


@pytest.fixture(scope="module")
def made(fp32: Path) -> dict[str, Bundle]:
    recipes = {"int8": Recipe(), "rare": Recipe(rare="int4"), "int4": Recipe("int4", head="int4")}
    return {name: load_bundle(quantize_bundle(fp32, fp32.with_name(name), recipe)) for name, recipe in recipes.items()}


def test_forms_of_the_rows(fp32: Path, made: dict[str, Bundle]) -> None:
    common = 257 + 3
    parts = {name: [(part.rows, part.dtype) for part in bundle.manifest.embedding.parts] for name, bundle in made.items()}
    assert parts == {
        "int8": [(common, "int8"), (RARER, "int8")],
        "rare": [(common, "int8"), (RARER, "int4")],
        "int4": [(common + RARER, "int4")],
    }
    for bundle in made.values():
        assert bundle.manifest.verifier is not None
        assert bundle.manifest.verifier.embedding == bundle.manifest.embedding
    ids, exact = np.arange(common + RARER), load_bundle(fp32).table()
    for name, most in (("int8", 0.02), ("rare", 0.12), ("int4", 0.12)):
        off = made[name].table().gather(ids) - exact.gather(ids)
        assert 0 < np.sqrt(np.mean(off**2)) < most * exact.gather(ids).std()
    np.testing.assert_array_equal(*(made[name].table().gather(ids[:common]) for name in ("int8", "rare")))


def test_the_head_is_what_the_table_says(made: dict[str, Bundle]) -> None:
    """Logits of the verify graph against products with the rows that the table gives."""
    rng = np.random.default_rng(0)
    for name, bundle in made.items():
        engine = InstrumentedEngine(bundle, lambda role, model: [*whole_logits(role, model), *hidden_of(role, model)])
        cross = rng.standard_normal((2, 2, 16, 16), dtype=np.float32)
        past = np.zeros((2, 2, 0, 16), np.float32)
        rows = bundle.table().gather(rng.integers(1, 257, 12))
        engine.run("verify", {"rows": rows, "verify_k": cross, "verify_v": cross, "past_k": past, "past_v": past})
        logits, hidden = engine.last["verify"]
        expected = hidden.reshape(-1, 32) @ bundle.table().gather(np.arange(257 + 3 + RARER)).T
        written = np.r_[0:257, 260 : 260 + RARER]
        off = logits[:, written] - expected[:, written]
        assert np.sqrt(np.mean(off**2)) < 0.02 * expected.std(), name
        assert (logits[:, 257:260] < -1e3).all(), "marks are never written"


def hidden_of(role: str, model: onnx.ModelProto) -> list[str]:
    """What enters the head: the last product's rows."""
    if role != "verify":
        return []
    product = next(n for n in reversed(model.graph.node) if n.op_type in ("DynamicQuantizeLinear", "MatMulNBits"))
    return [product.input[0]]


def test_the_canvas_answers_as_before(made: dict[str, Bundle]) -> None:
    samples = np.random.default_rng(1).standard_normal(24000).astype(np.float32) * 0.1
    answers = []
    for name in ("int8", "rare"):
        engine = InstrumentedEngine(made[name], whole_logits)
        captioner = Runtime(made[name], engine=engine)
        window = captioner.encode(samples)
        list(captioner.steps(window))
        answers.append(log_softmax(engine.last["window"][0]))
    np.testing.assert_array_equal(*answers)


def test_four_bits_save_what_they_should(made: dict[str, Bundle]) -> None:
    sizes = {name: bundle.manifest.files["weights.bin"].bytes for name, bundle in made.items()}
    eight, four = RARER * (32 + 4), RARER * (32 // 2 + 4)
    assert sizes["int8"] - sizes["rare"] == pytest.approx(eight - four, abs=2 * 4096)  # large tensors begin on pages
    assert "its rows from 260 on int4" in made["rare"].manifest.provenance["quantized"]
