"""The PyTorch model of a bundle, from its graphs' constants: to train on, or to export for another engine.

Constants are named after their parameters (`export.onnx.parameters`), with `.T` after transposed ones, in every
number format. The weights of a quantized bundle are its codes times their scales. Knows no training run and no engine.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from unmask.bundle.dataclass_json import from_json, parse_json
from unmask.bundle.manifest import Bundle
from unmask.errors import BundleError
from unmask.export.modules.backbone import BackboneConfig, BackboneModel
from unmask.export.modules.drafter import GIVEN, Drafter
from unmask.export.modules.moonshine import Moonshine, MoonshineConfig
from unmask.export.onnx.parameters import PARAMETER
from unmask.export.onnx.transcript import CONFIG, DRAFTED

Floats = NDArray[np.float32]
HEAD = re.compile(r"weight(_\d+)?")  # of a head as a whole, or of its parts, each with a range of ids


def reload_transcript(bundle: Bundle) -> tuple[Moonshine, Drafter | None]:
    """The model and its drafter, if it has one, without the letters that only training looks at.

    Raises BundleError for a bundle that is no transcript or has no graphs of any size, and when a parameter is in no graph.
    """
    manifest = bundle.manifest
    if manifest.transcript is None or not {"context", "window"} <= manifest.graphs.keys():
        raise BundleError(f"{bundle.folder}: not a captioner with graphs of any size; give such a bundle")
    context, window = (onnx.load(bundle.path(manifest.graphs[role])) for role in ("context", "window"))
    written = {entry.key: entry.value for entry in window.metadata_props}
    if CONFIG not in written:
        raise BundleError(f"{bundle.folder}: its graphs do not say what model they are of; export the bundle again")
    model = Moonshine(from_json(MoonshineConfig, parse_json(written[CONFIG]), f"{bundle.folder}: {CONFIG}"))
    table = bundle.table().gather(np.arange(manifest.embedding.total))
    found = {**dict(constants(window)), **dict(constants(context)), "decoder.embed_tokens.weight": table}
    _fill(model, "", found, bundle)
    ids = [onnx.numpy_helper.to_array(tensor) for tensor in context.graph.initializer if tensor.name == DRAFTED]
    if not ids:
        return model, None
    rows = torch.from_numpy(ids[0].astype(np.int64))
    drafter = Drafter(rows, model.decoder.embed_tokens.weight[rows])
    _fill(drafter, "drafter.", {**found, f"drafter.{GIVEN}": table[ids[0]]}, bundle, spare="letters")
    return model, drafter


def reload_text(bundle: Bundle) -> tuple[BackboneModel, nn.Parameter, int]:
    """The model of a backbone's bundle, the matrix of its head, (vocabulary, d), and how many best ids a head gives.

    Sizes are read off the graphs. Raises BundleError for a bundle that is no backbone or has no graphs of any size, and when a
    parameter is in no graph.
    """
    graphs = bundle.manifest.graphs
    if not {"window", "head"} <= graphs.keys():
        raise BundleError(f"{bundle.folder}: has no graphs of any size that fill a canvas; give such a bundle")
    window, head = (onnx.load(bundle.path(graphs[role])) for role in ("window", "head"))
    found = {name.removeprefix("backbone."): array for name, array in constants(window)}
    model = BackboneModel(_config(window, found, bundle))
    _fill(model, "", found, bundle)
    parts = {name: array for name, array in constants(head) if HEAD.fullmatch(name)}
    matrix = np.concatenate(
        [parts[name] for name in sorted(parts, key=lambda name: int(name.removeprefix("weight").strip("_") or 0))]
    )
    top = next(value for value in head.graph.output if value.name == "ids").type.tensor_type.shape.dim[1].dim_value
    return model, nn.Parameter(torch.from_numpy(matrix), requires_grad=False), top


def _config(window: onnx.ModelProto, found: Mapping[str, Floats], bundle: Bundle) -> BackboneConfig:
    """found: parameter -> values, and the frequencies of rotary positions, the one other vector of their length."""
    cache = next(value for value in window.graph.input if value.name == "cache_k")
    layers, kv_heads, _, size = (dim.dim_value for dim in cache.type.tensor_type.shape.dim)
    first, eps = "layers.0.attention", [a.f for node in window.graph.node for a in node.attribute if a.name == "epsilon"]
    turns = [array for name, array in found.items() if array.shape == (size // 2,) and not name.startswith("layers.")]
    if not eps or len(turns) != 1 or f"{first}.q.weight" not in found:
        raise BundleError(f"{bundle.folder}: its graphs do not say what model they are of; export the bundle again")
    outputs, width = found[f"{first}.q.weight"].shape
    return BackboneConfig(
        layers,
        width,
        outputs // size,
        kv_heads,
        size,
        len(found["layers.0.gate.weight"]),
        bundle.manifest.vocabulary.size,
        eps[0],
        float(turns[0][-1]) ** (-size / (size - 2)),  # the last frequency is theta ** -((size - 2) / size)
        qkv_bias=f"{first}.q.bias" in found,
        qk_norm=f"{first}.q_norm.weight" in found,
    )


def _fill(model: nn.Module, start: str, found: Mapping[str, Floats], bundle: Bundle, spare: str | None = None) -> None:
    """Set parameters from constants named `start` and the parameter's name, and freeze them. spare: names to skip begin so."""
    with torch.no_grad():
        for own, parameter in model.named_parameters():
            name = start + own
            if spare is not None and own.startswith(spare):
                continue
            if name not in found:
                raise BundleError(f"{bundle.folder}: the parameter {name} is in no graph; export the bundle again")
            if not np.isfinite(found[name]).all():
                raise BundleError(f"{bundle.folder}: the parameter {name} holds NaN or infinity; use other weights")
            parameter.copy_(torch.from_numpy(_shaped(np.array(found[name]), tuple(parameter.shape))))
    model.eval().requires_grad_(False)


