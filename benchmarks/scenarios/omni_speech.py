"""Random weights of Omni-Diffusion's speech encoder: SenseVoice's folder, and the projector in the model's checkpoint."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask.export.checkpoint.config import read_json
from unmask.export.checkpoint.folder import INDEX, SINGLE
from unmask.export.codecs.sensevoice import ENCODER, FILE, PROJECTOR, STATISTICS
from unmask.export.modules.sensevoice import SenseVoiceConfig, SpeechEncoder

SMALL = SenseVoiceConfig(width=32, feed_forward=64, layers=3, later_layers=2)
"""Of the features' true width, which the filterbank decides."""
SHARD = "model-speech.safetensors"
CTC = 25_055  # ids of what recognizes text, in the published file and not read


def write_sensevoice(folder: Path, config: SenseVoiceConfig = SMALL, seed: int = 0) -> Path:
    """Write model.pt and am.mvn, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model = _random(config, seed)
    ctc = {"ctc.ctc_lo.weight": torch.zeros(CTC, config.width), "ctc.ctc_lo.bias": torch.zeros(CTC)}
    torch.save({**model.model.state_dict(), **ctc}, folder / FILE)
    text = []
    for mark, values in (("AddShift", model.shift), ("Rescale", model.scale)):
        numbers = " ".join(f"{value:.6f}" for value in values.tolist())
        text.append(f"<{mark}> {len(values)} {len(values)}\n<LearnRateCoef> 0 [ {numbers} ]\n")
    (folder / STATISTICS).write_text(f"<Nnet>\n<Splice> {len(values)} {len(values)}\n[ 0 ]\n{''.join(text)}</Nnet>\n")
    return folder


def add_projector(checkpoint: Path, config: SenseVoiceConfig, seed: int = 0, encoder: bool = False) -> Path:
    """Put a projector into a checkpoint, and return its folder. encoder: the encoder too, in bfloat16, as it
    may lie in the published one."""
    model = _random(config, seed)
    added: dict[str, Tensor] = {PROJECTOR + name: value for name, value in model.projector.state_dict().items()}
    if encoder:
        added |= {ENCODER + name: value.bfloat16() for name, value in model.model.state_dict().items()}
    if not (checkpoint / INDEX).is_file():
        save_file({**load_file(checkpoint / SINGLE), **added}, checkpoint / SINGLE)
        return checkpoint
    save_file(added, checkpoint / SHARD)
    index = read_json(checkpoint / INDEX)
    index["weight_map"] |= dict.fromkeys(added, SHARD)
    (checkpoint / INDEX).write_text(json.dumps(index), encoding="utf-8")
    return checkpoint


def _random(config: SenseVoiceConfig, seed: int) -> SpeechEncoder:
    """As PyTorch initializes it, which is about the spread that trained layers have, and statistics of ordinary speech."""
    torch.manual_seed(seed)
    model = SpeechEncoder(config).eval().requires_grad_(False)
    model.shift.copy_(torch.full_like(model.shift, -12.0) + torch.randn_like(model.shift))
    model.scale.copy_(0.3 + 0.02 * torch.randn_like(model.scale))
    return model
