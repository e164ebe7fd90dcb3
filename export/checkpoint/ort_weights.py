"""Parameters out of ONNX Runtime's own model files (`.ort`). Moonshine's packages hold such files and no other form."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

from unmask.errors import UnmaskError
from unmask.export.checkpoint.graph_weights import Graph, Node, Parameters, parameters

_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16}
_GRAPH = 5  # the kind of an attribute that holds a graph: the branches of an If


def read_ort(file: Path) -> Parameters:
    """The parameters of the graph in `file`, as `parameters` names them.

    Raises UnmaskError if the file is not an ORT file, or holds a weight of a type that is not read here.
    """
    content = file.read_bytes()
    if content[4:8] != b"ORTM":
        raise UnmaskError(f"{file}: not a model in ONNX Runtime's format (.ort)")
    return parameters(_graph(InferenceSession.GetRootAs(content, 0).Model().Graph(), file))


def _graph(graph: Any, file: Path) -> Graph:
    tensors = [graph.Initializers(i) for i in range(graph.InitializersLength())]
    nodes = [graph.Nodes(i) for i in range(graph.NodesLength())]
    return Graph(tuple(_node(n, file) for n in nodes), {t.Name().decode(): _array(t, file) for t in tensors})


def _node(node: Any, file: Path) -> Node:
    attributes = [node.Attributes(k) for k in range(node.AttributesLength())]
    return Node(
        node.OpType().decode(),
        node.Name().decode(),
        tuple(node.Inputs(k).decode() for k in range(node.InputsLength())),
        tuple(node.Outputs(k).decode() for k in range(node.OutputsLength())),
        tuple(_graph(a.G(), file) for a in attributes if a.Type() == _GRAPH),
    )


def _array(tensor: Any, file: Path) -> NDArray[Any]:
    kind = _TYPES.get(tensor.DataType())
    if kind is None:
        raise UnmaskError(f"{file}: {tensor.Name().decode()} has a type that is not read here ({tensor.DataType()})")
    shape = [tensor.Dims(k) for k in range(tensor.DimsLength())]
    size = tensor.RawDataLength()
    data = tensor.RawDataAsNumpy().tobytes() if size else b""
    return np.frombuffer(data, kind).reshape(shape) if size else np.zeros(shape, kind)
