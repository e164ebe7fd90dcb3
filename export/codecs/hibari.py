"""The speech codec of omni-tiny, which is hibari's decoder after a table: reads what `unmask.training.codecs.speech` writes.

A code is 50 ms: four frames of 130 numbers, as hibari's decoder takes them. hibari is (c) Maureese Williams, distilled from
Kokoro-82M, (c) hexgrad, both Apache-2.0.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from unmask.export.modules.speech_context import Context

NAME, TABLE, WHAT = "hibari", "table", "the speech codec (speech.safetensors)"
LICENSE = "Apache-2.0; hibari (c) Maureese Williams, distilled from Kokoro-82M, (c) hexgrad, both Apache-2.0"
MEANS, FILE, DECODER, ROLE = "means", "speech.safetensors", "decoder.onnx", "voice"
CONTEXT = "context/weights.safetensors"  # beside it, if it is trained
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
        {"architecture": "nearest stretches of 50 ms, what neighbors change of them, and hibari's decoder", "file": FILE},
        {"codes": SPEECH_CODES},
    )


def graph(source: Path, form: str = "int8") -> onnx.ModelProto:
    """Codes to spectra and pitch. form: of tables and convolutions, int8 or fp32; the rest of hibari ships in int8."""
    path = find_file(source, WHAT, ("speech*",))
    wanted = {MEANS: torch.empty(SPEECH_CODES, CODE_FRAMES * FRAME_NUMBERS)}
    means = fitting(path, read_tensors(path), wanted, WHAT, ("projection",))[MEANS].numpy()
    decoder_path = path.with_name(DECODER)
    if not decoder_path.is_file():
        raise InputError(f"{decoder_path}: is missing; `python -m unmask.training.codecs.speech` writes it beside {FILE}")
    decoder = onnx.load(decoder_path)
    nodes, tensors = _front(decoder.graph.input[0].name), _table(TABLE, means, form)
    learned = path.parent / CONTEXT
    if learned.is_file():
        more = _context(learned, means.shape[1], form)
        nodes, tensors = [*more[0], *nodes], tensors | more[1]
    else:
        nodes.insert(0, helper.make_node("Identity", ["table_numbers"], ["numbers"]))
    for node in reversed([*_read(TABLE), *nodes]):
        decoder.graph.node.insert(0, node)
    constants = {"shape": [1, -1, FRAME_NUMBERS], "at": PITCH, "scale": np.float32(PITCH_SCALE), "one": np.float32(1)}
    named = tensors | {f"pitch_{name}": np.asarray(value) for name, value in constants.items()}
    decoder.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in named.items())
    _sign(decoder.graph)
    made = small_weights(decoder, "int8") if form == "int8" else decoder
    onnx.checker.check_model(made)
    return made


def _sign(graph: onnx.GraphProto) -> None:
    """Give a graph the inputs and outputs that the table of codecs says."""
    del graph.input[:], graph.output[:], graph.value_info[:]
    spec = CODECS[NAME].graphs[ROLE]
    kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    for tensors, values in ((spec.inputs, graph.input), (spec.outputs, graph.output)):
        values.extend(
            helper.make_tensor_value_info(t.name, kinds[t.dtype], [int(d) if d.isdigit() else d for d in t.dims]) for t in tensors
        )


def _front(frames: str) -> list[onnx.NodeProto]:
    """Numbers (N, 4 * 130) to frames (1, 130, F), which have the name that the decoder gives them, and pitch (1, F) in Hz."""
    node = helper.make_node
    return [
        node("Reshape", ["numbers", "pitch_shape"], ["in_time"]),
        node("Transpose", ["in_time"], [frames], perm=[0, 2, 1]),
        node("Gather", ["in_time", "pitch_at"], ["pitch_logarithm"], axis=2),
        node("Mul", ["pitch_logarithm", "pitch_scale"], ["pitch_exponent"]),
        node("Exp", ["pitch_exponent"], ["pitch_and_one"]),
        node("Sub", ["pitch_and_one", "pitch_one"], ["pitch_signed"]),
        node("Relu", ["pitch_signed"], ["pitch"]),
    ]


def _context(path: Path, numbers: int, form: str) -> tuple[list[onnx.NodeProto], dict[str, NDArray[Any]]]:
    """What `Context` computes, and its tensors: the numbers of a code's own stretch become those among its neighbors."""
    model = Context(SPEECH_CODES, numbers)
    found = fitting(path, read_tensors(path), model.state_dict(), f"the context of {WHAT}")
    named = {f"context_{name}": value.numpy() for name, value in found.items() if name != "rows.weight"}
    node = helper.make_node

    def convolution(name: str, taken: str, given: str) -> onnx.NodeProto:
        taps = found[f"{name}.weight"].shape[2]
        return node("Conv", [taken, f"context_{name}.weight", f"context_{name}.bias"], [given], pads=[taps // 2, taps // 2])

    nodes = [
        *_read("context"),
        node("Unsqueeze", ["context_numbers", "context_axis"], ["context_batch"]),
        node("Transpose", ["context_batch"], ["context_time"], perm=[0, 2, 1]),
        convolution("near", "context_time", "context_near"),
        node("Relu", ["context_near"], ["context_near_kept"]),
        convolution("far", "context_near_kept", "context_far"),
        node("Relu", ["context_far"], ["context_far_kept"]),
        convolution("out", "context_far_kept", "context_out"),
        node("Transpose", ["context_out"], ["context_rows"], perm=[0, 2, 1]),
        node("Squeeze", ["context_rows", "context_axis"], ["context_changed"]),
        node("Add", ["table_numbers", "context_changed"], ["numbers"]),
    ]
    rows = found["rows.weight"][:SPEECH_CODES].numpy()
    return nodes, named | _table("context", rows, form) | {"context_axis": np.array([0])}


def _read(name: str) -> list[onnx.NodeProto]:
    """Codes (N,) to rows of a table (N, K)."""
    node = helper.make_node
    return [
        node("Gather", [name, "codes"], [f"{name}_codes"]),
        node("Cast", [f"{name}_codes"], [f"{name}_whole"], to=TensorProto.FLOAT),
        node("Mul", [f"{name}_whole", f"{name}_scales"], [f"{name}_numbers"]),
    ]


def _table(name: str, rows: NDArray[np.float32], form: str) -> dict[str, NDArray[Any]]:
    """(codes, K) as a graph keeps it, with a scale for each column."""
    table, scales = rounded(rows.T) if form == "int8" else (rows.T, np.ones((rows.shape[1], 1), np.float32))
    return {name: np.ascontiguousarray(table.T), f"{name}_scales": np.ascontiguousarray(scales[:, 0])}
