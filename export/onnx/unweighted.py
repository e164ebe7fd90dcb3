"""Graphs of modules without weights, whose parameters then point into a weights file: memory does not grow with the model.

Knows modules and tensors' places. Knows no model and no checkpoint.
"""

from collections.abc import Callable, Mapping
from typing import Any

import onnx
import onnx_ir
import torch
from numpy.typing import NDArray
from torch import nn

from unmask.bundle.graph import GraphSpec
from unmask.export.bundle_writer import SMALLEST_BYTES, WEIGHTS
from unmask.export.onnx.trace import trace


def trace_unweighted(module: nn.Module, graph: GraphSpec, dims: Mapping[str, int], varying: Mapping[str, Any]) -> onnx_ir.Model:
    """Trace a module made on the meta device, as `trace`. Each parameter is one number, expanded: all different, so that the
    exporter merges none of them, and none of a value that could be optimized away."""
    number = 0.37
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                number += 1e-4
                part._parameters[name] = nn.Parameter(torch.full((1,), number).expand(parameter.shape), requires_grad=False)
    model: onnx_ir.Model = trace(module, graph, dims, varying).model
    return model


def point(
    model: onnx_ir.Model,
    tensors: Mapping[str, tuple[str, int]],
    store: Callable[[str], int],
    read: Callable[[str], NDArray[Any]],
) -> onnx.ModelProto:
    """The traced graph with its parameters pointing into the weights file.

    tensors: parameter -> (name of a stored tensor, offset in bytes from its start). store: name -> offset in the weights file.
    read: name -> the whole tensor, for those so small that they stay in the graph. Raises AssertionError when a parameter was
    lost.
    """
    lost = set(tensors) - set(model.graph.initializers)
    assert not lost, f"the exporter lost {sorted(lost)}"
    for ours, (theirs, skip) in tensors.items():
        value = model.graph.initializers[ours]
        stub = value.const_value
        assert stub is not None
        count = 4 * stub.size
        if count < SMALLEST_BYTES:
            value.const_value = onnx_ir.tensor(read(theirs), name=ours)
            continue
        offset = store(theirs) + skip
        value.const_value = onnx_ir.ExternalTensor(WEIGHTS, offset, count, onnx_ir.DataType.FLOAT, shape=stub.shape, name=ours)
    for node in model.graph:  # names and paths of the machine that exported it
        node.metadata_props.clear()
        node.doc_string = None
    model.graph.metadata_props.clear()
    return onnx_ir.to_proto(model)
