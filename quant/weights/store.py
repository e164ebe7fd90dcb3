"""Read tensors from their files and write their new forms into the weights file of a bundle, each once.

Knows tensors, places in files and the forms of `unmask.quant.weights.integer_weights`. Knows no nodes.
At most one matrix and its codes are in memory.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from unmask.bundle.manifest import Bundle
from unmask.errors import BundleError
from unmask.export.bundle_writer import SMALLEST_BYTES, WEIGHTS, WeightsFile
from unmask.quant.weights.integer_weights import NotFinite, blocks, check_numbers, columns, halves, rounded
from unmask.quant.weights.matrices import Matrix

Array = NDArray[Any]


@dataclass(frozen=True)
class Place:
    """A range of bytes in one of the bundle's files."""

    file: str
    offset: int
    length: int

    def holds(self, other: "Place") -> bool:
        return (
            self.file == other.file and self.offset <= other.offset and other.offset + other.length <= self.offset + self.length
        )


Read = Callable[[Place, np.dtype[Any], tuple[int, ...]], Array]
"""Returns the numbers at a place. They may be read on access, a band of rows at a time."""


def in_bundle(bundle: Bundle) -> Read:
    """Memory-maps the files of a verified bundle."""
    return lambda place, dtype, shape: np.memmap(bundle.path(place.file), dtype, "r", place.offset, shape)


def place_of(tensor: onnx.TensorProto) -> Place | None:
    """The place of a tensor outside its graph; None when it is inside."""
    given = {entry.key: entry.value for entry in tensor.external_data}
    return Place(given["location"], int(given["offset"]), int(given["length"])) if given else None


def stretch(matrix: Matrix, start: int, stop: int, suffix: str = "") -> Matrix:
    """Rows [start, stop) of a transposed matrix outside its graph, as a matrix under its name and a suffix."""
    tensor, own = onnx.TensorProto(), place_of(matrix.tensor)
    assert matrix.transposed
    assert own is not None
    tensor.CopyFrom(matrix.tensor)
    row = own.length // tensor.dims[0]
    tensor.dims[0] = stop - start
    del tensor.external_data[:]
    for key, value in (("location", own.file), ("offset", own.offset + start * row), ("length", (stop - start) * row)):
        tensor.external_data.add(key=key, value=str(value))
    return replace(matrix, tensor=tensor, name=f"{matrix.name}{suffix}")


@dataclass(frozen=True)
class Stored:
    """A tensor in the new weights file, or inside its graph when it is small."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int = 0
    inside: Array | None = None

    def tensor(self, name: str) -> onnx.TensorProto:
        if self.inside is not None:
            return onnx.numpy_helper.from_array(self.inside, name)
        kind = onnx.helper.np_dtype_to_tensor_dtype(self.dtype)
        tensor = onnx.TensorProto(name=name, data_type=kind, dims=self.shape, data_location=onnx.TensorProto.EXTERNAL)
        length = self.dtype.itemsize * int(np.prod(self.shape))
        for key, value in (("location", WEIGHTS), ("offset", self.offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor

    def rows(self, start: int, stop: int) -> "Stored":
        """Rows [start, stop) of the first axis, over the same bytes."""
        if self.inside is not None:
            return replace(self, shape=(stop - start, *self.shape[1:]), inside=self.inside[start:stop])
        row = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        return replace(self, shape=(stop - start, *self.shape[1:]), offset=self.offset + start * row)


@contextmanager
def named(tensor: str) -> Iterator[None]:
    """Put a tensor's name before the place of a weight that is no number."""
    try:
        yield
    except NotFinite as error:
        raise BundleError(f"{tensor}{error}") from error


