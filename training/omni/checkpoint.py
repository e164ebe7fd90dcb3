"""Write omni-tiny as a checkpoint folder that `unmask export` reads: config.json, model.safetensors and tokenizer.json.

python -m unmask.training.omni.checkpoint --weights RUN/weights.safetensors --out CHECKPOINT
unmask export CHECKPOINT --stickers CODEC --out BUNDLE
"""

import json
from pathlib import Path
from typing import Any

import cyclopts
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask.export.families import omni_tiny
from unmask.training.omni.model import LOOKS, NO_PLACE, SPOKEN, Omni, OmniConfig
from unmask.training.omni.vocabulary import END_ID, IMAGE, PICTURE, SIZE, SPEECH, WORDS, make_tokenizer

POSITIONS = 512


def main(weights: Path, out: Path) -> None:
    """weights: of a run."""
    write_checkpoint(load_model(weights), out)


def load_model(weights: Path) -> Omni:
    """The model with the weights of a run, whose sizes are read from them. Those of a run without speech make one without it."""
    tensors = {name: value.float() if value.is_floating_point() else value for name, value in load_file(weights).items()}
    layers = 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("backbone.layers."))
    width, head_width = tensors["words"].shape[1], len(tensors["backbone.layers.0.attention.q_norm.weight"])
    ffn = len(tensors["backbone.layers.0.gate.weight"])
    paces = tensors.get("paces")
    model = Omni(OmniConfig(layers, width, width // head_width, ffn), torch.zeros(len(tensors["looks"]), LOOKS), paces=paces)
    model.load_state_dict(tensors, strict=paces is not None)
    return model.eval().requires_grad_(False)


def write_checkpoint(model: Omni, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tokenizer, sizes = make_tokenizer(), model.config.backbone
    config: dict[str, Any] = {
        "model_type": omni_tiny.MODEL_TYPES[0],
        "license": "Apache-2.0",
        "hidden_size": sizes.width,
        "intermediate_size": sizes.ffn,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "rms_norm_eps": sizes.eps,
        "rope_theta": sizes.rope_theta,
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": POSITIONS,
        "eos_token_id": END_ID,
        "modalities": {"text": [0, WORDS], "image": [IMAGE, SPEECH]},
        "places": {"image": [SIZE, SIZE + PICTURE], "text": [SIZE + PICTURE, SIZE + NO_PLACE]},
    }
    if model.config.spoken:
        config["modalities"] |= {"speech": [SPEECH, SIZE]}
        config["places"] |= {"speech": [SIZE + NO_PLACE, SIZE + NO_PLACE + model.config.spoken]}
        config[omni_tiny.SPOKEN] = model.paces.tolist()
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    tokenizer.save(str(out / "tokenizer.json"))
    save_file({name: value.contiguous() for name, value in tensors(model).items()}, out / "model.safetensors")


@torch.no_grad()
def tensors(model: Omni) -> dict[str, Tensor]:
    """By the names of the checkpoint. Sums are made here: a runtime knows tables only."""
    own = model.backbone.state_dict()
    found = {theirs: own[ours] for ours, theirs in omni_tiny.names(model.config.backbone).items()}
    table = model.place_table()
    places = torch.cat([table[:NO_PLACE], table[SPOKEN:]])
    found[omni_tiny.EMBEDDING] = torch.cat([model.table(), places])
    found[omni_tiny.HEAD] = torch.cat([*(head for _, head in model.heads()), torch.zeros_like(places)])
    return found


if __name__ == "__main__":
    cyclopts.run(main)
