"""The weights inside ONNX Runtime's own model files (`.ort`), by the names of the modules that use them.

Moonshine's packages hold such files and no other form. An optimized graph keeps few names of parameters, but its nodes keep the
paths of their modules: the matrix that `/layers.0/self_attn/q_proj/MatMul` multiplies by is `layers.0.self_attn.q_proj.weight`.
int8 and uint8 matrices come back as floats. Knows no model's shape: `moonshine_weights` does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

from unmask.errors import UnmaskError

Arrays = Mapping[str, NDArray[Any]]

_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16}
_GRAPH = 5  # the kind of an attribute that holds a graph: the branches of an If
_PRODUCTS = ("MatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
_AFFINE = {"Mul": "weight", "Add": "bias"}  # how a normalization ends
_MERGED = "_merged_0"  # what optimum appends to names that both branches of a decoder share


@dataclass(frozen=True)
class _Node:
    kind: str
    module: str  # "layers.0.self_attn.q_proj"
    inputs: tuple[str, ...]


def read_ort(file: Path) -> dict[str, NDArray[np.float32]]:
    """The parameters of the graph in `file` by module name and ".weight" or ".bias"; matrices as PyTorch's, (out, in).

    Raises UnmaskError if the file is not an ORT file, or holds a weight of a type that is not read here.
    """
    content = file.read_bytes()
    if content[4:8] != b"ORTM":
        raise UnmaskError(f"{file}: not a model in ONNX Runtime's format (.ort)")
    graph = InferenceSession.GetRootAs(content, 0).Model().Graph()
    found: dict[str, NDArray[np.float32]] = {}
    for node, arrays in _nodes(graph, {}, file):
        for name, value in _parameters(node, arrays):
            found.setdefault(name, value)
    return found


def _nodes(graph: Any, outer: Arrays, file: Path) -> Iterator[tuple[_Node, Arrays]]:
    """The nodes of a graph and of the graphs inside it, with the initializers that each may use."""
    arrays = dict(outer)
    for i in range(graph.InitializersLength()):
        tensor = graph.Initializers(i)
        arrays[tensor.Name().decode()] = _array(tensor, file)
    for i in range(graph.NodesLength()):
        node = graph.Nodes(i)
        path = [part for part in node.Name().decode().split("/") if part]
        inputs = tuple(node.Inputs(k).decode() for k in range(node.InputsLength()))
        yield _Node(node.OpType().decode(), ".".join(path[:-1]), inputs), arrays
        for k in range(node.AttributesLength()):
            if node.Attributes(k).Type() == _GRAPH:
                yield from _nodes(node.Attributes(k).G(), arrays, file)


def _array(tensor: Any, file: Path) -> NDArray[Any]:
    kind = _TYPES.get(tensor.DataType())
    if kind is None:
        raise UnmaskError(f"{file}: {tensor.Name().decode()} has a type that is not read here ({tensor.DataType()})")
    shape = [tensor.Dims(k) for k in range(tensor.DimsLength())]
    size = tensor.RawDataLength()
    data = tensor.RawDataAsNumpy().tobytes() if size else b""
    return np.frombuffer(data, kind).reshape(shape) if size else np.zeros(shape, kind)


def _parameters(node: _Node, arrays: Arrays) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The parameters that a node reads: by their own names where those were kept, else by the node's module."""
    for place, name in enumerate(node.inputs):
        value, stem = _float(name, arrays), _stem(name).removesuffix(_MERGED)
        if value is None or value.size == 1:
            continue
        if stem.endswith((".weight", ".bias")):
            yield stem, value
        elif node.kind in _PRODUCTS and place == 1 and value.ndim == 2:
            yield f"{node.module}.weight", np.ascontiguousarray(value.T)
        elif node.kind in _AFFINE:
            yield f"{node.module}.{_AFFINE[node.kind]}", value.reshape(-1)


def _stem(name: str) -> str:
    return name.removesuffix("_quantized").removesuffix("_add_tensor")


def _float(name: str, arrays: Arrays) -> NDArray[np.float32] | None:
    """An initializer as floats, from codes where it is quantized; None for what a node computes, and for integers.

    `NAME_quantized` is a code c for (c - zero point) scale. Where NAME ends in "_add_tensor" the graph itself computes the
    float as c scale + offset, and the offset bears the name of the zero point.
    """
    stem = _stem(name)
    codes, scale, zero = (arrays.get(f"{stem}_{part}") for part in ("quantized", "scale", "zero_point"))
    if codes is not None and scale is not None and zero is not None:
        if zero.dtype == np.float32:
            return np.asarray(codes.astype(np.float32) * scale + zero, np.float32)
        return np.asarray((codes.astype(np.float32) - zero.astype(np.float32)) * scale, np.float32)
    value = arrays.get(name)
    return None if value is None or value.dtype not in (np.float32, np.float16) else value.astype(np.float32)
