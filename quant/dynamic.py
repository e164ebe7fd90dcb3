"""int8 by dynamic quantisation: weights per output channel, activations measured on each call.

Weights keep 7 of 8 bits (`reduce_range`): without VNNI a CPU adds products of full 8-bit weights in 16 bits, which overflow, and
a bundle travels between machines. Convolutions stay in fp32: they are 3 % of the encoder's weights.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from unmask.bundle import load_bundle
from unmask.export.writer import read_graphs, write_bundle

# Named, because the quantiser would also rewrite the standard Attention operator into one that ONNX Runtime then refuses.
OPERATORS = ["MatMul", "Gemm"]


def quantize_bundle(source: Path, target: Path) -> Path:
    """Write an int8 bundle of the fp32 bundle `source` at `target`; the embedding table becomes float16."""
    bundle = load_bundle(source)
    graphs = {role: quantize_graph(graph) for role, graph in read_graphs(source, bundle.manifest).items()}
    tokenizer = bundle.path(bundle.manifest.tokenizer).read_text(encoding="utf-8")
    return write_bundle(
        target, replace(bundle.manifest, precision="int8"), graphs, bundle.embedding().astype(np.float16), tokenizer
    )


def quantize_graph(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The int8 form of one graph with its weights inside."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            graph, path, op_types_to_quantize=OPERATORS, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
        )
        return onnx.load(path)
