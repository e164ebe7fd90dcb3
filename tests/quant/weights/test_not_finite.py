"""Weights that are no numbers are named when a bundle is made smaller: afterwards they would be ordinary codes."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from unmask.bundle.manifest import MANIFEST
from unmask.errors import BundleError
from unmask.export.bundle_writer import WEIGHTS
from unmask.quant.drift import drift, log_softmax
from unmask.quant.weights.quantize import Recipe, quantize_bundle
from unmask.quant.weights.store import place_of


def damaged(bundle: Path, folder: Path, role: str, name: str, number: float) -> Path:
    """A copy of a bundle with one number of one tensor replaced: row 3, column 5."""
    shutil.copytree(bundle, folder)
    graph = onnx.load(folder / f"{role}.onnx", load_external_data=False).graph
    tensor = next(tensor for tensor in graph.initializer if name in tensor.name)
    place = place_of(tensor)
    assert place is not None
    stored = np.memmap(folder / WEIGHTS, "<f4", "r+", place.offset, tuple(tensor.dims))
    stored[3, 5] = number
    stored.flush()
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][WEIGHTS]["sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("form", ["int8", "int8-weights", "int4", "fp16"])
@pytest.mark.parametrize(("role", "name"), [("window", "layers.1.up.weight"), ("head", "weight")])
def test_it_is_named_in_every_form(
    backbones: dict[str, Path], tmp_path: Path, role: str, name: str, form: str, number: float
) -> None:
    source = damaged(backbones["dream"], tmp_path / "nan", role, name, number)
    with pytest.raises(BundleError, match=rf"{name}\[3, 5\] is {number}, which no model computes with"):
        quantize_bundle(source, tmp_path / "small", Recipe(form))
    assert [path.name for path in tmp_path.iterdir()] == ["nan"]


def test_the_rows_of_an_embedding_too(backbones: dict[str, Path], tmp_path: Path) -> None:
    """Of a model whose head is another matrix."""
    folder = shutil.copytree(backbones["dream"], tmp_path / "nan")
    manifest = json.loads((folder / MANIFEST).read_text())
    table = manifest["embedding"]
    stored = np.memmap(folder / WEIGHTS, "<f4", "r+", table["offset"], (table["rows"], table["width"]))
    stored[7, 2] = np.nan
    stored.flush()
    manifest["files"][WEIGHTS]["sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    for form in ("int8", "fp16"):
        with pytest.raises(BundleError, match=r"the embedding\[7, 2\] is nan"):
            quantize_bundle(folder, tmp_path / "small", Recipe(form))


def test_two_models_that_compute_nan_agree_on_nothing() -> None:
    """The sides of a gate: an argmax of NaN is always column 0."""
    rows = np.random.default_rng(0).normal(size=(8, 5))
    good, half, bad = log_softmax(rows), log_softmax(np.where(np.arange(8)[:, None] < 4, np.nan, rows)), np.full((8, 5), np.nan)
    for pair in ((bad, bad), (good, bad), (bad, good)):
        found = drift("window", 0.5, [pair])
        assert (found.argmax, found.first, found.early) == (0, 0, 0)
        assert np.isnan(found.kl)
    assert drift("window", 0.5, [(good, half)]).argmax == 0.5
    assert drift("window", 0.5, [(good, good)]).argmax == 1
