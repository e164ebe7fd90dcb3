"""Parameters out of ONNX files, as `optimum-cli export onnx` and others of PyTorch's exporters write them."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from unmask.errors import UnmaskError
from unmask.export.checkpoint.graph_weights import Graph, Node, Parameters, parameters


def read_onnx(file: Path) -> Parameters:
    """The parameters of the graph in `file` and in the data file beside it, if there is one, as `parameters` names them.

    Raises UnmaskError if the file is no ONNX file, or its data is missing.
    """
    try:
        model = onnx.load(file)
    except (DecodeError, FileNotFoundError, onnx.checker.ValidationError) as error:
        raise UnmaskError(f"{file}: no whole ONNX model ({error}); export it again") from error
    return parameters(_graph(model.graph))


def _graph(graph: onnx.GraphProto) -> Graph:
    return Graph(tuple(map(_node, graph.node)), {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer})


def _node(node: onnx.NodeProto) -> Node:
    branches = tuple(_graph(a.g) for a in node.attribute if a.type == onnx.AttributeProto.GRAPH)
    return Node(node.op_type, node.name, tuple(node.input), tuple(node.output), branches)
