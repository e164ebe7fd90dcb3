"""MAGVIT-v2 as the image codec of a bundle: reads showlab/magvitv2, writes an encoder and a decoder."""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unmask.bundle.codec_spec import CODECS
from unmask.bundle.manifest import Codec
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import open_session
from unmask.errors import InputError
from unmask.export.bundle_writer import WEIGHTS, WeightsFile, externalize
from unmask.export.codecs.small_weights import FORMS, small_weights
from unmask.export.codecs.tensor_file import find_file, fitting, read_tensors
from unmask.export.modules.magvit import Decode, Encode, Magvit, MagvitConfig
from unmask.export.onnx.trace import trace

NAME, WHAT = "magvit", "MAGVIT-v2 (showlab/magvitv2)"
LICENSE = "Apache-2.0 (showlab/Show-o, where MAGVIT-v2 is published); of other weights their own"
READ_PIXELS, WRITE_CODES = 512, 256  # as Omni-Diffusion uses it
BUFFERS = ("quantize.",)  # computed anew
LEAST_PSNR = 40.0  # dB: such pictures are not told apart
CHECKED = 8  # codes of a side of the picture that decides
MOST = 128  # codes of a side, in the graphs' signatures


def write(source: Path, checkpoint: Path | None, folder: Path, say: Callable[[str], None]) -> Codec:
    """Write both graphs in `folder`. Raises InputError for files of another model; see `unmask.export.codecs`.

    The encoder is in float32: a rounded weight would turn a bit near zero. The decoder's weights are in int8 if its pictures
    stay, else in float16.
    """
    path = find_file(source, WHAT)
    model = load_magvit(path)
    encoder, decoder = (
        export(role, module, model.config.scale)
        for role, module in (("image_encoder", Encode(model)), ("image_decoder", Decode(model)))
    )
    decoder, told = smallest(decoder, 2**model.config.bits)
    say(told)
    weights, files = WeightsFile(folder / WEIGHTS), {}
    for role, graph in (("image_encoder", encoder), ("image_decoder", decoder)):
        files[role] = f"{role}.onnx"
        onnx.save_model(externalize(graph, weights), folder / files[role])
    weights.close()
    provenance = {"architecture": "MAGViTv2", "file": path.name, "precision": f"encoder in fp32; {told}"}
    return Codec(files, LICENSE, provenance, {"read_pixels": READ_PIXELS, "write_codes": WRITE_CODES})


def smallest(decoder: onnx.ModelProto, codes: int) -> tuple[onnx.ModelProto, str]:
    """The decoder in the smallest form whose pictures stay, and a line that says which and why. codes: number of all codes.

    Measured on random codes, which make more edges than pictures do, so they are the harder case.
    """
    given = np.random.default_rng(0).integers(0, codes, (CHECKED, CHECKED))
    whole, told = drawn(decoder, given), list[str]()
    for form in FORMS:
        made = small_weights(decoder, form)
        loss = psnr(whole, drawn(made, given))
        told.append(f"{form} {loss:.1f}")
        if loss >= LEAST_PSNR:
            return made, f"decoder in {form}: PSNR to pictures of fp32, of random codes, in dB: {', '.join(told)}"
    return decoder, f"decoder in fp32: PSNR to its pictures, of random codes, in dB: {', '.join(told)}"


def drawn(decoder: onnx.ModelProto, codes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Pixels from -1 to 1."""
    session = open_session(decoder.SerializeToString(), EngineOptions())
    return np.clip(session.run(None, {"codes": codes})[0], -1, 1)


def psnr(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """dB between pictures with pixels from -1 to 1; infinite for the same."""
    error = float(np.mean((first - second) ** 2))
    return 10 * math.log10(4 / error) if error else math.inf


def load_magvit(source: Path) -> Magvit:
    """The model in a file, or in the only file of tensors in a folder. Raises InputError for another model's."""
    path = find_file(source, WHAT)
    tensors = read_tensors(path)
    with torch.device("meta"):
        model = Magvit(config_of(path, tensors))
    model.load_state_dict(fitting(path, tensors, dict(model.named_parameters()), WHAT, BUFFERS), assign=True)
    return model.eval().requires_grad_(False)


def config_of(path: Path, tensors: Mapping[str, Tensor]) -> MagvitConfig:
    """The sizes, from names and shapes. Raises InputError when these are not of such a model."""
    try:
        stem, bits = len(tensors["encoder.conv_in.weight"]), len(tensors["encoder.quant_conv.weight"])
        return MagvitConfig(_levels(tensors, "encoder.down"), _levels(tensors, "decoder.up"), stem, bits)
    except KeyError as error:
        raise InputError(f"{path}: not {WHAT}: it has no tensor {error}; give its folder or file") from error


def _levels(tensors: Mapping[str, Tensor], where: str) -> tuple[tuple[int, int], ...]:
    """(channels, blocks) of each level."""
    found = [match for name in tensors if (match := re.match(rf"{re.escape(where)}\.(\d+)\.block\.(\d+)\.conv1\.weight$", name))]
    blocks = [sum(int(match[1]) == level for match in found) for level in range(1 + max((int(m[1]) for m in found), default=0))]
    return tuple((len(tensors[f"{where}.{level}.block.0.conv1.weight"]), count) for level, count in enumerate(blocks))


def export(role: str, module: nn.Module, scale: int) -> onnx.ModelProto:
    """A graph of any size. scale: pixels of a code's side."""
    rows, columns = (torch.export.Dim(name, min=2, max=MOST) for name in ("code_rows", "code_columns"))
    varying = {"code_rows": rows, "code_columns": columns, "height": scale * rows, "across": scale * columns}
    dims = {"code_rows": 3, "code_columns": 4, "height": 3 * scale, "across": 4 * scale}
    made: onnx.ModelProto = trace(module, CODECS[NAME].graphs[role], dims, varying).model_proto
    return made
