"""Inputs to trace a graph with, named and ordered as in `unmask.bundle.graph_spec`.

Knows dimensions. Knows no module and no converter.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unmask.bundle.graph import GraphSpec


def example_inputs(graph: GraphSpec, dims: Mapping[str, int], fixed: bool = False) -> dict[str, Tensor]:
    """Name -> a tensor of zeros with the shape of a call; indices count up from 0. No two inputs share a tensor.

    dims: the size of every dimension of the graph. fixed: the inputs of a graph of fixed sizes, with masks and int32 indices.
    """
    made = {}
    for tensor in (*graph.inputs, *(graph.fixed if fixed else ())):
        shape = [int(dim) if dim.isdigit() else dims[dim] for dim in tensor.dims]
        if tensor.dtype == "int64" and not fixed:
            made[tensor.name] = torch.arange(math.prod(shape)).reshape(shape)
        else:
            made[tensor.name] = torch.zeros(shape, dtype=torch.int32 if tensor.dtype == "int64" else torch.float32)
    return made


def dynamic_shapes(graph: GraphSpec, dims: Mapping[str, Any]) -> tuple[dict[int, Any], ...]:
    """For each input, axis -> torch.export.Dim for the dimensions that differ from call to call. dims: dimension -> Dim."""
    return tuple({axis: dims[dim] for axis, dim in tensor.varying.items()} for tensor in graph.inputs)
