"""The PyTorch model of a caption bundle, from its graphs' constants: to train on, or to export for another engine.

Constants are named after their parameters (`export.onnx.captioner.name_parameters`), with `.T` after transposed ones, in every
number format. The weights of a quantized bundle are its codes times their scales. Knows no training run and no engine.
"""

from collections.abc import Iterator

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from unmask.bundle.manifest import Bundle
from unmask.errors import BundleError
from unmask.export.modules.captioner import CaptionerConfig, CaptionerModel
from unmask.export.modules.whisper import WhisperConfig
from unmask.export.onnx.captioner import FAMILY, PARAMETER

Floats = NDArray[np.float32]
PENALTY = "penalty"  # constant that the window graph subtracts from the logits: nonzero for blank


def reload_captioner(bundle: Bundle) -> tuple[CaptionerModel, float]:
    """The model and its blank penalty. Raises BundleError for another family, and when a parameter is in no graph."""
    manifest = bundle.manifest
    if manifest.family != FAMILY or manifest.verifier is None or not {"context", "window", "verify"} <= manifest.graphs.keys():
        raise BundleError(f"{bundle.folder}: not a captioner with a verifier and graphs of any size; give such a bundle")
    found: dict[str, Floats] = {}
    for role in manifest.graphs:
        found.update(constants(onnx.load(bundle.path(manifest.graphs[role]))))
    found["verifier.embedding.weight"] = bundle.table().gather(np.arange(manifest.embedding.total))
    model = CaptionerModel(config_of(bundle, found))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name not in found:
                raise BundleError(f"{bundle.folder}: the parameter {name} is in no graph; export the bundle again")
            if not np.isfinite(found[name]).all():
                raise BundleError(f"{bundle.folder}: the parameter {name} holds NaN or infinity; use other weights")
            parameter.copy_(torch.from_numpy(np.array(found[name])))
    return model.eval().requires_grad_(False), float(found[PENALTY].max())


def config_of(bundle: Bundle, found: dict[str, Floats]) -> CaptionerConfig:
    manifest = bundle.manifest
    assert manifest.verifier is not None
    assert manifest.timeline is not None
    cross = next(
        v for v in onnx.load(bundle.path(manifest.graphs["window"]), load_external_data=False).graph.input if v.name == "cross_k"
    )
    heads = cross.type.tensor_type.shape.dim[1].dim_value
    whisper = WhisperConfig(
        width=manifest.embedding.width,
        heads=heads,
        encoder_layers=_layers(found, "encoder.blocks."),
        decoder_layers=_layers(found, "blocks."),
        vocabulary=manifest.embedding.total,
        mels=found["encoder.conv1.weight"].shape[1],
        encoder_positions=len(found["encoder.positions"]),
        decoder_positions=len(found["verifier.positions"]),
    )
    own, prompt = manifest.vocabulary.size, len(manifest.verifier.prompt)
    rarer = manifest.embedding.total - own - 1 - prompt
    return CaptionerConfig(whisper, own, manifest.timeline.frames_per_slot, prompt, rarer)


def _layers(found: dict[str, Floats], start: str) -> int:
    return 1 + max(int(name.removeprefix(start).split(".")[0]) for name in found if name.startswith(start))


def constants(graph: onnx.ModelProto) -> Iterator[tuple[str, Floats]]:
    """(parameter, values) of each constant, in the parameter's layout and in float32, from any number format."""
    tensors = {tensor.name: tensor for tensor in graph.graph.initializer}
    for name, tensor in tensors.items():
        stem, _, form = name.rpartition("_")
        if form == "quantized":  # one column per output
            scales = onnx.numpy_helper.to_array(tensors[f"{stem}_scale"])
            yield _parameter(stem), (onnx.numpy_helper.to_array(tensor) * scales).T
        elif form == "blocks":
            yield _parameter(stem), _of_blocks(graph, tensor, tensors[f"{stem}_scales"])
        elif form == "rounded":
            steps = onnx.numpy_helper.to_array(tensors[f"{stem}_step"])
            yield _parameter(stem), onnx.numpy_helper.to_array(tensor) * steps
        elif tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16):
            array = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            name = name.removesuffix("_half")
            yield _parameter(name), array.T if name.endswith(".T") else array


def _parameter(constant: str) -> str:
    return constant.removeprefix(PARAMETER).removesuffix(".T")


def _of_blocks(graph: onnx.ModelProto, codes: onnx.TensorProto, scales: onnx.TensorProto) -> Floats:
    """(N, K) from the constants of a MatMulNBits node: one row per output."""
    node = next(node for node in graph.graph.node if codes.name in node.input)
    sizes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    stored, bits, block = onnx.numpy_helper.to_array(codes), sizes["bits"], sizes["block_size"]
    if bits == 4:
        stored = np.stack([stored & 15, stored >> 4], -1)
    whole = stored.reshape(sizes["N"], -1, block).astype(np.float32) - (1 << bits - 1)
    rows: Floats = whole * onnx.numpy_helper.to_array(scales).reshape(sizes["N"], -1, 1)
    return rows.reshape(sizes["N"], -1)[:, : sizes["K"]]
