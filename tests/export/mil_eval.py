"""A CoreML package evaluated in NumPy: the specification read from the package, weights from its file, operation by operation.

Knows the operations of MIL that our graphs use (coremltools' `converters/mil/mil/ops/defs` describe them) and no PyTorch. Every
operation computes in float32 and rounds to the type that the program declares, so a program in float16 gives what hardware gives
that accumulates in 32 bits; what Apple's does inside an operation may differ in the last bits.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from coremltools.proto import MIL_pb2, Model_pb2
from numpy.typing import NDArray

Array = NDArray[Any]
DATA = Path("Data") / "com.apple.CoreML"
NAMES = {number: name for name, number in MIL_pb2.DataType.items()}
KINDS = {"BOOL": np.bool_, "FLOAT16": np.float16, "FLOAT32": np.float32}
KINDS |= {f"{sign}INT{bits}": np.dtype(f"{sign}int{bits}".lower()) for sign in ("", "U") for bits in (8, 16, 32)}


class Package:
    """A package on disk, read when made. Functions are evaluated by name; a package of one function calls it main."""

    def __init__(self, folder: Path) -> None:
        self.spec = Model_pb2.Model.FromString((folder / DATA / "model.mlmodel").read_bytes())
        self._weights = np.memmap(folder / DATA / "weights" / "weight.bin", np.uint8, "r")
        self._constants: dict[tuple[str, str], Any] = {}
        self._read: dict[tuple[int, str], Array] = {}  # place and type of what functions share

    def description(self, function: str = "main") -> Any:
        """With input and output."""
        return next((f for f in self.spec.description.functions if f.name == function), self.spec.description)

    def operations(self, function: str = "main") -> list[Any]:
        (block,) = self.spec.mlProgram.functions[function].block_specializations.values()
        return list(block.operations)

    def __call__(self, function: str, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Feeds must have the shapes and types that the specification names."""
        for given in self.description(function).input:
            wanted, kind = tuple(given.type.multiArrayType.shape), feeds[given.name].dtype
            assert feeds[given.name].shape == wanted, f"{given.name}: {feeds[given.name].shape}, not {wanted}"
            assert kind == {65568: np.float32, 131104: np.int32}[given.type.multiArrayType.dataType], f"{given.name}: {kind}"
        values: dict[str, Any] = dict(feeds)
        for operation in self.operations(function):
            if operation.type == "const" or operation.type.startswith("constexpr_"):
                key = function, operation.outputs[0].name
                if key not in self._constants:
                    self._constants[key] = self._constant(operation)
                values[key[1]] = self._constants[key]
                continue
            inputs = {name: self._argument(argument, values) for name, argument in operation.inputs.items()}
            assert operation.type in OPERATIONS, f"{operation.type} ({operation.outputs[0].name}) is not known here"
            made = OPERATIONS[operation.type](**inputs)
            for output, value in zip(operation.outputs, made if isinstance(made, tuple) else (made,), strict=True):
                values[output.name] = settled(value, output.type.tensorType, output.name)
        return {made.name: values[made.name] for made in self.description(function).output}

    def _argument(self, argument: Any, values: Mapping[str, Any]) -> Any:
        found = [
            values[one.name] if one.WhichOneof("binding") == "name" else self._value(one.value) for one in argument.arguments
        ]
        return found[0] if len(found) == 1 else found

    def _constant(self, operation: Any) -> Any:
        given = {name: self._value(value) for name, value in operation.attributes.items() if name != "name"}
        given |= {name: self._argument(argument, {}) for name, argument in operation.inputs.items()}
        if operation.type == "const":
            return given["val"]
        return settled(CONSTANTS[operation.type](**given), operation.outputs[0].type.tensorType, operation.outputs[0].name)

    def _value(self, value: Any) -> Any:
        kind = NAMES[value.type.tensorType.dataType]
        shape = tuple(int(dimension.constant.size) for dimension in value.type.tensorType.dimensions)
        if value.WhichOneof("value") == "blobFileValue":
            return self._blob(value.blobFileValue.offset, kind, shape)
        tensor = value.immediateValue.tensor
        held = tensor.WhichOneof("value")
        if kind == "STRING":
            return tensor.strings.values[0]
        if held == "bytes":
            return widened(np.frombuffer(tensor.bytes.values, KINDS[kind])).reshape(shape)
        return np.array(getattr(tensor, held).values, KINDS[kind]).reshape(shape)

    def _blob(self, offset: int, kind: str, shape: tuple[int, ...]) -> Array:
        """A tensor of the weights file, which follows a record of 64 bytes: mark, type, size in bytes, place."""
        if (offset, kind) not in self._read:
            record = self._weights[offset : offset + 64].tobytes()
            mark, size, start = (np.frombuffer(record, code, 1, at)[0] for code, at in (("<u4", 0), ("<u8", 8), ("<u8", 16)))
            assert mark == 0xDEADBEEF, f"no weights at {offset}"
            data = self._weights[int(start) : int(start) + int(size)]
            if kind == "INT4":  # two in a byte, the first in its lower half
                codes = np.stack([data & 15, data >> 4], -1).reshape(-1)[: math.prod(shape)].astype(np.int8)
                self._read[offset, kind] = np.where(codes > 7, codes - 16, codes).astype(np.int8)
            else:
                self._read[offset, kind] = widened(data.view(KINDS[kind]))
        return self._read[offset, kind].reshape(shape)


