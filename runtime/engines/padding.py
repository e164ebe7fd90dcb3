"""Graphs of fixed sizes: which one fits a call, how its inputs are padded, and how its outputs are cut back.

Padding costs time and changes no result: added columns of attention are masked with a finite bias, added rows stand at a place of
the canvas that is masked. Knows roles, tensors and their dimensions (docs/bundle.md). Knows no engine.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Bucket
from unmask.errors import InputError

HIDDEN = np.float32(-1e4)  # finite and within float16: exp of it is 0
FRAMES, MEL_FRAMES = "frames", "mel_frames"  # of the encoder and of its input: multiples of slots
Axes = Mapping[str, Mapping[int, str]]  # tensor -> axis -> dimension, of those that vary
Feeds = Mapping[str, NDArray[Any]]
Sizes = Mapping[str, int]  # dimension -> size

_CROSS = {2: FRAMES}
CAPTION: dict[str, tuple[Axes, Axes]] = {  # role -> inputs, outputs in the graph's order
    "context": (
        {"mel": {2: MEL_FRAMES}},
        {"cross_k": _CROSS, "cross_v": _CROSS, "slots": {0: "slots"}, "verify_k": _CROSS, "verify_v": _CROSS},
    ),
    "window": (
        {
            "rows": {0: "rows"},
            "positions": {0: "rows"},
            "wanted": {0: "wanted"},
            "bias": {},
            "cross_k": _CROSS,
            "cross_v": _CROSS,
            "slots": {0: "slots"},
            "cache_k": {2: "slots"},
            "cache_v": {2: "slots"},
        },
        {
            "ids": {0: "wanted"},
            "logits": {0: "wanted"},
            "logsumexp": {0: "wanted"},
            "entropy": {0: "wanted"},
            "k": {2: "rows"},
            "v": {2: "rows"},
        },
    ),
    "verify": (
        {"rows": {0: "tokens"}, "verify_k": _CROSS, "verify_v": _CROSS, "past_k": {2: "past"}, "past_v": {2: "past"}},
        {"ids": {0: "tokens"}, "logits": {0: "tokens"}, "logsumexp": {0: "tokens"}, "k": {2: "tokens"}, "v": {2: "tokens"}},
    ),
}
BACKBONE: dict[str, tuple[Axes, Axes]] = {
    "window": (
        {
            "rows": {0: "rows"},
            "positions": {0: "rows"},
            "wanted": {0: "wanted"},
            "mask": {0: "rows", 1: "slots"},
            "cache_k": {2: "slots"},
            "cache_v": {2: "slots"},
        },
        {"hidden": {0: "wanted"}, "k": {2: "rows"}, "v": {2: "rows"}},
    ),
    "head": (
        {"hidden": {0: "wanted"}, "bias": {}, "scale": {}},
        {"ids": {0: "wanted"}, "logits": {0: "wanted"}, "logsumexp": {0: "wanted"}, "entropy": {0: "wanted"}},
    ),
}
OF_A_RECORDING = ("cross_k", "cross_v", "slots", "verify_k", "verify_v")  # the same arrays on every pass over it
WORK = {"context": FRAMES, "window": "rows", "verify": "tokens", "head": "wanted"}  # what a role computes more of when padded


class Padding:
    """Fits calls into the buckets of one bundle. frames_per_slot: of its timeline, None for backbones."""

    def __init__(self, frames_per_slot: int | None) -> None:
        self._per = frames_per_slot
        self._roles = BACKBONE if frames_per_slot is None else CAPTION

    def tensors(self, role: str) -> tuple[Axes, Axes]:
        """Inputs and outputs of a role."""
        return self._roles[_kind(role)]

    def sizes(self, role: str, feeds: Feeds) -> dict[str, int]:
        """Dimensions of a call's inputs."""
        inputs, _ = self.tensors(role)
        found = {dim: feeds[name].shape[axis] for name, axes in inputs.items() for axis, dim in axes.items()}
        if MEL_FRAMES in found and self._per:
            found["slots"] = found.pop(MEL_FRAMES) // (2 * self._per)
        if FRAMES in found and self._per:
            found["slots"] = found.pop(FRAMES) // self._per
        return found

    def whole(self, sizes: Sizes) -> dict[str, int]:
        """With the dimensions that follow from slots."""
        per = self._per or 0
        return {**sizes, FRAMES: per * sizes.get("slots", 0), MEL_FRAMES: 2 * per * sizes.get("slots", 0)}

    def pad(self, role: str, feeds: Feeds, need: Sizes, bucket: Bucket, known: Feeds | None = None) -> dict[str, NDArray[Any]]:
        """Inputs of exactly the bucket's sizes, integers as int32. known: inputs that were padded before, used as they are.

        Raises InputError for a bias that differs by row.
        """
        inputs, _ = self.tensors(role)
        if "bias" in inputs and len(feeds["bias"]) > 1:
            raise InputError("graphs of fixed sizes take one set of allowed ids for all rows; fill the spans one after the other")
        size = self.whole(bucket.sizes)
        ready = known or {}
        made = {
            name: ready[name] if name in ready else _grown(feeds[name], {axis: size[dim] for axis, dim in axes.items()})
            for name, axes in inputs.items()
        }
        for name in ("bias", "mask"):
            if name in made:
                made[name] = np.maximum(made[name], HIDDEN)
        for name in ("positions", "wanted"):
            if name in made:
                made[name] = made[name].astype(np.int32)
        if role == "window":
            made["positions"][need["rows"] :] = size["slots"] - 1
        return {**made, **self._masks(role, need, size, made)}

    def _masks(self, role: str, need: Sizes, size: Sizes, made: Feeds) -> dict[str, NDArray[Any]]:
        """What only graphs of fixed sizes take: which columns are real, and where rows stand."""
        if self._per is None:
            if role == "window":
                made["mask"][:, need["slots"] :] = HIDDEN
            return {}
        real = self.whole(need)
        masks: dict[str, NDArray[Any]] = {"frame_mask": hide(real[FRAMES], size[FRAMES])}
        if role == "window":
            masks["mask"] = hide(need["slots"], size["slots"])
        if role == "verify":
            past, tokens = need["past"], need["tokens"]
            own = np.where(np.tri(size["tokens"], dtype=bool), np.float32(0), HIDDEN)
            own[:, tokens:] = HIDDEN
            masks["mask"] = np.concatenate([np.tile(hide(past, size["past"]), (size["tokens"], 1)), own], 1)
            masks["positions"] = np.zeros(size["tokens"], np.int32)
            masks["positions"][:tokens] = past + np.arange(tokens)
        return masks

    def cut(self, role: str, outputs: Feeds, need: Sizes) -> list[NDArray[Any]]:
        """Outputs of the call's own sizes, in the graph's order, ids as int64."""
        real, (_, made) = self.whole(need), self.tensors(role)
        cut = []
        for name, axes in made.items():
            if name not in outputs:  # a context without a verifier
                continue
            array = outputs[name]
            for axis, dim in axes.items():
                array = array[(slice(None),) * axis + (slice(real[dim]),)]
            cut.append(array.astype(np.int64) if name == "ids" else array)
        return cut

    def smallest(self, role: str, need: Sizes, buckets: tuple[Bucket, ...]) -> Bucket:
        """The bucket that fits with the least to compute. Raises InputError that names what does not fit."""
        fitting = [bucket for bucket in buckets if fits(role, need, bucket.sizes)]
        if fitting:
            return min(fitting, key=lambda bucket: math.prod(bucket.sizes.values()))
        asked = ", ".join(f"{name} {count}" for name, count in need.items())
        there = "; ".join(", ".join(f"{name} {count}" for name, count in bucket.sizes.items()) for bucket in buckets) or "none"
        raise InputError(
            f"no {role} graph of fixed sizes holds {asked}; here are: {there}. "
            "Give it less at once, or use the engine onnx, whose graphs take any size"
        )


