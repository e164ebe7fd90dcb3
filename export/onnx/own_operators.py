"""ONNX Runtime's own operators in a graph: the name of their set. Knows no PyTorch, so that quantizing loads none."""

import onnx
from onnx import helper

CONTRIB = "com.microsoft"


def use_own_operators(model: onnx.ModelProto) -> None:
    """Declare the set of operators, in place, unless the graph has it."""
    if CONTRIB not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(CONTRIB, 1))
