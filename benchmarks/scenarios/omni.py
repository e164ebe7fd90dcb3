"""Omni-Diffusion and its codecs with random weights: exact vocabulary, names of tensors and kinds of files, and little else.

    python -m unmask.benchmarks.scenarios.omni .cache/omni

What a model of random weights says is noise. That every command runs, and that files are of the right form, can be seen on it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cyclopts
import torch

from unmask.benchmarks.scenarios.checkpoints import SHARD_BYTES, omni_tokenizer, write_checkpoint
from unmask.benchmarks.scenarios.omni_speech import SMALL as SENSEVOICE
from unmask.benchmarks.scenarios.omni_speech import add_projector, write_sensevoice
from unmask.export.families import DEFAULT
from unmask.export.modules.magvit import Magvit, MagvitConfig
from unmask.export.modules.sensevoice import SenseVoiceConfig

SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
FULL = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
}
MAGVIT = MagvitConfig(((32, 1), (32, 2), (64, 1), (64, 1), (64, 1)), ((32, 1), (32, 1), (64, 1), (64, 2), (64, 1)), 32)


@dataclass(frozen=True)
class OmniOptions:
    full: bool = False
    """The published sizes: 16 GB of the model in bfloat16, 0.4 GB of MAGVIT-v2 and 0.9 GB of SenseVoice."""


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


def _speech(full: bool) -> SenseVoiceConfig:
    return SenseVoiceConfig() if full else SENSEVOICE


CODECS: dict[str, Callable[[Path, bool], Path]] = {
    "magvit": write_magvit,
    "sensevoice": lambda folder, full: write_sensevoice(folder, _speech(full)),
}
"""Name of a codec, and of its folder -> writes it."""

if __name__ == "__main__":
    cyclopts.run(main)
