"""Weights that stay in the bundle's file: the same numbers, no copy of them, and a line where that cannot be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Variants
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import session_options
from unmask.errors import InputError
from unmask.text.denoiser import BackboneDenoiser


def test_mapped_weights_give_the_same_numbers(variants: Variants) -> None:
    bundle, at = load_bundle(variants.int8("a2d-qwen3")), np.arange(12)
    found = []
    for mapped in (False, True):
        denoiser = BackboneDenoiser(Engine(bundle, EngineOptions(mapped=mapped)), len(at))
        found.append(denoiser.window(at + 20, at, at[1:], (((0, 200),),)))
    for name in ("ids", "logits", "logsumexp", "entropy"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))


def test_nothing_is_packed_where_weights_are_mapped() -> None:
    made = (session_options(EngineOptions(mapped=mapped)) for mapped in (False, True))
    assert [one.get_session_config_entry("session.disable_prepacking") for one in made] == ["0", "1"]


@pytest.mark.parametrize("precision", ["fp32", "int4"])
def test_weights_of_another_form_are_refused(precision: str, backbones: dict[str, Path]) -> None:
    bundle = load_bundle(backbones["dream"])
    other = replace(bundle, manifest=replace(bundle.manifest, precision=precision))
    with pytest.raises(InputError, match=rf"these are in {precision}; leave out --mapped, or quantize with --to int8"):
        Engine(other, EngineOptions(mapped=True)).inputs("window")
