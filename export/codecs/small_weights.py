"""Convolutions of a graph with smaller weights: a quarter or half of the file, and the same speed, since engines widen them on
opening.

Knows graphs. Knows no codec.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

FORMS = ("int8", "fp16")  # the smallest first
SMALLEST = 4096  # numbers of a weight that is worth it


def small_weights(model: onnx.ModelProto, form: str) -> onnx.ModelProto:
    """A copy whose large weights of convolutions are in a form of `FORMS`; int8 has one scale for each output channel."""
    made = onnx.ModelProto.FromString(model.SerializeToString())
    graph = made.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    added = []
    for node in [node for node in graph.node if node.op_type == "Conv"]:
        name = node.input[1]
        if name not in tensors or int(np.prod(tensors[name].dims)) < SMALLEST:
            continue
        tensor = tensors.pop(name)
        weight = numpy_helper.to_array(tensor)
        codes, scales = rounded(weight) if form == "int8" else (weight.astype(np.float16), None)
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(codes, f"{name}_codes"))
        wide = name if scales is None else f"{name}_numbers"
        added.append(helper.make_node("Cast", [f"{name}_codes"], [wide], to=onnx.TensorProto.FLOAT))
        if scales is not None:
            graph.initializer.append(numpy_helper.from_array(scales, f"{name}_scales"))
            added.append(helper.make_node("Mul", [wide, f"{name}_scales"], [name]))
    for node in reversed(added):
        graph.node.insert(0, node)
    return made


def rounded(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(C, ...) -> codes of the same shape, and scales (C, 1, ...): weight is about codes times scales."""
    most = np.abs(weight).max(tuple(range(1, weight.ndim)), keepdims=True)
    scales = np.where(most > 0, most / 127, 1).astype(np.float32)
    return np.round(weight / scales).astype(np.int8), scales
