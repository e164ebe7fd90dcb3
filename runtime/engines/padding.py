"""Graphs of fixed sizes: which one fits a call, how its inputs are padded, and how its outputs are cut to size.

Padding costs time and changes no result: columns of attention that are padding are masked with a finite bias, and padding rows
get a position of the canvas that is masked.
Knows tensors and dimensions (`unmask.bundle.graph_spec`). Knows no engine.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.graph import GraphSpec, Tensor
from unmask.bundle.graph_spec import BundleKind
from unmask.bundle.manifest import Bucket
from unmask.engines.runner import Arrays
from unmask.errors import InputError

HIDDEN = np.float32(-1e4)  # finite and within float16: exp of it is 0
Sizes = Mapping[str, int]  # dimension -> size


class Padding:
    """Fits calls into the buckets of one kind of bundle."""

    def __init__(self, kind: BundleKind) -> None:
        self._kind = kind

    def graph(self, role: str) -> GraphSpec:
        return self._kind.graph(role)

    def sizes(self, role: str, feeds: Arrays) -> dict[str, int]:
        """Dimension -> size for a call's inputs."""
        return {dim: feeds[tensor.name].shape[axis] for tensor in self.graph(role).inputs for axis, dim in tensor.varying.items()}

    def whole(self, sizes: Sizes) -> dict[str, int]:
        """The sizes with the dimensions that follow from them."""
        found = dict(sizes)
        for rule in self._kind.follows:
            if rule.of in found and rule.dim not in found:
                found[rule.dim] = rule.size(found[rule.of])
        return found

    def work(self, role: str, sizes: Sizes) -> int:
        """Amount of work of a call of these sizes: its size in the dimension that measures the role's work."""
        return self.whole(sizes)[self.graph(role).work]

    def pad(self, role: str, feeds: Arrays, need: Sizes, bucket: Bucket, known: Arrays | None = None) -> dict[str, NDArray[Any]]:
        """Inputs of exactly the bucket's sizes, integers as int32.

        feeds: the call's inputs. need: its sizes. known: inputs that are padded already, used as they are. Raises InputError for
        a bias that differs from row to row.
        """
        graph = self.graph(role)
        if "bias" in graph.input_names and len(feeds["bias"]) > 1:
            raise InputError("graphs of fixed sizes take one set of allowed ids for all rows; fill the spans one after the other")
        size, ready = self.whole(bucket.sizes), known or {}
        made = {t.name: ready[t.name] if t.name in ready else _padded(feeds[t.name], t, size) for t in graph.inputs}
        for name in ("bias", "mask"):
            if name in made:
                made[name] = np.maximum(made[name], HIDDEN)
        if "rows" in need:
            made["positions"][need["rows"] :] = size["slots"] - 1
        if "mask" in made:  # a mask of rows and columns is an input at any size
            made["mask"][:, need["slots"] :] = HIDDEN
        return {**made, **self._masks(role, self.whole(need), size)}

    def _masks(self, role: str, real: Sizes, size: Sizes) -> dict[str, NDArray[Any]]:
        """Inputs that only graphs of fixed sizes take: masks of the padding."""
        masks = dict[str, NDArray[Any]]()
        for tensor in self.graph(role).fixed:
            if len(tensor.dims) == 2:
                masks[tensor.name] = causal(real, size)
            else:
                (dim,) = tensor.dims
                masks[tensor.name] = hide(real[dim], size[dim])
        return masks

    def cut(self, role: str, outputs: Arrays, need: Sizes) -> dict[str, NDArray[Any]]:
        """Outputs of the call's own sizes, ids as int64."""
        real = self.whole(need)
        return {t.name: _cut(outputs[t.name], t, real) for t in self.graph(role).outputs if t.name in outputs}

    def smallest(self, role: str, need: Sizes, buckets: tuple[Bucket, ...]) -> Bucket:
        """The fitting bucket with the least work. Raises InputError that names the call's sizes if none fits."""
        fitting = [bucket for bucket in buckets if fits(need, bucket.sizes)]
        if fitting:
            return min(fitting, key=lambda bucket: math.prod(bucket.sizes.values()))
        asked = ", ".join(f"{name} {count}" for name, count in need.items())
        there = "; ".join(", ".join(f"{name} {count}" for name, count in bucket.sizes.items()) for bucket in buckets) or "none"
        raise InputError(
            f"no {role} graph of fixed sizes fits {asked}; there are: {there}. "
            "Give it less at once, or use the engine onnx, whose graphs take any size"
        )


