"""Omni-Diffusion and its codecs with random weights: exact vocabulary, names of tensors and kinds of files, and little else.

    python -m unmask.benchmarks.scenarios.omni .cache/omni

What a model of random weights says is noise. That every command runs, and that files are of the right form, can be seen on it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cyclopts
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask.benchmarks.scenarios.checkpoints import SHARD_BYTES, omni_tokenizer, write_checkpoint
from unmask.benchmarks.scenarios.codecs.glm_voice import write_glm_voice
from unmask.export.checkpoint.config import read_json
from unmask.export.checkpoint.folder import INDEX, SINGLE
from unmask.export.codecs.sensevoice import ENCODER, FILE, PROJECTOR, STATISTICS
from unmask.export.families import DEFAULT
from unmask.export.modules.magvit import Magvit, MagvitConfig
from unmask.export.modules.sensevoice import SenseVoiceConfig, SpeechEncoder

SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
FULL = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
}
MAGVIT = MagvitConfig(((32, 1), (32, 2), (64, 1), (64, 1), (64, 1)), ((32, 1), (32, 1), (64, 1), (64, 2), (64, 1)), 32)
SENSEVOICE = SenseVoiceConfig(width=32, feed_forward=64, layers=3, later_layers=2)
"""Of the features' true width, which the filterbank decides."""
SHARD = "model-speech.safetensors"
CTC = 25_055  # ids of what recognizes text, in the published file and not read


@dataclass(frozen=True)
class OmniOptions:
    full: bool = False
    """The published sizes: 16 GB of the model in bfloat16, 0.4 GB of MAGVIT-v2, 0.9 GB of SenseVoice, 0.5 GB of GLM-4-Voice."""


def main(folder: Path, /, *, options: Annotated[OmniOptions, cyclopts.Parameter(name="*")] = OmniOptions()) -> None:
    for path in write_omni(folder, options.full):
        print(path)


def write_omni(folder: Path, full: bool = False) -> list[Path]:
    """Write the checkpoint and each codec into folders of `folder`, and return these."""
    sizes, dtype = (FULL, torch.bfloat16) if full else (SMALL, torch.float32)
    tokenizer = omni_tokenizer()
    made = [write_checkpoint(folder / "model", DEFAULT, tokenizer, SHARD_BYTES, dtype, **sizes, max_position_embeddings=2048)]
    add_projector(folder / "model", replace(_speech(full), rows=int(sizes["hidden_size"])))
    return made + [write(folder / name, full) for name, write in CODECS.items()]


def write_magvit(folder: Path, full: bool = False) -> Path:
    """As showlab/magvitv2 is published: one pickled file, with the buffers of the quantizer."""
    folder.mkdir(parents=True, exist_ok=True)
    buffers = {"quantize.power_vals": 2 ** torch.arange(12, -1, -1), "quantize.embedding": torch.zeros(8192, 13)}
    torch.save({**random_magvit(MagvitConfig() if full else MAGVIT).state_dict(), **buffers}, folder / "pytorch_model.bin")
    return folder


def random_magvit(config: MagvitConfig = MAGVIT) -> Magvit:
    """Norms differ, and pictures fill the range of pixels."""
    torch.manual_seed(5)
    model = Magvit(config)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter, mean=float(name.endswith("weight")), std=0.2)
    torch.nn.init.normal_(model.decoder.conv_out.weight, std=0.05)
    return model.eval().requires_grad_(False)


def write_sensevoice(folder: Path, config: SenseVoiceConfig = SENSEVOICE, seed: int = 0) -> Path:
    """Write model.pt and am.mvn, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model = _random_encoder(config, seed)
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
    model = _random_encoder(config, seed)
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


def _random_encoder(config: SenseVoiceConfig, seed: int) -> SpeechEncoder:
    """As PyTorch initializes it, which is about the spread that trained layers have, and statistics of ordinary speech."""
    torch.manual_seed(seed)
    model = SpeechEncoder(config).eval().requires_grad_(False)
    model.shift.copy_(torch.full_like(model.shift, -12.0) + torch.randn_like(model.shift))
    model.scale.copy_(0.3 + 0.02 * torch.randn_like(model.scale))
    return model


def _speech(full: bool) -> SenseVoiceConfig:
    return SenseVoiceConfig() if full else SENSEVOICE


CODECS: dict[str, Callable[[Path, bool], Path]] = {
    "magvit": write_magvit,
    "sensevoice": lambda folder, full: write_sensevoice(folder, _speech(full)),
    "glm-voice": write_glm_voice,
}
"""Name of a codec, and of its folder -> writes it."""

if __name__ == "__main__":
    cyclopts.run(main)
