"""The tensors of a checkpoint folder, one at a time, never all of them in memory.

Knows safetensors, in one file or in shards. Knows no model.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from unmask.errors import BundleError, InputError
from unmask.export.checkpoint.config import FILE, read_json
from unmask.export.checkpoint.folder import INDEX, SINGLE, check_sort, snapshot

FLOATS = ("F64", "F32", "F16", "BF16")  # the codes of a quantized checkpoint mean nothing without their scales
BUFFERS = (".inv_freq", ".attn.bias", ".attention.bias", ".masked_bias", "._extra_state", ".position_ids")
"""Ends of the names of tensors that training code stores and that hold no weights: every program computes them anew."""
LFS_POINTER = b"version https://git-lfs"
PART_BYTES = 1 << 26  # float32 bytes converted at a time


@dataclass(frozen=True)
class Checkpoint:
    folder: Path
    config: dict[str, Any]
    shards: dict[str, Path]  # tensor -> file
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]  # as safetensors names them

    def parts(self, name: str) -> Iterator[NDArray[np.float32]]:
        """A tensor's rows in order, as float32, in parts of at most PART_BYTES. Raises BundleError for one that is not finite."""
        with _open(self.shards[name]) as shard:
            if len(shape := self.shapes[name]) < 2:
                yield self._finite(name, 0, shard.get_tensor(name).float().numpy())
                return
            rows = max(1, PART_BYTES // (4 * int(np.prod(shape[1:]))))
            stored = shard.get_slice(name)
            for start in range(0, shape[0], rows):
                yield self._finite(name, start, stored[start : start + rows].float().numpy())

    def rows(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """Rows [start, stop) of a tensor, as float32. Raises BundleError for a number that is not finite."""
        with _open(self.shards[name]) as shard:
            return self._finite(name, start, shard.get_slice(name)[start:stop].float().numpy())

    def _finite(self, name: str, start: int, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The rows. start: the first one's place in its tensor."""
        if not (finite := np.isfinite(rows)).all():
            first, *rest = (int(place) for place in np.argwhere(~finite)[0])
            raise BundleError(
                f"{self.folder}: {name}{[start + first, *rest]} is {rows[first, *rest]}, which no model computes with; download "
                "it again, or take a checkpoint from before its training failed"
            )
        return rows

    def tensor(self, name: str) -> torch.Tensor:
        """A whole tensor, float32."""
        return torch.from_numpy(np.concatenate(list(self.parts(name))))

    def check(self, expected: dict[str, tuple[int, ...]], skipped: tuple[str, ...]) -> None:
        """Raises BundleError that names missing, misshapen or unknown tensors, InputError for quantized ones.

        skipped: prefixes of tensors that are known and not needed.
        """
        unknown = (name for name in self.shapes if name not in expected)
        extra = [name for name in unknown if not name.startswith(skipped) and not name.endswith(BUFFERS)]
        for name in (*(name for name in expected if name in self.shapes), *extra):
            if self.dtypes[name] not in FLOATS:
                raise InputError(
                    f"{self.folder}: {name} holds {self.dtypes[name]}, so the checkpoint is quantized; give the folder of the "
                    "float16, bfloat16 or float32 one"
                )
        missing = [f"{name} {list(shape)}" for name, shape in expected.items() if name not in self.shapes]
        wrong = [
            f"{name} is {list(self.shapes[name])} instead of {list(shape)}"
            for name, shape in expected.items()
            if name in self.shapes and self.shapes[name] != shape
        ]
        for what, names in (("missing", missing), ("wrong", wrong), ("unknown", extra)):
            if names:
                more = f" and {len(names) - 4} more" if len(names) > 4 else ""
                raise BundleError(
                    f"{self.folder}: {what} tensors: {', '.join(names[:4])}{more}; the folder is not of the model_type in its "
                    "config.json, or its download is incomplete"
                )


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read a folder's configuration and the headers of its shards.

    folder: with config.json, or a model's folder in the cache of huggingface_hub. Raises InputError or BundleError for a folder
    that is no checkpoint or is damaged, OSError for a file that cannot be read.
    """
    folder = snapshot(folder)
    check_sort(folder)
    config = read_json(folder / FILE)
    shards: dict[str, Path] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, str] = {}
    for path in _files(folder):
        with _open(path) as shard:
            for name in shard.keys():  # noqa: SIM118  (no mapping)
                stored = shard.get_slice(name)
                shards[name], shapes[name], dtypes[name] = path, tuple(stored.get_shape()), stored.get_dtype()
    if (folder / INDEX).is_file():
        lost = sorted(set(read_json(folder / INDEX)["weight_map"]) - set(shards))
        if lost:
            raise BundleError(f"{folder}: {lost[0]} is in {INDEX} but in no shard; download the checkpoint again")
    return Checkpoint(folder, config, shards, shapes, dtypes)


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        weight_map = read_json(folder / INDEX).get("weight_map")
        if not isinstance(weight_map, dict):
            raise BundleError(f"{folder / INDEX}: no weight_map; download it again")
        if not all(isinstance(name, str) and name for name in weight_map.values()):
            raise BundleError(f"{folder / INDEX}: a tensor has no shard; download it again")
        names = sorted(set(weight_map.values()))
        if any("/" in name or "\\" in name or name.startswith(".") for name in names):
            raise BundleError(f"{folder / INDEX}: a shard is outside the folder; download the checkpoint again")
    else:
        names = [SINGLE]
    for name in names:
        if not (folder / name).is_file():
            raise BundleError(f"{folder / name}: missing; download the checkpoint again")
    return [folder / name for name in names]


def _open(path: Path) -> Any:
    with path.open("rb") as file:  # safetensors calls a file that may not be read one that does not exist
        start = file.read(len(LFS_POINTER))
    try:
        return safe_open(path, "pt")
    except SafetensorError as error:
        if start == LFS_POINTER:
            raise BundleError(f"{path}: a pointer of Git LFS in place of the file; run git lfs pull in its folder") from error
        raise BundleError(f"{path}: cut short or damaged ({error}); download it again") from error
