"""Inputs to trace a graph with, as `unmask.bundle.graph_spec` names and orders them.

Knows dimensions. Knows no module and no converter.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unmask.bundle.graph_spec import GraphSpec


def example_inputs(graph: GraphSpec, dims: Mapping[str, int], fixed: bool = False) -> dict[str, Tensor]:
    """Name -> zeros of a call's shape, each a tensor of its own; indices count up from 0.

    dims: every dimension of the graph. fixed: as graphs of fixed sizes take them, with their masks and integers of 32 bits.
    """
    made = {}
    for tensor in (*graph.inputs, *(graph.fixed if fixed else ())):
        shape = [int(dim) if dim.isdigit() else dims[dim] for dim in tensor.dims]
        if tensor.dtype == "int64" and not fixed:
            made[tensor.name] = torch.arange(shape[0])
        else:
            made[tensor.name] = torch.zeros(shape, dtype=torch.int32 if tensor.dtype == "int64" else torch.float32)
    return made


def dynamic_shapes(graph: GraphSpec, dims: Mapping[str, Any]) -> tuple[dict[int, Any], ...]:
    """For each input axis -> torch.export.Dim, of the dimensions that differ from call to call. dims: by name."""
    return tuple({axis: dims[dim] for axis, dim in tensor.varying.items()} for tensor in graph.inputs)
