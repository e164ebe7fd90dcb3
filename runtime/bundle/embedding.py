"""Token embeddings inside a bundle: the formats of their rows, and how to read a few rows.

Knows bytes and numbers. Knows no graph and no vocabulary.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import BundleError

DTYPES = ("float16", "float32", "int8", "int4")
SCALED = ("int8", "int4")


@dataclass(frozen=True)
class Embedding:
    """Rows stored in a file of the bundle, little-endian.

    float16 and float32: (rows, width), row-major. int8: the (width, rows) matrix of a tied int8 head, and one scale per row.
    int4: (rows, blocks, block / 2) bytes in the layout of MatMulNBits, two codes with zero point 8 in each byte, the low half
    first, and one scale per block; the last block is padded.
    """

    file: str
    offset: int  # bytes
    rows: int
    width: int
    dtype: str  # one of DTYPES
    scales: int | None = None  # byte offset of (rows,) or (rows, blocks) float32, int8 and int4 only
    block: int | None = None  # number of weights that share a scale, int4 only
    rest: "Embedding | None" = None  # the rows after these, if they are stored in another format

    @property
    def parts(self) -> "tuple[Embedding, ...]":
        """This part and the ones after it."""
        return (self, *(self.rest.parts if self.rest else ()))

    @property
    def total(self) -> int:
        """Number of rows in all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def blocks(self) -> int:
        """Number of blocks in a row; 1 unless int4."""
        return -(-self.width // self.block) if self.block else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of this part's array as it is stored."""
        if self.dtype == "int4":
            return self.rows, self.blocks, (self.block or 0) // 2
        return (self.width, self.rows) if self.dtype == "int8" else (self.rows, self.width)

    def check(self, file_bytes: int) -> None:
        """Raise BundleError if this part contradicts itself or does not fit into its file."""
        if self.dtype not in DTYPES:
            raise BundleError(f"embedding dtype {self.dtype!r} is not one of {', '.join(DTYPES)}")
        if (self.dtype in SCALED) != (self.scales is not None):
            raise BundleError(f"int8 and int4 embeddings need scales, and others have none; this one is {self.dtype}")
        if (self.dtype == "int4") != (self.block is not None) or (self.block or 2) < 2 or (self.block or 2) % 2:
            raise BundleError(
                f"int4 embeddings need an even block length, and others have none; this one is {self.dtype} with {self.block}"
            )
        itemsize = 1 if self.dtype == "int4" else np.dtype(self.dtype).itemsize
        parts = [(self.offset, itemsize * int(np.prod(self.shape)))]
        if self.scales is not None:
            parts.append((self.scales, 4 * self.rows * self.blocks))
        if min(self.rows, self.width) < 1 or any(offset < 0 or offset + count > file_bytes for offset, count in parts):
            raise BundleError(f"an embedding of {self.rows} x {self.width} at {self.offset} does not fit {self.file}")


@dataclass(frozen=True)
class EmbeddingTable:
    """An embedding that is memory-mapped: a page is read from disk when one of its rows is needed."""

    embedding: Embedding
    stored: NDArray[Any]  # (rows, width), or (rows, blocks, bytes) for int4
    scales: NDArray[np.float32] | None  # (rows,), or (rows, blocks) for int4
    rest: "EmbeddingTable | None" = None

    def gather(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """ids (N,) int64 -> (N, width) float32, dequantized."""
        if self.rest is None:
            return self._own(ids)
        rows = np.empty((len(ids), self.embedding.width), np.float32)
        own = ids < self.embedding.rows
        rows[own] = self._own(ids[own])
        rows[~own] = self.rest.gather(ids[~own] - self.embedding.rows)
        return rows

    def _own(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        stored = self.stored[ids]
        if self.embedding.dtype == "int4":
            assert self.scales is not None
            codes = np.stack([stored & 15, stored >> 4], -1).reshape(*stored.shape[:2], 2 * stored.shape[2])
            whole = (codes.astype(np.float32) - 8) * self.scales[ids][..., None]
            return whole.reshape(len(ids), whole.shape[1] * whole.shape[2])[:, : self.embedding.width]
        rows = stored.astype(np.float32)
        return rows if self.scales is None else rows * self.scales[ids, None]


def open_table(folder: Path, embedding: Embedding) -> EmbeddingTable:
    """Memory-map an embedding. folder: of a verified bundle, so the files are known to be large enough."""
    path = folder / embedding.file
    dtype = np.dtype(np.uint8) if embedding.dtype == "int4" else np.dtype(embedding.dtype).newbyteorder("<")
    stored: NDArray[Any] = np.memmap(path, dtype, "r", embedding.offset, embedding.shape)
    scales = None
    if embedding.scales is not None:
        scales = np.fromfile(path, "<f4", embedding.rows * embedding.blocks, offset=embedding.scales)
    if embedding.dtype == "int8":
        stored = stored.T
    elif embedding.dtype == "int4" and scales is not None:
        scales = scales.reshape(embedding.rows, embedding.blocks)
    return EmbeddingTable(embedding, stored, scales, open_table(folder, embedding.rest) if embedding.rest else None)
