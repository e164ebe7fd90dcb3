"""Write ui-tiny as a checkpoint folder that `unmask export` reads: config.json, model.safetensors and tokenizer.json.

python -m unmask.training.ui.checkpoint --run RUN --out CHECKPOINT
unmask export CHECKPOINT --out BUNDLE
"""

import json
from pathlib import Path

import cyclopts
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from unmask.apps.ui.prompt import PLACES
from unmask.apps.ui.slots import COUNT, NONE_ID, ROWS, WORDS
from unmask.export.families import ui_tiny
from unmask.training.run import WEIGHTS
from unmask.training.ui.model import UiConfig, UiModel

POSITIONS = 1024


def main(run: Path, out: Path) -> None:
    """run: folder of a training run."""
    write_checkpoint(load_model(run / WEIGHTS), Tokenizer.from_file(str(run / "tokenizer.json")), out)


def load_model(weights: Path) -> UiModel:
    """The model with the weights of a run, whose sizes are read from them."""
    tensors = {name: value.float() for name, value in load_file(weights).items()}
    layers = 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("backbone.layers."))
    width, head_width = tensors["words"].shape[1], len(tensors["backbone.layers.0.attention.q_norm.weight"])
    ffn = len(tensors["backbone.layers.0.gate.weight"])
    model = UiModel(UiConfig(layers, width, width // head_width, ffn), len(tensors["words"]))
    model.load_state_dict(tensors)
    return model.eval().requires_grad_(False)


def write_checkpoint(model: UiModel, tokenizer: Tokenizer, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    sizes, ids = model.backbone.config, COUNT + model.pieces
    config = {
        "model_type": ui_tiny.MODEL_TYPES[0],
        "license": "Apache-2.0",
        "hidden_size": sizes.width,
        "intermediate_size": sizes.ffn,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "rms_norm_eps": sizes.eps,
        "rope_theta": sizes.rope_theta,
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": POSITIONS,
        "eos_token_id": NONE_ID,
        "modalities": {"ui": [0, COUNT], "text": [COUNT, ids]},
        "places": {"ui": [ids + WORDS + ROWS, ids + PLACES]},
    }
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    tokenizer.save(str(out / "tokenizer.json"))
    save_file({name: value.contiguous() for name, value in tensors(model).items()}, out / "model.safetensors")


@torch.no_grad()
def tensors(model: UiModel) -> dict[str, Tensor]:
    """By the names of the checkpoint. Sums are made here: a runtime knows tables only."""
    own = model.backbone.state_dict()
    found = {theirs: own[ours] for ours, theirs in ui_tiny.names(model.backbone.config).items()}
    places, head = model.place_table()[:PLACES], model.head_rows()
    found[ui_tiny.EMBEDDING] = torch.cat([model.table(), places])
    found[ui_tiny.HEAD] = torch.cat([head, head.new_zeros(model.pieces + PLACES, head.shape[1])])
    return found


if __name__ == "__main__":
    cyclopts.run(main)