def widened(array: Array) -> Array:
    """Values of 16 bits in 32, as they are computed with."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def settled(value: Any, declared: Any, name: str) -> Any:
    """Rounded to the declared type, and of the declared shape."""
    shape = tuple(int(dimension.constant.size) for dimension in declared.dimensions)
    assert np.shape(value) == shape, f"{name}: {np.shape(value)}, not {shape}"
    with np.errstate(over="ignore"):
        return widened(np.asarray(value).astype(KINDS[NAMES[declared.dataType]]))


# ---- operations, by the names of their parameters


def axes_of(axes: Any) -> tuple[int, ...]:
    return tuple(int(axis) for axis in np.atleast_1d(axes))


def erf(x: Array) -> Array:
    """Abramowitz and Stegun 7.1.26: within 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(x).astype(np.float64))
    series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return np.sign(x) * (1 - series * np.exp(-np.square(x, dtype=np.float64)))


def gelu(x: Array, mode: str = "EXACT") -> Array:
    assert mode == "EXACT"
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))


def softmax(x: Array, axis: Any) -> Array:
    e = np.exp(x - x.max(int(axis), keepdims=True))
    return e / e.sum(int(axis), keepdims=True)


def layer_norm(x: Array, axes: Any, epsilon: Any, gamma: Any = 1.0, beta: Any = 0.0) -> Array:
    at = axes_of(axes)
    centerd = x - x.mean(at, keepdims=True)
    return centerd / np.sqrt(np.square(centerd).mean(at, keepdims=True) + epsilon) * gamma + beta


def matmul(x: Array, y: Array, transpose_x: Any = False, transpose_y: Any = False) -> Array:
    return (np.swapaxes(x, -1, -2) if transpose_x else x) @ (np.swapaxes(y, -1, -2) if transpose_y else y)


def linear(x: Array, weight: Array, bias: Any = 0.0) -> Array:
    return x @ weight.T + bias


def conv(x: Array, weight: Array, strides: Any, pad_type: str, pad: Any, dilations: Any, groups: Any, bias: Any = 0.0) -> Array:
    """Over one axis: x (N, C, T), weight (O, C / groups, K) -> (N, O, T')."""
    assert x.ndim == 3
    assert pad_type in ("custom", "valid")
    assert int(dilations[0]) == 1
    x = np.pad(x, ((0, 0), (0, 0), axes_of(pad))) if pad_type == "custom" else x
    stride, taps = int(strides[0]), weight.shape[2]
    count = (x.shape[2] - taps) // stride + 1
    own = x.reshape(len(x), int(groups), -1, x.shape[2])
    rows = weight.reshape(int(groups), -1, *weight.shape[1:])
    parts = (rows[..., k] @ own[..., k : k + stride * (count - 1) + 1 : stride] for k in range(taps))
    return sum(parts).reshape(len(x), -1, count) + np.reshape(bias, (-1, 1))


def pad(x: Array, pad: Any, mode: str, constant_val: Any) -> Array:
    """pad: before and after each of the last axes."""
    assert mode == "constant"
    widths = np.reshape(pad, (-1, 2)).astype(int)
    return np.pad(x, [*[(0, 0)] * (x.ndim - len(widths)), *map(tuple, widths)], constant_values=float(constant_val))


