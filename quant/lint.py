"""Name what an NPU provider would leave to the CPU, or refuse: dynamic axes, operators, types, weights that are no constants.

A reading of tables (`quant.operators`), so it can be done on any machine. What a provider does is told by the provider itself:
`unmask devices BUNDLE --provider ...`, and --strict. Knows ONNX nodes; opens no session.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from onnx import TensorProto

from unmask.bundle.manifest import Bundle
from unmask.quant.operators import Rules

WIDE = {TensorProto.INT64: "int64", TensorProto.DOUBLE: "float64"}
PRODUCTS = ("MatMul", "Gemm", "Conv")


@dataclass(frozen=True)
class Finding:
    graph: str  # its file
    node: str  # of an input or output its name
    kind: str  # operator; input, output
    reason: str

    def __str__(self) -> str:
        return f"{self.graph}: {self.node} ({self.kind}): {self.reason}"


def lint_bundle(bundle: Bundle, rules: Rules) -> list[Finding]:
    """Of all ONNX graphs of a bundle: those of fixed sizes, and those of any size where there are no others."""
    fixed = [bucket.file for bucket in bundle.manifest.buckets if bucket.engine == "onnx"]
    files = fixed or list(bundle.manifest.graphs.values())
    return [found for file in files for found in lint(file, onnx.load(bundle.path(file), load_external_data=False), rules)]


def lint(file: str, model: onnx.ModelProto, rules: Rules) -> list[Finding]:
    """Findings in the order of the graph, inputs and outputs first."""
    model = onnx.shape_inference.infer_shapes(model)
    return [*_interface(file, model, rules), *_nodes(file, model, rules), *_weights(file, model)]


def _interface(file: str, model: onnx.ModelProto, rules: Rules) -> Iterator[Finding]:
    newest = max((own.version for own in model.opset_import if own.domain in ("", "ai.onnx")), default=0)
    if newest > rules.opset:
        yield Finding(file, file, "opset", f"opset {newest} is newer than {rules.opset}")
    for kind, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            if _dynamic(value):
                yield Finding(file, value.name, kind, f"a dynamic axis: {_shape(value)}")
            if value.type.tensor_type.elem_type in WIDE:
                yield Finding(file, value.name, kind, f"is {WIDE[value.type.tensor_type.elem_type]}")


def _nodes(file: str, model: onnx.ModelProto, rules: Rules) -> Iterator[Finding]:
    values = {value.name: value for value in model.graph.value_info}
    readers: dict[str, set[str]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(node.op_type)
    for node in model.graph.node:
        kind = node.op_type
        if node.domain not in ("", "ai.onnx") or not rules.takes(kind):
            yield Finding(file, node.name, kind, "this operator is not in the provider's table")
        for name in node.output:
            value = values.get(name)
            if value is None:
                continue
            if _dynamic(value):
                yield Finding(file, node.name, kind, f"a dynamic axis: {_shape(value)}")
            wide = WIDE.get(value.type.tensor_type.elem_type)
            if wide and readers.get(name, set()) != {"Cast"}:  # what ONNX has only in int64 and is narrowed at once
                yield Finding(file, node.name, kind, f"its output {name} is {wide}")


def _weights(file: str, model: onnx.ModelProto) -> Iterator[Finding]:
    """Products with weights that are made of constants while the graph runs: their bytes are no constant to a compiler."""
    plain = {tensor.name for tensor in model.graph.initializer}
    settled, made = set(plain), set()
    for node in model.graph.node:
        if node.input and all(name in settled for name in node.input if name):
            settled.update(node.output)
            if node.op_type != "DequantizeLinear" or node.input[0] not in plain:
                made.update(node.output)
    for node in model.graph.node:
        if node.op_type not in PRODUCTS:
            continue
        weights = node.input[1]
        if weights in made:
            yield Finding(file, node.name, node.op_type, f"its weights {weights} are computed from constants, and are none")
        elif node.op_type != "MatMul" and weights not in settled:  # attention multiplies what it computed
            yield Finding(file, node.name, node.op_type, f"its weights {weights} are no constant")


def _dynamic(value: onnx.ValueInfoProto) -> bool:
    return any(not dim.HasField("dim_value") or dim.dim_value < 0 for dim in value.type.tensor_type.shape.dim)


def _shape(value: onnx.ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    return " x ".join(str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dims)
