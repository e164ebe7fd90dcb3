"""Write a bundle: graphs, the one weights file that they share, the tokenizer and the manifest.

Knows ONNX models and bytes. Knows no PyTorch and no quantization.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from unmask.bundle.embedding import Embedding
from unmask.bundle.manifest import MANIFEST, File, Manifest, read_manifest
from unmask.errors import BundleError
from unmask.export.staging import staging

WEIGHTS = "weights.bin"
SMALLEST_BYTES = 1024  # smaller tensors stay in the graph, where ONNX Runtime can fold them
PAGE_BYTES = 4096  # tensors of at least MAPPED_BYTES start on a page, so that they can be memory-mapped ...
MAPPED_BYTES = 1 << 16
LINE_BYTES = 64  # ... and smaller ones on a cache line


class WeightsFile:
    """A file of tensors. Equal bytes are stored once, whichever graphs they come from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")
        self._known: dict[bytes, tuple[int, int]] = {}
        self._table, self._table_at = b"", 0

    def add(self, array: NDArray[Any]) -> int:
        """Store the bytes and return their offset."""
        data = np.ascontiguousarray(array).tobytes()
        if self._table.startswith(data):
            return self._table_at
        key = hashlib.sha256(data).digest()
        if key not in self._known:
            self._align(len(data))
            self._known[key] = (self._file.tell(), len(data))
            self._file.write(data)
        return self._known[key][0]

    def add_table(self, array: NDArray[Any]) -> int:
        """Store a table and return its offset. A later tensor that equals its first rows is not stored again."""
        self._table_at, self._table = self.add(array), np.ascontiguousarray(array).tobytes()
        return self._table_at

    def _align(self, size: int) -> None:
        self._file.write(b"\0" * (-self._file.tell() % (PAGE_BYTES if size >= MAPPED_BYTES else LINE_BYTES)))

    def stream(self, parts: Iterable[NDArray[Any]]) -> int:
        """Store a tensor that comes in parts, one in memory at a time, and return its offset. Does not look for equal tensors."""
        self._align(MAPPED_BYTES)
        offset = self._file.tell()
        for part in parts:
            self._file.write(np.ascontiguousarray(part).data)
        return offset

    def close(self) -> None:
        self._file.close()


def write_bundle(
    folder: Path,
    manifest: Manifest,
    graphs: dict[str, onnx.ModelProto],
    table: NDArray[Any],
    tokenizer: str,
) -> Path:
    """Write a bundle to a temporary folder, and move it to `folder` once it is complete and passes the runtime's own check.

    graphs: role -> model with its weights inside. table: the embedding of canvas and verifier, (rows, width) float16 or float32;
    a head that equals its first rows is not stored again. tokenizer: JSON text. The manifest's files, graphs, embeddings and
    tokenizer are filled in here. Replaces an older bundle at `folder`. Raises BundleError when the runtime would refuse it.
    """
    with staging(folder) as part:
        _fill(part, manifest, graphs, table, tokenizer)
    return folder


def seal(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, listing every file below the folder. Raises BundleError when the runtime would refuse the bundle."""
    listed = sorted(path for path in folder.rglob("*") if path.is_file())
    whole = replace(manifest, files={path.relative_to(folder).as_posix(): describe(path) for path in listed})
    (folder / MANIFEST).write_text(whole.to_json(), encoding="utf-8")
    read_manifest(folder)  # checks all but sizes and hashes, which were just computed


def _fill(folder: Path, manifest: Manifest, graphs: dict[str, onnx.ModelProto], table: NDArray[Any], tokenizer: str) -> None:
    weights = WeightsFile(folder / WEIGHTS)
    embedding = Embedding(WEIGHTS, weights.add_table(table), table.shape[0], table.shape[1], str(table.dtype))
    for role, model in graphs.items():
        onnx.save_model(externalize(model, weights), folder / f"{role}.onnx")
    weights.close()
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    whole = replace(
        manifest,
        embedding=embedding,
        tokenizer="tokenizer.json",
        graphs={role: f"{role}.onnx" for role in graphs},
    )
    seal(folder, whole)


def externalize(model: onnx.ModelProto, weights: WeightsFile) -> onnx.ModelProto:
    """A copy whose large tensors point into the weights file, without names and paths of the machine that exported it."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    del model.graph.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
        array = onnx.numpy_helper.to_array(tensor)
        if np.issubdtype(array.dtype, np.floating) and np.isnan(array).any():  # infinity may be meant: masks are made of it
            raise BundleError(f"{tensor.name} holds NaN, so nothing can be computed with it; export other weights")
        if array.nbytes < SMALLEST_BYTES:
            continue
        offset = weights.add(array)
        for name in ("raw_data", "float_data", "int32_data", "int64_data"):
            tensor.ClearField(name)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in (("location", WEIGHTS), ("offset", offset), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
    return model


def describe(path: Path) -> File:
    """Size and hash of a file, as the manifest lists them."""
    with path.open("rb") as file:
        return File(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
