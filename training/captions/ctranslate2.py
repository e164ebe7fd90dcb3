"""Read Whisper's weights from a CTranslate2 folder's `model.bin`: format 6, little-endian, as its `model_spec.py` describes it.

Knows bytes and names. Knows no PyTorch.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]
_KINDS = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}


def read_ctranslate2(path: Path) -> tuple[Tensors, int]:
    """Tensors of a `model.bin` by the parameters' names in `unmask.export.modules.whisper`, in float32, and the number of heads.

    Raises ValueError for a file that is cut short or of another format, KeyError for a variable that is missing.
    """
    try:
        return _renamed(_variables(path))
    except struct.error as error:
        raise ValueError(f"{path}: cut short ({error}); fetch it again") from error


def _variables(path: Path) -> Tensors:
    """The variables of a file by their own names."""
    data, at = path.read_bytes(), 0

    def number(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return value

    def text() -> str:
        nonlocal at
        size = number("H")
        at += size
        return data[at - size : at - 1].decode()

    version, spec = number("I"), text()
    if version != 6 or spec != "WhisperSpec":
        raise ValueError(f"{path}: format {version} of {spec!r} is not Whisper in CTranslate2 format 6")
    number("I")  # revision
    tensors = {}
    for _ in range(number("I")):
        name, rank = text(), number("B")
        shape = [number("I") for _ in range(rank)]
        kind, size = _KINDS[number("B")], number("I")
        if at + size > len(data):
            raise ValueError(f"{path}: cut short inside {name}; fetch it again")
        tensors[name] = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, at).reshape(shape)
        at += size
    return tensors


def _renamed(raw: Tensors) -> tuple[Tensors, int]:
    out: Tensors = {}

    def put(name: str, source: str) -> None:
        pairs = (("weight", "gamma"), ("bias", "beta")) if "norm" in name else (("weight", "weight"), ("bias", "bias"))
        for ours, theirs in pairs:
            out[f"{name}.{ours}"] = raw[f"{source}/{theirs}"].astype(np.float32)

    def attention(name: str, source: str, fused: bool) -> None:
        parts = ("query", "key", "value")
        put(f"{name}_norm", f"{source}/layer_norm")
        if fused:
            weights, biases = raw[f"{source}/linear_0/weight"], raw[f"{source}/linear_0/bias"]
        else:
            weights = np.concatenate([raw[f"{source}/linear_{i}/weight"] for i in (0, 1)])
            biases = np.concatenate([raw[f"{source}/linear_{i}/bias"] for i in (0, 1)])
        for part, weight, bias in zip(parts, np.split(weights, 3), np.split(biases, 3), strict=True):
            out[f"{name}.{part}.weight"] = weight.astype(np.float32)
            if part != "key":  # Whisper's keys have no bias; CTranslate2 stores zeros
                out[f"{name}.{part}.bias"] = bias.astype(np.float32)
        put(f"{name}.out", f"{source}/linear_{1 if fused else 2}")

    for side in ("encoder", "decoder"):
        out[f"{side}.positions"] = raw[f"{side}/position_encodings/encodings"].astype(np.float32)
        put(f"{side}.norm", f"{side}/layer_norm")
        layers = {name.split("/")[1] for name in raw if name.startswith(f"{side}/layer_") and "/layer_norm/" not in name[:20]}
        for i in range(len(layers)):
            block, source = f"{side}.blocks.{i}", f"{side}/layer_{i}"
            attention(f"{block}.attention", f"{source}/self_attention", fused=True)
            if side == "decoder":
                attention(f"{block}.cross", f"{source}/attention", fused=False)
            put(f"{block}.ffn_norm", f"{source}/ffn/layer_norm")
            put(f"{block}.ffn_in", f"{source}/ffn/linear_0")
            put(f"{block}.ffn_out", f"{source}/ffn/linear_1")
    put("encoder.conv1", "encoder/conv1")
    put("encoder.conv2", "encoder/conv2")
    out["decoder.embedding.weight"] = raw["decoder/embeddings/weight"].astype(np.float32)
    return out, int(raw["decoder/num_heads"])
