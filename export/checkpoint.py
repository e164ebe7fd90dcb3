"""A Hugging Face checkpoint folder: its configuration, and its tensors one at a time, never all of them in memory.

Knows config.json and safetensors, in one file or in shards. Knows no model. Executes nothing from the folder.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from unmask.errors import BundleError, InputError

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
FLOATS = ("F64", "F32", "F16", "BF16")  # the codes of a quantized checkpoint mean nothing without their scales
PART_BYTES = 1 << 26  # float32 bytes converted at a time


@dataclass(frozen=True)
class Checkpoint:
    folder: Path
    config: dict[str, Any]
    shards: dict[str, Path]  # tensor -> file
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]  # as safetensors names them

    def parts(self, name: str) -> Iterator[NDArray[np.float32]]:
        """A tensor's rows in order, as float32, in parts of at most PART_BYTES."""
        with _open(self.shards[name]) as shard:
            if len(shape := self.shapes[name]) < 2:
                yield shard.get_tensor(name).float().numpy()
                return
            rows = max(1, PART_BYTES // (4 * int(np.prod(shape[1:]))))
            stored = shard.get_slice(name)
            for start in range(0, shape[0], rows):
                yield stored[start : start + rows].float().numpy()

    def rows(self, name: str, start: int, stop: int) -> NDArray[np.float32]:
        """Rows [start, stop) of a tensor, as float32."""
        with _open(self.shards[name]) as shard:
            rows: NDArray[np.float32] = shard.get_slice(name)[start:stop].float().numpy()
        return rows

    def tensor(self, name: str) -> torch.Tensor:
        """A whole tensor, float32."""
        return torch.from_numpy(np.concatenate(list(self.parts(name))))

    def check(self, expected: dict[str, tuple[int, ...]], skipped: tuple[str, ...]) -> None:
        """Raises BundleError that names missing, misshapen or unknown tensors, InputError for quantized ones.

        skipped: prefixes of tensors that are known and not needed.
        """
        missing = [f"{name} {list(shape)}" for name, shape in expected.items() if name not in self.shapes]
        wrong = [
            f"{name} is {list(self.shapes[name])} instead of {list(shape)}"
            for name, shape in expected.items()
            if name in self.shapes and self.shapes[name] != shape
        ]
        extra = [name for name in self.shapes if name not in expected and not name.startswith(skipped)]
        for what, names in (("missing", missing), ("wrong", wrong), ("unknown", extra)):
            if names:
                more = f" and {len(names) - 4} more" if len(names) > 4 else ""
                raise BundleError(
                    f"{self.folder}: {what} tensors: {', '.join(names[:4])}{more}; the folder is not of the model_type in its "
                    "config.json, or its download is incomplete"
                )
        for name in expected:
            if self.dtypes[name] not in FLOATS:
                raise InputError(
                    f"{self.folder}: {name} holds {self.dtypes[name]}, so the checkpoint is quantized; give the folder of the "
                    "float16, bfloat16 or float32 one"
                )


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read a folder's configuration and the headers of its shards. Raises InputError or BundleError."""
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: no config.json here; give the folder of a Hugging Face checkpoint")
    config = read_json(folder / "config.json")
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


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: not JSON ({error}); download it again") from error
    if not isinstance(value, dict):
        raise BundleError(f"{path}: not a JSON object; download it again")
    return value


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        weight_map = read_json(folder / INDEX).get("weight_map")
        if not isinstance(weight_map, dict):
            raise BundleError(f"{folder / INDEX}: no weight_map; download it again")
        names = sorted(set(weight_map.values()))
        if any("/" in name or "\\" in name or name.startswith(".") for name in names):
            raise BundleError(f"{folder / INDEX}: a shard is outside the folder; download the checkpoint again")
    else:
        names = [SINGLE]
    for name in names:
        if not (folder / name).is_file():
            if list(folder.glob("*.bin")) or list(folder.glob("*.pt")):
                raise InputError(f"{folder}: pickled weights are not read, since they can run code; convert to safetensors first")
            raise BundleError(f"{folder / name}: missing; download the checkpoint again")
    return [folder / name for name in names]


def _open(path: Path) -> Any:
    try:
        return safe_open(path, "pt")
    except SafetensorError as error:
        raise BundleError(f"{path}: cut short or damaged ({error}); download it again") from error