def fits(need: Sizes, size: Sizes) -> bool:
    """Whether a bucket is large enough. Rows of padding also need a position of padding on the canvas."""
    if any(size.get(name, 0) < count for name, count in need.items()):
        return False
    return "rows" not in need or size["rows"] == need["rows"] or size["slots"] > need["slots"]


def hide(real: int, count: int) -> NDArray[np.float32]:
    """(count,) float32: 0 for the first `real` columns, HIDDEN for the padding after them."""
    return np.where(np.arange(count) < real, np.float32(0), HIDDEN)


def causal(real: Sizes, size: Sizes) -> NDArray[np.float32]:
    """(tokens, past + tokens) float32: each row of a text sees the past and the rows up to itself, and no padding."""
    own = np.where(np.tri(size["tokens"], dtype=bool), np.float32(0), HIDDEN)
    own[:, real["tokens"] :] = HIDDEN
    return np.concatenate([np.tile(hide(real["past"], size["past"]), (size["tokens"], 1)), own], 1)


def _padded(array: NDArray[Any], tensor: Tensor, sizes: Sizes) -> NDArray[Any]:
    """A copy of the array, padded with zeros; int64 becomes int32."""
    shape = list(array.shape)
    for axis, dim in tensor.varying.items():
        shape[axis] = sizes[dim]
    grown = np.zeros(shape, np.int32 if tensor.dtype == "int64" else array.dtype)
    grown[tuple(map(slice, array.shape))] = array
    return grown


def _cut(array: NDArray[Any], tensor: Tensor, sizes: Sizes) -> NDArray[Any]:
    for axis, dim in tensor.varying.items():
        array = array[(slice(None),) * axis + (slice(sizes[dim]),)]
    return array.astype(np.int64) if tensor.dtype == "int64" else array


class StaticShapes:
    """Runs calls of any size with graphs of fixed sizes. Counts the work that was computed and the part of it that was useful."""

    def __init__(
        self,
        kind: BundleKind,
        buckets: tuple[Bucket, ...],
        run: Callable[[Bucket, Arrays], Arrays],
    ) -> None:
        self.buckets, self._padding, self._run = buckets, Padding(kind), run
        self._padded: dict[str, tuple[NDArray[Any], Bucket, NDArray[Any]]] = {}  # name -> array, bucket, padded array
        self.computed: dict[str, int] = {}
        self.useful: dict[str, int] = {}

    def of(self, role: str) -> tuple[Bucket, ...]:
        return tuple(bucket for bucket in self.buckets if bucket.role == role)

    def __call__(self, role: str, feeds: Arrays) -> dict[str, NDArray[Any]]:
        need = self._padding.sizes(role, feeds)
        bucket = self._padding.smallest(role, need, self.of(role))
        outputs = self._run(bucket, self._pad(role, feeds, need, bucket))
        for counts, sizes in ((self.computed, bucket.sizes), (self.useful, need)):
            counts[role] = counts.get(role, 0) + self._padding.work(role, sizes)
        return self._padding.cut(role, outputs, need)

    def _pad(self, role: str, feeds: Arrays, need: Sizes, bucket: Bucket) -> Arrays:
        """Pad a call's inputs. Those of a recording have megabytes, so they are padded in its first pass only."""
        kept = [tensor.name for tensor in self._padding.graph(role).inputs if tensor.per_recording]
        recent = {name: self._padded[name] for name in kept if name in self._padded}
        known = {name: padded for name, (array, of, padded) in recent.items() if array is feeds[name] and of == bucket}
        made = self._padding.pad(role, feeds, need, bucket, known)
        self._padded.update((name, (feeds[name], bucket, made[name])) for name in kept)
        return made
