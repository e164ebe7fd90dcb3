"""A bundle's graphs hold the whole model: it comes back from fp32 exactly, and from smaller forms as their codes say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from tests.tiny import TINY
from unmask.bundle.manifest import load_bundle
from unmask.errors import BundleError
from unmask.export.modules.captioner import CaptionerConfig, CaptionerModel
from unmask.export.onnx.captioner import write_captioner
from unmask.export.reload import reload_captioner
from unmask.quant.weights.quantize import Recipe, quantize_bundle

pytestmark = pytest.mark.slow

RARER = 40


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> CaptionerModel:
    """No two parameters are equal, as none are after training: the exporter stores equal ones once, under one name."""
    torch.manual_seed(11)
    made = CaptionerModel(CaptionerConfig(TINY, tokenizer.get_vocab_size(), rarer=RARER)).eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return made


@pytest.fixture(scope="module")
def folder(model: CaptionerModel, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reload") / "fp32"
    return write_captioner(model, tokenizer.to_str(), out, "tiny", "MIT", {}, blank_penalty=1.5)


def test_an_fp32_bundle_is_the_model(folder: Path, model: CaptionerModel) -> None:
    again, penalty = reload_captioner(load_bundle(folder))
    assert penalty == 1.5
    assert (again.config.vocabulary, again.config.rarer, again.config.marks) == (257, RARER, model.config.marks)
    for (name, ours), theirs in zip(again.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


@pytest.mark.parametrize(
    ("recipe", "most"),
    [
        (Recipe("fp16"), 1e-3),
        (Recipe("int8"), 0.02),
        (Recipe("int8-weights"), 0.02),
        (Recipe("int8", rare="int4"), 0.15),
        (Recipe("int4", head="int4"), 0.15),
    ],
)
def test_codes_stand_for_the_weights(folder: Path, model: CaptionerModel, tmp_path: Path, recipe: Recipe, most: float) -> None:
    again, _ = reload_captioner(load_bundle(quantize_bundle(folder, tmp_path / "small", recipe)))
    differ = 0
    for (name, ours), theirs in zip(again.named_parameters(), model.parameters(), strict=True):
        assert (ours - theirs).square().mean().sqrt() <= most * theirs.std().clamp(min=0.05), name
        differ += not torch.equal(ours, theirs)
    assert differ > 40


def test_a_reloaded_model_exports_to_the_same_answers(folder: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    """int8 codes of weights that came from int8 codes are the same codes, so nothing drifts from hand to hand."""
    small = load_bundle(quantize_bundle(folder, tmp_path / "small"))
    model, penalty = reload_captioner(small)
    wide = write_captioner(model, tokenizer.to_str(), tmp_path / "wide", "tiny", "MIT", {}, penalty)
    again = load_bundle(quantize_bundle(wide, tmp_path / "again"))
    rows = np.arange(small.manifest.embedding.total)
    np.testing.assert_allclose(again.table().gather(rows), small.table().gather(rows), atol=1e-6)


def test_other_bundles_are_refused(backbones: dict[str, Path]) -> None:
    with pytest.raises(BundleError, match="not a captioner with a verifier"):
        reload_captioner(load_bundle(backbones["dream"]))