def _kind(role: str) -> str:
    """Heads that are sliced by modality are like the whole one."""
    return "head" if role.startswith("head_") else role


def fits(role: str, need: Sizes, size: Sizes) -> bool:
    """Padding rows of a window want a place on the canvas that is not real."""
    if any(size.get(name, 0) < count for name, count in need.items()):
        return False
    return role != "window" or size["rows"] == need["rows"] or size["slots"] > need["slots"]


def hide(real: int, count: int) -> NDArray[np.float32]:
    """(count,): 0 for the first `real`, HIDDEN behind them."""
    return np.where(np.arange(count) < real, np.float32(0), HIDDEN)


def _grown(array: NDArray[Any], sizes: Mapping[int, int]) -> NDArray[Any]:
    """The array with zeros behind it, always a copy."""
    shape = list(array.shape)
    for axis, size in sizes.items():
        shape[axis] = size
    grown = np.zeros(shape, array.dtype)
    grown[tuple(map(slice, array.shape))] = array
    return grown


class StaticShapes:
    """Runs calls of any size through graphs of fixed sizes, and counts what was computed and what of it was of use."""

    def __init__(self, buckets: tuple[Bucket, ...], frames_per_slot: int | None, run: Callable[[Bucket, Feeds], Feeds]) -> None:
        self.buckets, self._padding, self._run = buckets, Padding(frames_per_slot), run
        self._padded: dict[str, tuple[NDArray[Any], Bucket, NDArray[Any]]] = {}  # name -> of which array, for which, padded
        self.computed: dict[str, int] = {}
        self.useful: dict[str, int] = {}

    def of(self, role: str) -> tuple[Bucket, ...]:
        return tuple(bucket for bucket in self.buckets if bucket.role == role)

    def __call__(self, role: str, feeds: Feeds) -> list[NDArray[Any]]:
        need = self._padding.sizes(role, feeds)
        bucket = self._padding.smallest(role, need, self.of(role))
        outputs = self._run(bucket, self._pad(role, feeds, need, bucket))
        work = WORK[_kind(role)]
        for counts, sizes in ((self.computed, bucket.sizes), (self.useful, need)):
            counts[role] = counts.get(role, 0) + self._padding.whole(sizes)[work]
        return self._padding.cut(role, outputs, need)

    def _pad(self, role: str, feeds: Feeds, need: Sizes, bucket: Bucket) -> Feeds:
        """What belongs to a recording is padded on its first pass and not copied again, megabytes as it has."""
        before = {name: self._padded[name] for name in OF_A_RECORDING if name in feeds and name in self._padded}
        known = {name: padded for name, (array, of, padded) in before.items() if array is feeds[name] and of == bucket}
        made = self._padding.pad(role, feeds, need, bucket, known)
        self._padded.update((name, (feeds[name], bucket, made[name])) for name in OF_A_RECORDING if name in feeds)
        return made
