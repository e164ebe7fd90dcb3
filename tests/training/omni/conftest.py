"""A tiny omni-tiny with random weights, and its bundle."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.stored import shared
from tests.tiny_speech import write_speech
from unmask.apps.cli.main import main
from unmask.export.modules.sticker_codec import CODES, NUMBERS, StickerCodec
from unmask.training.codecs.speech import SpeechCodec, load_speech
from unmask.training.omni.checkpoint import write_checkpoint
from unmask.training.omni.examples import Examples
from unmask.training.omni.model import Omni, OmniConfig, looks_of
from unmask.training.omni.vocabulary import make_tokenizer

CONFIG = OmniConfig(layers=2, width=64, heads=2, ffn=96)


@pytest.fixture(scope="session")
def codec() -> StickerCodec:
    return StickerCodec(torch.randint(0, 256, (CODES, NUMBERS), generator=torch.Generator().manual_seed(0)).byte())


@pytest.fixture(scope="session")
def speech_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("speech"))


@pytest.fixture(scope="session")
def speech(speech_folder: Path) -> SpeechCodec:
    return load_speech(speech_folder)


@pytest.fixture(scope="session")
def model(codec: StickerCodec, speech: SpeechCodec) -> Omni:
    torch.manual_seed(0)
    paces = torch.from_numpy(Examples(codec, make_tokenizer(), speech).paces)
    made = Omni(CONFIG, looks_of(codec.squares), looks_of(speech.means), paces).eval().requires_grad_(False)
    for rows in (made.code_own, made.code_head_own, made.sound_own, made.sound_head_own):
        torch.nn.init.normal_(rows, std=0.1)
    return made


@pytest.fixture(scope="session")
def bundle(model: Omni, codec: StickerCodec, speech_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        folder.mkdir()
        write_checkpoint(model, folder / "checkpoint")
        (folder / "codec").mkdir()
        save_file({"squares": ((codec.squares + 1) * 127.5).round().byte()}, folder / "codec" / "squares.safetensors")
        arguments = ["export", folder / "checkpoint", "--stickers", folder / "codec", "--hibari", speech_folder]
        arguments += ["--out", folder / "bundle", "--quiet"]
        assert main([str(argument) for argument in arguments]) == 0

    return shared(tmp_path_factory, "omni-tiny", make) / "bundle"
