"""Read a Whisper model from a folder: CTranslate2's (`model.bin`) or Hugging Face's (`config.json`, `model.safetensors`)."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

from unmask.export.modules.whisper import Whisper, WhisperConfig
from unmask.training.captions.ctranslate2 import Tensors, read_ctranslate2

# Part of a name in Hugging Face's folder -> ours, applied in this order.
HUGGING_FACE = {
    "embed_positions.weight": "positions",
    "embed_tokens.weight": "embedding.weight",
    "layers.": "blocks.",
    "self_attn_layer_norm": "attention_norm",
    "encoder_attn_layer_norm": "cross_norm",
    "final_layer_norm": "ffn_norm",
    "layer_norm": "norm",
    "self_attn": "attention",
    "encoder_attn": "cross",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "out_proj": "out",
    "fc1": "ffn_in",
    "fc2": "ffn_out",
}


def load_whisper(folder: Path) -> Whisper:
    """Read a Whisper model in fp32 from a CTranslate2 or a Hugging Face folder.

    Raises FileNotFoundError when the folder has neither, ValueError when a tensor is missing, unknown or of a wrong shape.
    """
    try:
        return _load(folder)
    except KeyError as error:
        raise ValueError(f"{folder}: the tensor {error} is missing") from error


def _load(folder: Path) -> Whisper:
    if (folder / "model.bin").is_file():
        tensors, heads = read_ctranslate2(folder / "model.bin")
    elif (folder / "model.safetensors").is_file():
        tensors, heads = _read_huggingface(folder)
    else:
        raise FileNotFoundError(f"{folder}: neither model.bin (CTranslate2) nor model.safetensors (Hugging Face) is here")
    config = WhisperConfig(
        width=tensors["decoder.embedding.weight"].shape[1],
        heads=heads,
        encoder_layers=_layers(tensors, "encoder"),
        decoder_layers=_layers(tensors, "decoder"),
        vocabulary=tensors["decoder.embedding.weight"].shape[0],
        mels=tensors["encoder.conv1.weight"].shape[1],
        encoder_positions=tensors["encoder.positions"].shape[0],
        decoder_positions=tensors["decoder.positions"].shape[0],
    )
    model = Whisper(config)
    try:
        model.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    except RuntimeError as error:
        raise ValueError(f"{folder}: {error}") from error
    return model.eval()


def _layers(tensors: Tensors, side: str) -> int:
    return 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith(f"{side}.blocks."))


def _read_huggingface(folder: Path) -> tuple[Tensors, int]:
    tensors: Tensors = {}
    for name, value in load_file(folder / "model.safetensors").items():
        if name == "proj_out.weight":  # tied to the embedding
            continue
        ours = name.removeprefix("model.")
        for theirs, replacement in HUGGING_FACE.items():
            ours = ours.replace(theirs, replacement)
        tensors[ours] = value.astype(np.float32)
    heads = json.loads((folder / "config.json").read_text(encoding="utf-8"))["decoder_attention_heads"]
    return tensors, int(heads)
