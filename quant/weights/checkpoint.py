"""Write a quantized bundle from a checkpoint folder without writing it in float32 first.

Graphs point into a weights file that is planned but never written: its contents are read from the checkpoint, a band of rows at a
time. The bundle is the same, byte for byte, as after exporting and then quantizing. Knows checkpoints and places in files.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.export.checkpoint.weights import Checkpoint
from unmask.export.onnx.backbone import TOKENIZER, TracedModel, read_model, trace_model
from unmask.export.staging import check_target
from unmask.quant.weights.quantize import Recipe, SourceModel, write_quantized
from unmask.quant.weights.store import Place, Read
from unmask.system import check_disk

SHARES = {"fp16": 0.51, "int8": 0.3, "int8-weights": 0.3, "int4": 0.3}
"""Size of a bundle by default, at most, as a share of the float32 bytes. A small int4 model is almost only its 8-bit head."""


@dataclass(frozen=True)
class CheckpointRows:
    """Rows of a checkpoint's tensor, read as float32 on access. Has only the array methods that quantizing uses."""

    checkpoint: Checkpoint
    name: str
    start: int
    stop: int
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.stop - self.start, *self.checkpoint.shapes[self.name][1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, rows: slice) -> "CheckpointRows":
        start, stop, step = rows.indices(len(self))
        assert step == 1
        return CheckpointRows(self.checkpoint, self.name, self.start + start, self.start + stop)

    @property
    def T(self) -> NDArray[np.float32]:
        return np.asarray(self).T

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.checkpoint.rows(self.name, self.start, self.stop).astype(dtype or self.dtype, copy=False)


class Layout:
    """Assigns offsets in a weights file to tensors of a checkpoint, one after the other."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._shapes, self._end = checkpoint.shapes, 0

    def __call__(self, name: str) -> int:
        offset = self._end
        self._end += 4 * math.prod(self._shapes[name])
        return offset


def in_checkpoint(traced: TracedModel) -> Read:
    """Reads what would be at a place in the weights file."""
    checkpoint = traced.model.checkpoint
    starts = [(offset, name) for name, offset in traced.offsets.items()]

    def read(place: Place, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        offset, name = max(start for start in starts if start[0] <= place.offset)
        row, rest = divmod(place.offset - offset, 4 * math.prod(shape[1:]))
        assert rest == 0, f"{place} begins inside a row of {name}"
        assert checkpoint.shapes[name][1:] == shape[1:]
        return CheckpointRows(checkpoint, name, row, row + shape[0])  # type: ignore[return-value]

    return read


def quantize_checkpoint(
    source: Path, target: Path, recipe: Recipe | None = None, say: Callable[[str], None] = lambda line: None
) -> int:
    """Write the bundle that `recipe` (by default int8) makes of the checkpoint folder `source` at `target`.

    Returns the size of the same model in float32, in bytes. Memory use is that of the codes of the largest matrix. Replaces an
    older bundle at `target`, and nothing else. Raises the errors of `write_backbone` and
    `unmask.quant.weights.quantize.quantize_bundle`, and InputError for int8-static, which needs measured ranges.
    """
    check_target(target)
    recipe, model = recipe or Recipe(), read_model(source)
    check_disk(target, int(SHARES.get(recipe.format, 0.51) * model.bytes), "the bundle")
    traced = trace_model(model, Layout(model.checkpoint), say)
    manifest = traced.manifest  # places the embedding

    def others(folder: Path) -> None:
        (folder / TOKENIZER).write_text(model.tokenizer.to_str(), encoding="utf-8")

    say("quantizing")
    write_quantized(SourceModel(manifest, traced.graphs, in_checkpoint(traced)), target, recipe, None, others)
    return model.bytes
