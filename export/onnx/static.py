"""Graphs of fixed sizes as ONNX for NPUs, with constants folded and int32 indices where ONNX allows them.

Knows PyTorch modules (`export.modules.static`) and ONNX nodes. Knows no bundle and no number format.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unmask.export.modules.static import FixedGraph
from unmask.export.onnx.trace import run_exporter

OPSET = 21
"""The lowest with QuantizeLinear to 16 bits, so the one that most providers support. The modules need nothing newer."""


def fixed_onnx(graph: FixedGraph, opset: int = OPSET) -> onnx.ModelProto:
    """The graph with its weights inside and every shape a number. Inputs and outputs are named as in `engines.padding`."""
    model = fold(run_exporter(graph.module, graph.example, graph.outputs, opset).model_proto)
    narrow(model)
    return onnx.shape_inference.infer_shapes(model)


def fold(model: onnx.ModelProto) -> onnx.ModelProto:
    """Turn slices and transposes of constants into constants, in place: providers take only constants as a product's weights."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        made = _computed(node, constants)
        if made is None:
            kept.append(node)
        else:
            constants[node.output[0]] = numpy_helper.from_array(np.ascontiguousarray(made), node.output[0])
    used = {name for node in kept for name in node.input} | {value.name for value in model.graph.output}
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(kept)
    model.graph.initializer.extend(tensor for name, tensor in constants.items() if name in used)
    return model


def _computed(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> NDArray[np.generic] | None:
    """The value of a slice or a transpose of constants; None for any other node."""
    if node.op_type not in ("Slice", "Transpose") or not all(name in constants for name in node.input if name):
        return None
    given = [numpy_helper.to_array(constants[name]) for name in node.input]
    if node.op_type == "Transpose":
        return given[0].transpose(next((list(a.ints) for a in node.attribute if a.name == "perm"), None))
    data, starts, stops, axes, *steps = given
    cut = [slice(None)] * data.ndim
    for i, axis in enumerate(axes):
        cut[axis] = slice(int(starts[i]), int(stops[i]), int(steps[0][i]) if steps else 1)
    return data[tuple(cut)]


def narrow(model: onnx.ModelProto) -> None:
    """Make indices int32, in place, where they come in; what ArgMax and TopK give stays int64 and is not cast, also as an output.

    WebGPU has neither a cast from int64 nor a reshape of it, and other providers take it as an index. An ArgMax here gives one
    row, which the exporter makes flat before it is an index.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    casts = {
        node.output[0]: node.input[0]
        for node in model.graph.node
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.INT64
    }
    rows = {node.output[0] for node in model.graph.node if node.op_type == "ArgMax"}
    flat = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Reshape" and node.input[0] in rows}
    for node in model.graph.node:
        if node.op_type != "Gather":
            continue
        index = node.input[1] = flat.get(node.input[1], node.input[1])
        if index in casts:
            node.input[1] = casts[index]
        elif index in constants and constants[index].data_type == TensorProto.INT64:
            name = f"{index}_int32"
            if name not in constants:
                constants[name] = numpy_helper.from_array(numpy_helper.to_array(constants[index]).astype(np.int32), name)
                model.graph.initializer.append(constants[name])
            node.input[1] = name
    widen_outputs(model)
    drop_unused(model)


def widen_outputs(model: onnx.ModelProto) -> None:
    """Give the best ids without arithmetic on int64, in place: as TopK gives them, or, where a head does not begin at id 0, as a
    table has them."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for output in model.graph.output:
        last = made_by[output.name]
        first = next((name for name in last.input if name in constants), "") if last.op_type == "Add" else ""
        cast = made_by.get(last.input[0]) if first else last
        best = made_by.get(cast.input[0]) if cast is not None and cast.op_type == "Cast" else None
        if best is None or best.op_type != "TopK":
            continue
        if not first:
            best.output[1], last.output[0] = output.name, f"{output.name}_int32"
            output.type.tensor_type.elem_type = TensorProto.INT64
            continue
        start = int(numpy_helper.to_array(constants[first]))
        ids = np.arange(start, start + _columns(model, best.input[0]), dtype=np.int32)
        model.graph.initializer.append(numpy_helper.from_array(ids, f"{output.name}_table"))
        last.CopyFrom(helper.make_node("Gather", [f"{output.name}_table", best.output[1]], [output.name], last.name))


def _columns(model: onnx.ModelProto, name: str) -> int:
    """Size of a tensor's last axis."""
    shape = next(value.type.tensor_type.shape for value in model.graph.value_info if value.name == name)
    return int(shape.dim[-1].dim_value)


def drop_unused(model: onnx.ModelProto) -> None:
    """Delete nodes and constants that nothing reads."""
    wanted = {value.name for value in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    constants = [tensor for tensor in model.graph.initializer if tensor.name in wanted]
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.node.extend(reversed(kept))
    model.graph.initializer.extend(constants)