def _shaped(array: Floats, shape: tuple[int, ...]) -> Floats:
    """A convolution's weights (outputs, inputs, size) from a product's, (outputs, size * inputs or more)."""
    if array.ndim == len(shape):
        return array
    outputs, inputs, size = shape
    return array[:, : size * inputs].reshape(outputs, size, inputs).transpose(0, 2, 1)


def constants(graph: onnx.ModelProto) -> Iterator[tuple[str, Floats]]:
    """(parameter, values) of each constant, in the parameter's layout and in float32, from any number format."""
    tensors = {tensor.name: tensor for tensor in graph.graph.initializer}
    for name, tensor in tensors.items():
        stem, _, form = name.rpartition("_")
        if form == "quantized":  # one column per output
            scales = onnx.numpy_helper.to_array(tensors[f"{stem}_scale"])
            yield _parameter(stem), (onnx.numpy_helper.to_array(tensor) * scales).T
        elif form == "blocks":
            product = next((node for node in graph.graph.node if node.op_type == "MatMulNBits" and name in node.input), None)
            if product is not None:  # otherwise only some rows are taken
                yield _parameter(stem), _of_blocks(product, tensor, tensors[f"{stem}_scales"])
        elif form == "rounded":
            steps = onnx.numpy_helper.to_array(tensors[f"{stem}_step"])
            yield _parameter(stem), onnx.numpy_helper.to_array(tensor) * steps
        elif tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            array = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            name = name.removesuffix("_half")
            yield _parameter(name), array.T if name.endswith(".T") else array


def _parameter(constant: str) -> str:
    return constant.removeprefix(PARAMETER).removesuffix(".T")


def _of_blocks(product: onnx.NodeProto, codes: onnx.TensorProto, scales: onnx.TensorProto) -> Floats:
    """(N, K) from the constants of a MatMulNBits node: one row per output."""
    sizes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in product.attribute}
    stored, bits, block = onnx.numpy_helper.to_array(codes), sizes["bits"], sizes["block_size"]
    if bits == 4:
        stored = np.stack([stored & 15, stored >> 4], -1)
    whole = stored.reshape(sizes["N"], -1, block).astype(np.float32) - (1 << bits - 1)
    rows: Floats = whole * onnx.numpy_helper.to_array(scales).reshape(sizes["N"], -1, 1)
    return rows.reshape(sizes["N"], -1)[:, : sizes["K"]]
