"""Moonshine's checkpoints, in each form in which they are published, as one model in PyTorch.

A Hugging Face folder holds `config.json` and `model.safetensors`; a folder that `optimum-cli export onnx` made of one holds
`config.json`, `encoder_model.onnx` and a decoder; the packages of Moonshine's own runtime hold `encoder_model.ort`,
`decoder_model_merged.ort` and `tokenizer.bin`, whose matrices are 8-bit.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from unmask.bundle.dataclass_json import parse_json
from unmask.errors import UnmaskError
from unmask.export.checkpoint.graph_weights import Parameters
from unmask.export.checkpoint.onnx_weights import read_onnx
from unmask.export.checkpoint.ort_weights import read_ort
from unmask.export.modules.drafter import GIVEN, Drafter
from unmask.export.modules.moonshine import BASE, TINY, Moonshine, MoonshineConfig

ORT_FILES = ("encoder_model.ort", "decoder_model_merged.ort")
ONNX_ENCODER = "encoder_model.onnx"
ONNX_DECODERS = ("decoder_model.onnx", "decoder_model_merged.onnx")
"""The same weights; optimum writes the second, for use with a cache, only when asked to."""
_RENAMED = {".dense.": ".o_proj.", ".up_proj.": ".fc1.", ".down_proj.": ".fc2."}  # names of older transformers
_PUBLISHED = {config.width: config for config in (TINY, BASE)}
_HEAD = "proj_out.weight"  # the embedding once more


def load_moonshine(folder: Path) -> Moonshine:
    """The model of a checkpoint.

    Raises UnmaskError if the folder holds none of the forms, or tensors that are not Moonshine's.
    """
    if (folder / "model.safetensors").is_file():
        config = _read_config(folder / "config.json")
        weights = load_file(folder / "model.safetensors")
    elif (folder / ONNX_ENCODER).is_file():
        config = _read_config(folder / "config.json")
        weights = _read_pair(folder, read_onnx, ONNX_ENCODER, _onnx_decoder(folder))
    elif (folder / ORT_FILES[0]).is_file():
        weights = _read_pair(folder, read_ort, *ORT_FILES)
        config = _config_of(weights, folder)
    else:
        raise UnmaskError(
            f"{folder}: no Moonshine checkpoint (none of model.safetensors, {ONNX_ENCODER} and {ORT_FILES[0]}); "
            "docs/training.md says which package holds one"
        )
    model = Moonshine(config)
    named = {_own_name(name): value.float() for name, value in weights.items() if name != _HEAD}
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    lacks = [name for name in shapes if name not in named]
    unlike = [name for name, value in named.items() if shapes.get(name) != value.shape]
    if lacks or unlike:
        raise UnmaskError(f"{folder}: not Moonshine's tensors: {', '.join((lacks + unlike)[:3])}; download the checkpoint again")
    model.load_state_dict(named)
    return model.eval()


def load_drafter(model: Moonshine, draft: Path) -> Drafter:
    """The drafter that `training.drafting` taught for a model. draft: its weights (safetensors).

    Raises UnmaskError for another file, or a drafter for another model.
    """
    try:
        values = load_file(draft)
    except (OSError, SafetensorError) as error:
        raise UnmaskError(
            f"{draft}: no safetensors file ({error}); `python -m unmask.training.drafting.train` makes one"
        ) from error
    ids, table = values.get("ids"), model.decoder.embed_tokens.weight
    if ids is None or ids.ndim != 1 or not bool(((ids >= 0) & (ids < len(table))).all()):
        raise UnmaskError(f"{draft}: it has no ids of this model's tokens, so it is no drafter of it; give the weights of one")
    drafter = Drafter(ids, table[ids])
    own = {name: value.shape for name, value in drafter.state_dict().items() if name != GIVEN}
    unlike = [name for name in own | values if name not in own or name not in values or values[name].shape != own[name]]
    if unlike:
        raise UnmaskError(f"{draft}: a drafter of another model ({', '.join(unlike[:3])}); train one on this model")
    drafter.load_state_dict(values, strict=False)
    return drafter.eval()


def _own_name(name: str) -> str:
    for theirs, ours in _RENAMED.items():
        name = name.replace(theirs, ours)
    return name.removeprefix("model.")


def _read_pair(folder: Path, read: Callable[[Path], Parameters], encoder: str, decoder: str) -> dict[str, Tensor]:
    both = {f"encoder.{name}": value for name, value in read(folder / encoder).items()}
    both |= read(folder / decoder)
    return {name: torch.from_numpy(value.copy()) for name, value in both.items()}


def _onnx_decoder(folder: Path) -> str:
    for name in ONNX_DECODERS:
        if (folder / name).is_file():
            return name
    raise UnmaskError(f"{folder}: {ONNX_ENCODER} without {' or '.join(ONNX_DECODERS)}; run optimum-cli export onnx again")


def _config_of(weights: dict[str, Tensor], folder: Path) -> MoonshineConfig:
    """The published model that has these sizes: `.ort` files hold none of the numbers that no tensor shows."""
    width = weights["encoder.conv1.weight"].shape[0]
    if width not in _PUBLISHED:
        known = " and ".join(map(str, _PUBLISHED))
        raise UnmaskError(f"{folder}: a Moonshine of width {width}; only those of {known} can be read from .ort files")
    return _PUBLISHED[width]


def _read_config(file: Path) -> MoonshineConfig:
    try:
        raw: dict[str, Any] = parse_json(file.read_text(encoding="utf-8"))
        width, heads = int(raw["hidden_size"]), int(raw["decoder_num_attention_heads"])
        rope = raw.get("rope_parameters") or raw  # transformers 5 keeps these in a record of their own
        return MoonshineConfig(
            width=width,
            heads=heads,
            encoder_layers=int(raw["encoder_num_hidden_layers"]),
            decoder_layers=int(raw["decoder_num_hidden_layers"]),
            feed_forward=int(raw["intermediate_size"]),
            rotary=int(width // heads * float(rope["partial_rotary_factor"])) // 2 * 2,
            alignment=_PUBLISHED[width].alignment if width in _PUBLISHED else ((0, 0),),
            vocabulary=int(raw["vocab_size"]),
            rope_theta=float(rope.get("rope_theta", 10_000.0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnmaskError(f"{file}: not Moonshine's configuration ({error!r})") from error
