"""Write ui-tiny as a checkpoint folder that `unmask export` reads: config.json, model.safetensors and tokenizer.json.

python -m unmask.training.ui.checkpoint --run RUN --out CHECKPOINT
unmask export CHECKPOINT --out BUNDLE
"""

from pathlib import Path

import cyclopts
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from unmask.apps.ui.prompt import PLACES
from unmask.apps.ui.slots import COUNT, NONE_ID, ROWS, WORDS
from unmask.export.families import ui_tiny
from unmask.training.denoiser import sizes_of, write_folder
from unmask.training.run import WEIGHTS
from unmask.training.ui.model import UiConfig, UiModel

POSITIONS = 1024


def main(run: Path, out: Path) -> None:
    """run: folder of a training run."""
    write_checkpoint(load_model(run / WEIGHTS), Tokenizer.from_file(str(run / "tokenizer.json")), out)


def load_model(weights: Path) -> UiModel:
    """The model with the weights of a run, whose sizes are read from them."""
    tensors = {name: value.float() for name, value in load_file(weights).items()}
    model = UiModel(UiConfig(**vars(sizes_of(tensors))), len(tensors["words"]))
    model.load_state_dict(tensors)
    return model.eval().requires_grad_(False)


def write_checkpoint(model: UiModel, tokenizer: Tokenizer, out: Path) -> None:
    ids = COUNT + model.pieces
    config = {
        "model_type": ui_tiny.MODEL_TYPES[0],
        "max_position_embeddings": POSITIONS,
        "eos_token_id": NONE_ID,
        "modalities": {"ui": [0, COUNT], "text": [COUNT, ids]},
        "places": {"ui": [ids + WORDS + ROWS, ids + PLACES]},
    }
    write_folder(out, model.backbone.config, config, tokenizer, tensors(model))


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
