"""A tiny omni-tiny with random weights, and its bundle."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unmask.apps.cli.main import main
from unmask.export.modules.sticker_codec import CODES, NUMBERS, StickerCodec
from unmask.training.omni.checkpoint import write_checkpoint
from unmask.training.omni.model import Omni, OmniConfig, looks_of

CONFIG = OmniConfig(layers=2, width=64, heads=2, ffn=96)


@pytest.fixture(scope="session")
def codec() -> StickerCodec:
    return StickerCodec(torch.randint(0, 256, (CODES, NUMBERS), generator=torch.Generator().manual_seed(0)).byte())


@pytest.fixture(scope="session")
def model(codec: StickerCodec) -> Omni:
    torch.manual_seed(0)
    made = Omni(CONFIG, looks_of(codec.squares)).eval().requires_grad_(False)
    for rows in (made.code_own, made.code_head_own):
        torch.nn.init.normal_(rows, std=0.1)
    return made


@pytest.fixture(scope="session")
def bundle(model: Omni, codec: StickerCodec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("omni-tiny")
    write_checkpoint(model, folder / "checkpoint")
    (folder / "codec").mkdir()
    save_file({"squares": ((codec.squares + 1) * 127.5).round().byte()}, folder / "codec" / "squares.safetensors")
    arguments = ["export", folder / "checkpoint", "--stickers", folder / "codec", "--out", folder / "bundle", "--quiet"]
    assert main([str(argument) for argument in arguments]) == 0
    return folder / "bundle"
