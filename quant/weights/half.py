"""Graphs of fixed sizes in float16, for GPUs. What float16 would spoil stays in float32, and so do inputs and outputs.

onnxruntime.transformers.float16 rounds between neighbors that both stay in float32, so positions would reach a cosine in float16,
and leaves nodes out of order. Knows ONNX nodes. Knows no bundle.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from unmask.errors import InputError
from unmask.export.onnx.static import drop_unused

SCORED = frozenset(("ids", "logits", "logsumexp", "entropy", "listed_logits", "place", "draft", "sure"))
"""Outputs that are computed in float32 from the last product on: sums over a vocabulary, and differences of large numbers."""
PRODUCTS = frozenset(("Conv", "Gemm", "MatMul"))
TURNS = frozenset(("Cos", "Sin"))  # of angles, which float16 knows to a quarter at position 500
MOST = float(np.finfo(np.float16).max)
ROOTS = frozenset(("Sqrt",))  # of a norm's mean of squares, which float16 cannot hold from 256 on


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that computes in float16. The types of all tensors must be in the graph (`onnx.shape_inference`).

    Raises InputError for a constant that float16 cannot hold.
    """
    made = onnx.ModelProto.FromString(model.SerializeToString())
    whole, casts = kept_whole(made.graph), Casts(made.graph)
    for node in made.graph.node:
        casts.add(node, node.name in whole)
    del made.graph.node[:]
    made.graph.node.extend(casts.nodes)
    drop_unused(made)
    return onnx.shape_inference.infer_shapes(made)


def kept_whole(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that stay in float32."""
    given = {kinds: [name for node in graph.node if node.op_type in kinds for name in node.output] for kinds in (TURNS, ROOTS)}
    scored = [value.name for value in graph.output if value.name in SCORED]
    return makers(graph, [*scored, *given[TURNS]]) | makers(graph, given[ROOTS], until="Pow")


def makers(graph: onnx.GraphProto, tensors: Iterable[str], until: str = "") -> set[str]:
    """Names of the nodes that make these tensors, back to the products, without them, or to an operator `until`, with it."""
    found, wanted = set(), set(tensors)
    for node in reversed(graph.node):
        if node.op_type not in PRODUCTS and wanted.intersection(node.output):
            found.add(node.name)
            if node.op_type != until:
                wanted.update(node.input)
    return found


class Casts:
    """The nodes of a graph, with casts between those in float32 and those in float16."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._initializers = graph.initializer
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        typed = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.output, *graph.value_info)}
        typed |= {tensor.name: tensor.data_type for tensor in graph.initializer}
        self._floats = {name for name, kind in typed.items() if kind == TensorProto.FLOAT}
        self._outputs = {value.name for value in graph.output}
        self._there = {value.name for value in (*graph.input, *graph.initializer)}

    def add(self, node: onnx.NodeProto, whole: bool) -> None:
        """Add a node after the casts of what it reads. whole: it stays in float32."""
        own = onnx.NodeProto()
        own.CopyFrom(node)
        for i, name in enumerate(node.input):
            own.input[i] = self._in_float32(name) if whole else self._in_float16(name)
        self.nodes.append(own)
        for i, name in enumerate(node.output):
            if not whole and name in self._floats:
                own.output[i] = f"{name}_half"
            self._there.add(own.output[i])
        if own.op_type == "Cast" and own.attribute[0].i == TensorProto.FLOAT and not whole:
            own.attribute[0].i = TensorProto.FLOAT16
        for name in self._outputs.intersection(node.output):
            self._in_float32(name)

    def _in_float32(self, name: str) -> str:
        if name in self._floats and name not in self._there:
            self._cast(f"{name}_half", name, TensorProto.FLOAT)
        return name

    def _in_float16(self, name: str) -> str:
        if name not in self._floats:
            return name
        half = f"{name}_half"
        if half not in self._there and name in self._constants:
            self._initializers.append(_half(self._constants[name], half))
            self._there.add(half)
        elif half not in self._there:
            self._cast(name, half, TensorProto.FLOAT16)
        return half

    def _cast(self, name: str, made: str, kind: int) -> None:
        self.nodes.append(helper.make_node("Cast", [name], [made], f"cast_{made}", to=kind))
        self._there.add(made)


def _half(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    array = numpy_helper.to_array(tensor)
    if np.abs(array).max(initial=0) > MOST:
        raise InputError(f"{tensor.name}: has numbers beyond {MOST:g}, which float16 cannot hold; use --to fp32")
    return numpy_helper.from_array(array.astype(np.float16), name)
