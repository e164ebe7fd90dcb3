"""The parameters inside an exported graph, by the names of the modules that use them.

Exporters and optimizers keep few names of parameters, but nodes keep the paths of their modules: the matrix that
`/layers.0/self_attn/q_proj/MatMul` multiplies by is `layers.0.self_attn.q_proj.weight`. int8 and uint8 matrices come back as
floats. Knows no file format, which `ort_weights` and `onnx_weights` do, and no model's shape.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Parameters = dict[str, NDArray[np.float32]]

_PRODUCTS = ("MatMul", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
_AFFINE = {"Mul": "weight", "Add": "bias"}  # how a normalization ends
_MERGED = "_merged_0"  # what optimum appends to names that both branches of a decoder share


@dataclass(frozen=True)
class Node:
    kind: str
    name: str  # "/layers.0/self_attn/q_proj/MatMul"
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    branches: tuple["Graph", ...] = ()  # the graphs inside it: those of an If

    @property
    def module(self) -> str:
        """layers.0.self_attn.q_proj"""
        return ".".join([part for part in self.name.split("/") if part][:-1])


@dataclass(frozen=True)
class Graph:
    nodes: tuple[Node, ...]
    arrays: Arrays = field(default_factory=dict)  # the initializers


def parameters(graph: Graph) -> Parameters:
    """The parameters of the graph by module name and ".weight" or ".bias"; matrices as PyTorch's, (out, in)."""
    found: Parameters = {}
    for node, arrays in _visible(graph, {}):
        for name, value in _of(node, arrays):
            found.setdefault(name, value)
    return found


def _visible(graph: Graph, outer: Arrays) -> Iterator[tuple[Node, Arrays]]:
    """The nodes of a graph and of the graphs inside it, with the arrays that each may use."""
    arrays = {**outer, **graph.arrays}
    for node in graph.nodes:
        if node.kind == "Identity" and node.inputs[0] in arrays:  # PyTorch stores parameters of equal values once
            arrays[node.outputs[0]] = arrays[node.inputs[0]]
        yield node, arrays
        for branch in node.branches:
            yield from _visible(branch, arrays)


def _of(node: Node, arrays: Arrays) -> Iterator[tuple[str, NDArray[np.float32]]]:
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
