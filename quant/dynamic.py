"""int8 by dynamic quantisation: weights per output channel, activations measured on each call.

Weights keep 7 of 8 bits (`reduce_range`): without VNNI a CPU adds products of full 8-bit weights in 16 bits, which overflow, and
a bundle travels between machines. Convolutions compute in fp32 and are stored in float16: they are 3 % of the encoder's weights.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from unmask.bundle import Embedding, load_bundle
from unmask.export.writer import Columns, read_graphs, write_bundle

# Named, because the quantiser would also rewrite the standard Attention operator into one that ONNX Runtime then refuses.
OPERATORS = ["MatMul", "Gemm"]
HALVED_BYTES = 1 << 16


def quantize_bundle(source: Path, target: Path) -> Path:
    """Write an int8 bundle of the fp32 bundle `source` at `target`; embeddings are read from the heads tied to them.

    Raises ValueError when a head is not tied.
    """
    bundle = load_bundle(source)
    manifest = bundle.manifest
    graphs = {role: quantize_graph(graph) for role, graph in read_graphs(source, manifest).items()}
    tables = {"window": tied(graphs["window"], manifest.embedding)}
    if manifest.verifier:
        tables["verify"] = tied(graphs["verify"], manifest.verifier.embedding)
    tokenizer = bundle.path(manifest.tokenizer).read_text(encoding="utf-8")
    return write_bundle(target, replace(manifest, precision="int8"), graphs, tables, tokenizer)


def tied(graph: onnx.ModelProto, embedding: Embedding) -> Columns:
    """The head of an int8 graph as the embedding's columns. Raises ValueError when no matrix of its shape is there."""
    found = {tensor.name: tensor for tensor in graph.graph.initializer}
    for name, tensor in found.items():
        if tensor.data_type == onnx.TensorProto.INT8 and tuple(tensor.dims) == (embedding.width, embedding.rows):
            scales = found[name.removesuffix("_quantized") + "_scale"]
            return Columns(onnx.numpy_helper.to_array(tensor), onnx.numpy_helper.to_array(scales))
    raise ValueError(f"no int8 head of {embedding.width} x {embedding.rows} that the embedding could be tied to")


def quantize_graph(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The int8 form of one graph with its weights inside."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            graph, path, op_types_to_quantize=OPERATORS, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
        )
        return halve(onnx.load(path))


def halve(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Store large tensors that are still in fp32 (convolutions, positions) as float16; they are widened when a graph is opened.

    Weights that Whisper was published with are float16 themselves, and training moved them by less than their rounding matters.
    """
    for tensor in [t for t in graph.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]:
        array = onnx.numpy_helper.to_array(tensor)
        if array.nbytes < HALVED_BYTES:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float16), f"{name}_half"))
        graph.graph.node.insert(0, onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    return graph