def gather(x: Array, indices: Array, axis: Any, batch_dims: Any = 0, validate_indices: Any = False) -> Array:
    assert int(batch_dims) == 0
    return np.take(x, indices.astype(np.int64), int(axis))  # raises where an index lies outside


def slice_by_index(
    x: Array, begin: Any, end: Any, stride: Any = None, begin_mask: Any = None, end_mask: Any = None, squeeze_mask: Any = None
) -> Array:
    at: list[Any] = []
    for i in range(x.ndim):
        start, stop = (
            None if mask is not None and mask[i] else int(bound[i]) for bound, mask in ((begin, begin_mask), (end, end_mask))
        )
        squeezed = squeeze_mask is not None and squeeze_mask[i]
        at.append(int(begin[i]) if squeezed else slice(start, stop, int(stride[i]) if stride is not None else None))
    return x[tuple(at)]


def topk(
    x: Array, k: Any, axis: Any, ascending: Any, sort: Any, return_indices: Any, output_indices_dtype: str
) -> tuple[Array, Array]:
    assert not ascending
    ids = np.argsort(-x, int(axis), kind="stable").take(range(int(k)), int(axis))
    return np.take_along_axis(x, ids, int(axis)), ids


def reduced(function: Callable[..., Array]) -> Callable[..., Array]:
    """Over all axes if none are named."""
    return lambda x, keep_dims, axes=None: function(x, axis=None if axes is None else axes_of(axes), keepdims=bool(keep_dims))


def reduce_argmax(x: Array, axis: Any, keep_dims: Any, output_dtype: str) -> Array:
    return x.argmax(int(axis), keepdims=bool(keep_dims))


def concat(values: list[Array], axis: Any, interleave: Any = False) -> Array:
    assert not interleave
    return np.concatenate(values, int(axis))


def split(x: Array, axis: Any, num_splits: Any = None, split_sizes: Any = None) -> tuple[Array, ...]:
    places = int(num_splits) if split_sizes is None else np.cumsum(split_sizes)[:-1]
    return tuple(np.split(x, places, int(axis)))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "real_div": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "maximum": lambda x, y: np.maximum(x, y),
    "equal": lambda x, y: x == y,
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
    "less": lambda x, y: x < y,
    "abs": lambda x: np.abs(x),
    "cos": lambda x: np.cos(x),
    "sin": lambda x: np.sin(x),
    "square": lambda x: np.square(x),
    "sqrt": lambda x: np.sqrt(x),
    "rsqrt": lambda x, epsilon: 1 / np.sqrt(x + epsilon),
    "log": lambda x, epsilon: np.log(x + epsilon),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": lambda x: np.tanh(x),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "select": lambda cond, a, b: np.where(cond, a, b),
    "cast": lambda x, dtype: x,  # the declared type settles it
    "identity": lambda x: x,
    "expand_dims": lambda x, axes: np.expand_dims(x, axes_of(axes)),
    "squeeze": lambda x, axes: np.squeeze(x, axes_of(axes)),
    "reshape": lambda x, shape: x.reshape(axes_of(shape)),
    "transpose": lambda x, perm: x.transpose(axes_of(perm)),
    "tile": lambda x, reps: np.tile(x, axes_of(reps)),
    "stack": lambda values, axis: np.stack(values, int(axis)),
    "reduce_max": reduced(np.max),
    "reduce_mean": reduced(np.mean),
    "reduce_sum": reduced(np.sum),
    **{made.__name__: made for made in (concat, conv, gather, gelu, layer_norm, linear, matmul, reduce_argmax, slice_by_index)},
    **{made.__name__: made for made in (pad, softmax, split, topk)},
}


# ---- what the system does when it loads a package


def blockwise_shift_scale(data: Array, scale: Array, offset: Any = None) -> Array:
    """Along each axis, a scale covers the number of values divided by the number of scales."""
    for axis, (many, few) in enumerate(zip(data.shape, scale.shape, strict=True)):
        scale = np.repeat(scale, many // few, axis)
    assert offset is None
    return data * scale


def affine_dequantize(quantized_data: Array, zero_point: Array, scale: Array, axis: Any) -> Array:
    shape = [1] * quantized_data.ndim
    shape[int(axis)] = -1
    zero, steps = (np.broadcast_to(one, np.size(scale)).reshape(shape) for one in (zero_point.astype(np.float32), scale))
    return (quantized_data - zero) * steps


CONSTANTS = {
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_affine_dequantize": affine_dequantize,
}
