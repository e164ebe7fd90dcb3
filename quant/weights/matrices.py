"""Find what can be quantized in a graph: products with a constant matrix, and among them the heads.

Knows ONNX nodes. Knows no format, no bundle and no bytes: tensors may be stored outside the graph.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import onnx

PREDICTED = "ids"  # the output whose product is a head
PRODUCTS = ("MatMul", "Gemm", "MatMulNBits", "MatMulInteger")


@dataclass(frozen=True)
class Matrix:
    """A product x @ W (+ bias) with a constant W."""

    role: str  # of the graph
    name: str  # of the constant
    node: str  # output of the product, which names its node
    tensor: onnx.TensorProto
    transposed: bool  # the tensor is (N, K), the product x @ W.T
    head: bool
    rows: onnx.TensorProto | None = None  # which rows of the tensor are the N outputs, in order; None: all of them

    @property
    def label(self) -> str:
        """The name that users give it, role:name."""
        return f"{self.role}:{self.name}"

    @property
    def shape(self) -> tuple[int, int]:
        """(K, N): inputs and outputs."""
        rows, columns = self.tensor.dims
        if self.rows is not None:
            (rows,) = self.rows.dims
        return (columns, rows) if self.transposed else (rows, columns)

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]


def matrices(role: str, model: onnx.ModelProto) -> list[Matrix]:
    """Every product of a graph with a constant float32 matrix, in the order of the graph."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    makers = {node.output[0]: node for node in model.graph.node}
    heads = heads_of(model)
    found = []
    for node in model.graph.node:
        transposed, rows = _form(node), None
        if transposed is None:
            continue
        tensor = constants.get(node.input[1])
        if tensor is None and (chosen := _chosen_rows(node.input[1], makers, constants)):
            tensor, rows, transposed = *chosen, True
        if tensor is None or tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) != 2:
            continue
        found.append(Matrix(role, tensor.name, node.output[0], tensor, transposed, node.output[0] in heads, rows))
    return found


def _chosen_rows(
    name: str, makers: Mapping[str, onnx.NodeProto], constants: Mapping[str, onnx.TensorProto]
) -> tuple[onnx.TensorProto, onnx.TensorProto] | None:
    """The constant and the constant indices of which a second factor is the transposed rows; None when it is made otherwise."""
    turned = makers.get(name)
    taken = makers.get(turned.input[0]) if turned is not None and turned.op_type == "Transpose" else None
    if taken is None or taken.op_type != "Gather" or not all(given in constants for given in taken.input):
        return None
    return constants[taken.input[0]], constants[taken.input[1]]


def _form(node: onnx.NodeProto) -> bool | None:
    """Whether the second factor is transposed; None when the node is no plain product."""
    if node.op_type == "MatMul":
        return False
    if node.op_type != "Gemm":
        return None
    given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    plain = given.get("alpha", 1.0) == 1.0 and given.get("beta", 1.0) == 1.0 and not given.get("transA", 0)
    return bool(given.get("transB", 0)) if plain else None


def heads_of(model: onnx.ModelProto) -> set[str]:
    """Outputs of the products that compute the logits: the first on each path back from the predicted ids, if there are any."""
    constants = {tensor.name for tensor in model.graph.initializer}
    nodes = _upstream(model, PREDICTED, until=PRODUCTS) if _predicts(model) else ()
    return {node.output[0] for node in nodes if _form(node) is not None and node.input[1] in constants}


def ranked(model: onnx.ModelProto) -> str | None:
    """Name of the logits over all ids that the graph can predict; None when it predicts none."""
    if not _predicts(model):
        return None
    name = next((node.input[0] for node in _upstream(model, PREDICTED) if node.op_type == "TopK"), None)
    makers = {made: node for node in model.graph.node for made in node.output}
    while name in makers and makers[name].op_type in ("Reshape", "GatherND"):  # the best are looked for in some of its parts
        name = makers[name].input[0]
    return name


def _predicts(model: onnx.ModelProto) -> bool:
    return PREDICTED in {value.name for value in model.graph.output}


def _upstream(model: onnx.ModelProto, start: str, until: Collection[str] = ()) -> Iterator[onnx.NodeProto]:
    """Nodes that a tensor is computed from, nearest first, without those before nodes of the types `until`."""
    makers = {name: node for node in model.graph.node for name in node.output}
    waiting, seen = [start], {start}
    while waiting:
        node = makers.get(waiting.pop(0))
        if node is None:
            continue
        yield node
        if node.op_type in until:
            continue
        fresh = [name for name in node.input if name and name not in seen]
        seen.update(fresh)
        waiting += fresh
