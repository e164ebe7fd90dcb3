"""The speech codec of omni-tiny, which is hibari's decoder after a table: reads what `unmask.training.codecs.speech` writes.

A code is 50 ms: four frames of 130 numbers, as hibari's decoder takes them. hibari is (c) Maureese Williams, distilled from
Kokoro-82M, (c) hexgrad, both Apache-2.0.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unmask.bundle.codec_spec import CODECS
from unmask.bundle.manifest import Codec
from unmask.errors import InputError
from unmask.export.bundle_writer import WEIGHTS, WeightsFile, externalize
from unmask.export.codecs.small_weights import rounded, small_weights
from unmask.export.codecs.tensor_file import find_file, fitting, read_tensors

NAME, WHAT = "hibari", "the speech codec (speech.safetensors)"
LICENSE = "Apache-2.0; hibari (c) Maureese Williams, distilled from Kokoro-82M, (c) hexgrad, both Apache-2.0"
MEANS, FILE, DECODER, ROLE = "means", "speech.safetensors", "decoder.onnx", "voice"
SPEECH_CODES = 1024
CODE_FRAMES = 4
FRAME_NUMBERS = 130  # of a frame: 128 of what is said, the logarithm of the pitch, the energy
PITCH, PITCH_SCALE = 128, 5.0  # this number is log(1 + Hz) / 5
SPECTRA = ("lh", "theta", "ln", "lr", "phi")


def write(source: Path, checkpoint: Path | None, folder: Path, say: Callable[[str], None]) -> Codec:
    """Write the graph in `folder`. Raises InputError for files of another model; see `unmask.export.codecs`."""
    weights = WeightsFile(folder / WEIGHTS)
    onnx.save_model(externalize(graph(source), weights), folder / f"{ROLE}.onnx")
    weights.close()
    return Codec(
        {ROLE: f"{ROLE}.onnx"},
        LICENSE,
        {"architecture": "nearest stretches of 50 ms, and hibari's decoder", "file": FILE},
        {"codes": SPEECH_CODES},
    )


def graph(source: Path, form: str = "int8") -> onnx.ModelProto:
    """Codes to spectra and pitch. form: of the table and of the first layer, int8 or fp32; hibari itself ships in int8."""
    path = find_file(source, WHAT, ("speech*",))
    wanted = {MEANS: torch.empty(SPEECH_CODES, CODE_FRAMES * FRAME_NUMBERS)}
    means = fitting(path, read_tensors(path), wanted, WHAT, ("projection",))[MEANS].numpy()
    decoder_path = path.with_name(DECODER)
    if not decoder_path.is_file():
        raise InputError(f"{decoder_path}: is missing; `python -m unmask.training.codecs.speech` writes it beside {FILE}")
    decoder = onnx.load(decoder_path)
    decoder = small_weights(decoder, "int8") if form == "int8" else decoder
    for node in reversed(_front(decoder.graph.input[0].name)):
        decoder.graph.node.insert(0, node)
    decoder.graph.initializer.extend(_tables(means, form))
    del decoder.graph.input[:], decoder.graph.output[:], decoder.graph.value_info[:]
    spec = CODECS[NAME].graphs[ROLE]
    kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    for tensors, values in ((spec.inputs, decoder.graph.input), (spec.outputs, decoder.graph.output)):
        values.extend(
            helper.make_tensor_value_info(t.name, kinds[t.dtype], [int(d) if d.isdigit() else d for d in t.dims]) for t in tensors
        )
    onnx.checker.check_model(decoder)
    return decoder


def _front(frames: str) -> list[onnx.NodeProto]:
    """Codes (N,) to frames (1, FRAME_NUMBERS, F), which have the name that the decoder gives them, and pitch (1, F) in Hz."""
    node = helper.make_node
    return [
        node("Gather", ["table", "codes"], ["rows"]),
        node("Cast", ["rows"], ["whole"], to=TensorProto.FLOAT),
        node("Mul", ["whole", "table_scales"], ["numbers"]),
        node("Reshape", ["numbers", "table_shape"], ["in_time"]),
        node("Transpose", ["in_time"], [frames], perm=[0, 2, 1]),
        node("Gather", ["in_time", "table_pitch"], ["pitch_logarithm"], axis=2),
        node("Mul", ["pitch_logarithm", "table_pitch_scale"], ["pitch_exponent"]),
        node("Exp", ["pitch_exponent"], ["pitch_and_one"]),
        node("Sub", ["pitch_and_one", "table_one"], ["pitch_signed"]),
        node("Relu", ["pitch_signed"], ["pitch"]),
    ]


def _tables(means: NDArray[np.float32], form: str) -> list[onnx.TensorProto]:
    table, scales = rounded(means.T) if form == "int8" else (means.T, np.ones((means.shape[1], 1), np.float32))
    named = {
        "table": np.ascontiguousarray(table.T),
        "table_scales": scales[:, 0],
        "table_shape": np.array([1, -1, FRAME_NUMBERS]),
        "table_pitch": np.array(PITCH),
        "table_pitch_scale": np.float32(PITCH_SCALE),
        "table_one": np.float32(1),
    }
    return [numpy_helper.from_array(np.asarray(array), name) for name, array in named.items()]
