"""Write omni-tiny as a checkpoint folder that `unmask export` reads: config.json, model.safetensors and tokenizer.json.

python -m unmask.training.omni.checkpoint --weights RUN/weights.safetensors --out CHECKPOINT
unmask export CHECKPOINT --stickers CODEC --out BUNDLE
"""

from pathlib import Path
from typing import Any

import cyclopts
import torch
from safetensors.torch import load_file
from torch import Tensor

from unmask.export.families import omni_tiny
from unmask.training.denoiser import sizes_of, write_folder
from unmask.training.omni.model import LOOKS, NO_PLACE, SPOKEN, Omni, OmniConfig
from unmask.training.omni.vocabulary import END_ID, IMAGE, PICTURE, SIZE, SPEECH, WORDS, make_tokenizer

POSITIONS = 512


def main(weights: Path, out: Path) -> None:
    """weights: of a run."""
    write_checkpoint(load_model(weights), out)


def load_model(weights: Path) -> Omni:
    """The model with the weights of a run, whose sizes are read from them. Those of a run without speech make one without it."""
    tensors = {name: value.float() if value.is_floating_point() else value for name, value in load_file(weights).items()}
    sizes = sizes_of(tensors)
    paces = tensors.get("paces")
    model = Omni(OmniConfig(**vars(sizes)), torch.zeros(len(tensors["looks"]), LOOKS), paces=paces)
    model.load_state_dict(tensors, strict=paces is not None)
    return model.eval().requires_grad_(False)


def write_checkpoint(model: Omni, out: Path) -> None:
    config: dict[str, Any] = {
        "model_type": omni_tiny.MODEL_TYPES[0],
        "max_position_embeddings": POSITIONS,
        "eos_token_id": END_ID,
        "modalities": {"text": [0, WORDS], "image": [IMAGE, SPEECH]},
        "places": {"image": [SIZE, SIZE + PICTURE], "text": [SIZE + PICTURE, SIZE + NO_PLACE]},
    }
    if model.config.spoken:
        config["modalities"] |= {"speech": [SPEECH, SIZE]}
        config["places"] |= {"speech": [SIZE + NO_PLACE, SIZE + NO_PLACE + model.config.spoken]}
        config[omni_tiny.SPOKEN] = model.paces.tolist()
    write_folder(out, model.config.backbone, config, make_tokenizer(), tensors(model))


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
