"""A tiny ui-tiny with random weights, and its bundle."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from unmask.apps.cli.main import main
from unmask.apps.ui.slots import COUNT
from unmask.training.ui.checkpoint import write_checkpoint
from unmask.training.ui.model import UiConfig, UiModel
from unmask.training.ui.pieces import learn_pieces

CONFIG = UiConfig(layers=2, width=64, heads=2, ffn=96)


@pytest.fixture(scope="session")
def pieces() -> Tokenizer:
    return learn_pieces(200)


@pytest.fixture(scope="session")
def model(pieces: Tokenizer) -> UiModel:
    torch.manual_seed(0)
    return UiModel(CONFIG, pieces.get_vocab_size() - COUNT).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def bundle(model: UiModel, pieces: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ui-tiny")
    write_checkpoint(model, pieces, folder / "checkpoint")
    assert main(["export", str(folder / "checkpoint"), "--out", str(folder / "bundle"), "--quiet"]) == 0
    return folder / "bundle"
