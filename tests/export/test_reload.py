"""A transcript's graphs hold the model and its drafter: both come back exactly, and from smaller forms as their codes say."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch

from tests.conftest import FAMILIES
from tests.tiny import TINY, make_captioner, make_drafter
from unmask.bundle.manifest import load_bundle
from unmask.errors import BundleError
from unmask.export.graphs import reload_backbone
from unmask.export.reload import reload_text, reload_transcript
from unmask.quant.weights.quantize import Recipe, quantize_bundle

UNSEEN = "letters"  # only training looks at them


def test_an_fp32_bundle_is_the_model(fp32_bundle: Path) -> None:
    model, drafter = reload_transcript(load_bundle(fp32_bundle))
    assert model.config == TINY
    assert drafter is not None
    expected = make_captioner()
    for ours, theirs in ((model, expected), (drafter, make_drafter(expected))):
        for name, value in ours.state_dict().items():
            assert name.startswith(UNSEEN) or torch.equal(value, theirs.state_dict()[name]), name


def test_without_a_drafter_there_is_none(plain_bundle: Path) -> None:
    model, drafter = reload_transcript(load_bundle(plain_bundle))
    assert drafter is None
    assert torch.equal(model.decoder.embed_tokens.weight, make_captioner().decoder.embed_tokens.weight)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "most"), [(Recipe("fp16"), 1e-3), (Recipe("int8"), 0.02), (Recipe("int4", head="int4"), 0.15)]
)
def test_codes_stand_for_the_weights(fp32_bundle: Path, tmp_path: Path, recipe: Recipe, most: float) -> None:
    model, drafter = reload_transcript(load_bundle(quantize_bundle(fp32_bundle, tmp_path / "small", recipe)))
    expected = make_captioner()
    differ = 0
    assert drafter is not None
    for ours, theirs in ((model, expected), (drafter, make_drafter(expected))):
        for name, value in ours.named_parameters():
            other = theirs.get_parameter(name)
            if not name.startswith(UNSEEN):
                assert (value - other).square().mean().sqrt() <= most * other.std(correction=0).clamp(min=0.05), name
                differ += not torch.equal(value, other)
    assert differ > 40


def test_other_bundles_are_refused(fp32_bundle: Path, backbones: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a captioner with graphs of any size"):
        reload_transcript(load_bundle(backbones["dream"]))
    bundle = load_bundle(fp32_bundle)
    mute = onnx.load(bundle.path("window.onnx"), load_external_data=False)
    del mute.metadata_props[:]
    for name in bundle.manifest.files:
        (tmp_path / name).write_bytes(bundle.path(name).read_bytes())
    onnx.save_model(mute, tmp_path / "window.onnx")
    with pytest.raises(BundleError, match="do not say what model they are of; export the bundle again"):
        reload_transcript(replace(bundle, folder=tmp_path))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_backbone_is_its_checkpoints_model(family: str, checkpoints: dict[str, Path], backbones: dict[str, Path]) -> None:
    model, head, top = reload_text(load_bundle(backbones[family]))
    expected, matrix = reload_backbone(checkpoints[family])
    tied = replace(expected.config, tied=False, rope_theta=0.0)
    assert replace(model.config, rope_theta=0.0, eps=tied.eps) == tied
    assert model.config.eps == pytest.approx(expected.config.eps)
    assert model.config.rope_theta == pytest.approx(expected.config.rope_theta, rel=1e-6)
    assert torch.equal(head, matrix)
    assert top == 64
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected.state_dict()[name]), name


def test_a_quantized_backbone_is_its_codes(checkpoints: dict[str, Path], backbones: dict[str, Path], tmp_path: Path) -> None:
    model, head, _ = reload_text(load_bundle(quantize_bundle(backbones["block"], tmp_path / "small")))
    expected, matrix = reload_backbone(checkpoints["block"])
    for one, other in ((head, matrix), *zip(model.parameters(), expected.parameters(), strict=True)):
        assert (one - other).square().mean().sqrt() <= 0.02 * other.std(correction=0).clamp(min=0.05)


def test_a_captioner_is_no_backbone(fp32_bundle: Path) -> None:
    with pytest.raises(BundleError, match="has no graphs of any size that fill a canvas"):
        reload_text(load_bundle(fp32_bundle))
