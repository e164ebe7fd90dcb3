"""The picture codec of omni-tiny: reads what `unmask.training.codecs.stickers` writes, and writes an encoder and a decoder."""

from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from torch import nn

from unmask.bundle.codec_spec import CODECS
from unmask.bundle.manifest import Codec
from unmask.export.bundle_writer import WEIGHTS, WeightsFile, externalize
from unmask.export.codecs.tensor_file import find_file, fitting, read_tensors
from unmask.export.modules.sticker_codec import CODES, NUMBERS, PATCH, Decode, Encode, StickerCodec
from unmask.export.onnx.trace import trace
from unmask.image.codec import LEAST_LIKENESS

NAME, WHAT = "stickers", "the sticker codec (squares.safetensors)"
LICENSE = "Apache-2.0; made of drawings of Noto emoji, (c) Google, Apache-2.0"
SIDE = 64  # pixels of a picture
KEPT = 0.6  # of 1,500 pictures of its world 0.8 % keep less, of sketches in hands at random 7 %, and most photos and patterns do
MOST = 128  # codes of a side, in the graphs' signatures


def write(source: Path, checkpoint: Path | None, folder: Path, say: Callable[[str], None]) -> Codec:
    """Write both graphs in `folder`. Raises InputError for files of another model; see `unmask.export.codecs`."""
    path = find_file(source, WHAT, ("squares*",))
    squares = fitting(path, read_tensors(path), {"squares": torch.empty(CODES, NUMBERS)}, WHAT)["squares"]
    codec = StickerCodec(squares)
    weights, files = WeightsFile(folder / WEIGHTS), {}
    for role, module in (("image_encoder", Encode(codec)), ("image_decoder", Decode(codec))):
        files[role] = f"{role}.onnx"
        onnx.save_model(externalize(export(role, module), weights), folder / files[role])
    weights.close()
    return Codec(
        files,
        LICENSE,
        {"architecture": "nearest squares", "file": path.name},
        {"read_pixels": SIDE, "write_codes": (SIDE // PATCH) ** 2, LEAST_LIKENESS: KEPT},
    )


def export(role: str, module: nn.Module) -> onnx.ModelProto:
    """A graph of any size."""
    rows, columns = (torch.export.Dim(name, min=2, max=MOST) for name in ("code_rows", "code_columns"))
    varying = {"code_rows": rows, "code_columns": columns, "height": PATCH * rows, "across": PATCH * columns}
    dims = {"code_rows": 3, "code_columns": 4, "height": 3 * PATCH, "across": 4 * PATCH}
    made: onnx.ModelProto = trace(module, CODECS[NAME].graphs[role], dims, varying).model_proto
    return made