class Store:
    """Reads tensors and writes their new forms. A place is converted once, however many tensors name it."""

    def __init__(self, read: Read, weights: WeightsFile, every: Iterable[Matrix]) -> None:
        """every: all matrices of the model. If one consists of some rows of another, both are made of the same parts."""
        self._read, self._weights = read, weights
        self._done: dict[tuple[str, object], tuple[Stored, ...]] = {}
        places = {place for matrix in every if matrix.transposed and (place := place_of(matrix.tensor))}
        self._largest = sorted(places, key=lambda place: -place.length)

    def array(self, tensor: onnx.TensorProto) -> Array:
        """Values of a tensor. Those outside the graph are not read yet."""
        place = place_of(tensor)
        if place is None:
            return onnx.numpy_helper.to_array(tensor)
        return self._read(place, onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type), tuple(tensor.dims))

    def put(self, array: Array) -> Stored:
        array = np.asarray(array, order="C")  # keeps a scalar a scalar
        if array.nbytes < SMALLEST_BYTES:
            return Stored(array.dtype, array.shape, inside=array)
        return self.outside(array)

    def outside(self, array: Array) -> Stored:
        """As `put`, but always in the weights file, however small the array is."""
        return Stored(array.dtype, array.shape, self._weights.add(array))

    def placed(self, stored: Stored) -> Stored:
        """The same tensor in the weights file, where an embedding can point to it."""
        return stored if stored.inside is None else self.outside(stored.inside)

    # ---- forms of a tensor

    def plain(self, tensor: onnx.TensorProto) -> Stored:
        def same(array: Array) -> tuple[Array, ...]:
            whole = np.asarray(array)
            check_numbers(whole)
            return (whole,)

        return self._by_rows("plain", tensor, same)[0]

    def half(self, tensor: onnx.TensorProto) -> Stored | None:
        """The tensor in float16; None when a value is too large for it."""
        stored = self._by_rows("half", tensor, lambda array: () if (half := halves(array)) is None else (half,))
        return stored[0] if stored else None

    def rounded(self, tensor: onnx.TensorProto) -> tuple[Stored, ...]:
        """int8 codes of the tensor's shape, and scales (N, 1, ...) of its first axis: their product is the tensor, about."""

        def convert(array: Array) -> tuple[Array, ...]:
            codes, scales = rounded(np.asarray(array).reshape(len(array), -1))
            return codes.reshape(array.shape), scales.reshape(-1, *[1] * (array.ndim - 1))

        return self._once("rounded", tensor, convert)

    def blocks(self, matrix: Matrix, bits: int, block: int) -> tuple[Stored, ...]:
        """Codes (N, blocks, bytes) and scales (N, blocks)."""

        def convert(array: Array) -> tuple[Array, ...]:
            made = blocks(array if matrix.transposed else array.T, bits, block)
            return made.codes, made.scales

        kind = f"blocks {bits} {block}"
        return self._by_rows(kind, matrix.tensor, convert) if matrix.transposed else self._once(kind, matrix.tensor, convert)

    def columns(self, matrix: Matrix) -> list[tuple[Stored, ...]]:
        """Codes (K, n) and scales (n,) of each part of the outputs, in order. There is one part, unless heads overlap."""
        array, parts, kind = self.array(matrix.tensor), [], f"columns {matrix.transposed}"
        rows = array if matrix.transposed else array.T
        for start, stop in itertools.pairwise(self.borders(matrix)):
            key = kind, self._key(matrix.tensor, start, stop) if matrix.transposed else self._key(matrix.tensor)
            if key not in self._done:
                with named(matrix.label):
                    made = columns(rows[start:stop])
                self._done[key] = self.put(made.codes), self.put(made.scales)
            parts.append(self._done[key])
        return parts

    def borders(self, matrix: Matrix) -> list[int]:
        """Outputs at which parts begin and end: the ends of every matrix that consists of some of the same rows."""
        own, (width, count) = place_of(matrix.tensor), matrix.shape
        found = {0, count}
        if own is not None and matrix.transposed:
            for other in self._largest:
                for edge in (other.offset, other.offset + other.length):
                    row, rest = divmod(edge - own.offset, 4 * width)
                    if other.file == own.file and rest == 0 and 0 < row < count:
                        found.add(row)
        return sorted(found)

    # ---- what is already converted

    def _key(self, tensor: onnx.TensorProto, start: int = 0, stop: int | None = None) -> object:
        """Equal for rows [start, stop) of two tensors exactly when these are the same bytes in the same layout."""
        place = place_of(tensor)
        if place is None:
            return tensor.SerializeToString(), start, stop
        row = 4 * int(np.prod(tensor.dims[1:]))
        return place.file, place.offset + start * row, (tensor.dims[0] if stop is None else stop) - start, row

    def _once(self, kind: str, tensor: onnx.TensorProto, convert: Callable[[Array], tuple[Array, ...]]) -> tuple[Stored, ...]:
        key = kind, self._key(tensor)
        if key not in self._done:
            with named(tensor.name):
                self._done[key] = tuple(self.put(array) for array in convert(self.array(tensor)))
        return self._done[key]

    def _by_rows(self, kind: str, tensor: onnx.TensorProto, convert: Callable[[Array], tuple[Array, ...]]) -> tuple[Stored, ...]:
        """As `_once`, for forms that convert rows independently: rows of a stored matrix are rows of its codes."""
        own, row = place_of(tensor), 4 * int(np.prod(tensor.dims[1:]))
        for place in self._largest:
            if own is None or len(tensor.dims) != 2 or not place.holds(own) or place == own:
                continue
            start, rest = divmod(own.offset - place.offset, row)
            whole = self._done.get((kind, (place.file, place.offset, place.length // row, row)))
            if whole and not rest and place.length % row == 0:
                return tuple(stored.rows(start, start + tensor.dims[0]) for stored in whole)
        return self._once(kind, tensor, convert)
