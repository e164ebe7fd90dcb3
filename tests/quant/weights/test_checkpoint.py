"""A checkpoint quantized directly is the bundle that exporting and then quantizing make, and memory stays small."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.errors import BundleError, InputError
from unmask.export.checkpoint.weights import open_checkpoint
from unmask.quant.weights.checkpoint import CheckpointRows, quantize_checkpoint
from unmask.quant.weights.quantize import Recipe, quantize_bundle
from unmask.quant.weights.rewrite import Blocking

RECIPES = {
    "int8": Recipe(),
    "int8-weights": Recipe("int8-weights"),
    "int8-weights, head too": Recipe("int8-weights", head="int8-weights", embedding="fp16"),
    "int4": Recipe("int4", blocking=Blocking(16)),
    "int4, some spared": Recipe("int4", keep=("window:*down*",)),
    "fp16": Recipe("fp16"),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("family", ["dream", "llada", "block"])
@pytest.mark.parametrize("recipe", [pytest.param(name, marks=[pytest.mark.slow] * (name != "int8")) for name in RECIPES])
def test_it_is_the_bundle_that_export_and_quantize_make(
    family: str, recipe: str, checkpoints: dict[str, Path], backbones: dict[str, Path], tmp_path: Path
) -> None:
    exported = backbones[family]
    quantize_bundle(exported, tmp_path / "both", RECIPES[recipe])
    float_bytes = quantize_checkpoint(checkpoints[family], tmp_path / "direct", RECIPES[recipe])
    assert contents(tmp_path / "direct") == contents(tmp_path / "both")
    assert float_bytes == pytest.approx((exported / "weights.bin").stat().st_size, rel=0.1)  # which begins tensors on pages


def test_rows_of_a_tensor_are_read_when_they_are_asked_for(checkpoints: dict[str, Path]) -> None:
    checkpoint = open_checkpoint(checkpoints["dream"])
    name = "model.embed_tokens.weight"
    whole = checkpoint.tensor(name).numpy()
    rows = CheckpointRows(checkpoint, name, 3, 11)
    assert (rows.shape, rows.ndim, rows.size, len(rows)) == (whole[3:11].shape, 2, whole[3:11].size, 8)
    assert np.array_equal(np.asarray(rows), whole[3:11])
    assert np.array_equal(np.asarray(rows[2:5]), whole[5:8])
    assert np.array_equal(rows.T, whole[3:11].T)


def test_what_cannot_be_quantized_leaves_nothing(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="ranges"):
        quantize_checkpoint(checkpoints["dream"], out, Recipe("int8-static"))
    with pytest.raises(InputError, match="matches no matrix"):
        quantize_checkpoint(checkpoints["dream"], out, Recipe(keep=("nothing:*",)))
    with pytest.raises((InputError, BundleError)):
        quantize_checkpoint(tmp_path, out)
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not a bundle"):
        quantize_checkpoint(checkpoints["dream"], notes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes"]


PEAK = """
import resource, sys
from pathlib import Path
from unmask.quant.weights.checkpoint import quantize_checkpoint
import unmask.export.onnx.backbone  # PyTorch and the exporter count for both
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
quantize_checkpoint(Path(sys.argv[1]), Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
@pytest.mark.slow
def test_memory_follows_the_largest_matrix(tmp_path: Path) -> None:
    """Of two models with the same matrices the one with four times as many layers takes no more memory."""
    taken = []
    for layers in (2, 8):
        shape = {"num_hidden_layers": layers, "hidden_size": 512, "intermediate_size": 2048}
        folder = write_checkpoint(tmp_path / f"{layers}", "dream", **shape)
        command = [sys.executable, "-c", PEAK, str(folder), str(tmp_path / f"{layers}-int8")]
        taken.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    more = sum(path.stat().st_size for path in (tmp_path / "8").glob("*.safetensors")) / 1024
    more -= sum(path.stat().st_size for path in (tmp_path / "2").glob("*.safetensors")) / 1024
    assert taken[1] - taken[0] < more / 3
