"""Tiny models with random weights and their exported bundles, made once per test run: real graphs, no download."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, pre_tokenizers

from unmask.benchmarks.scenarios.checkpoints import omni_tokenizer, write_checkpoint
from unmask.export.modules.captioner import Captioner, CaptionerConfig
from unmask.export.modules.whisper import WhisperConfig
from unmask.export.onnx.backbone import export_model
from unmask.export.onnx.captioner import export_captioner
from unmask.quant.weights.quantize import quantize_bundle
from unmask.training.captions.vocabulary import BLANK, byte_level

TINY = WhisperConfig(width=32, heads=2, encoder_layers=2, decoder_layers=2, vocabulary=300, decoder_positions=200)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """Every byte is a token, after blank."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return byte_level({token: i for i, token in enumerate([BLANK, *alphabet])}, [])


@pytest.fixture(scope="session")
def captioner(tokenizer: Tokenizer) -> Captioner:
    """Random weights, large enough that rows differ and confidences spread."""
    torch.manual_seed(7)
    model = Captioner(CaptionerConfig(TINY, vocabulary=tokenizer.get_vocab_size(), frames_per_slot=8))
    for parameter in (model.positions, model.encoder.positions):
        torch.nn.init.normal_(parameter, std=0.5)
    torch.nn.init.normal_(model.verifier.positions, std=3)  # else it expects each token once more, for ever
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):  # no two parameters are equal, as none are after training
            torch.nn.init.normal_(module.weight, mean=1, std=1e-3)
            torch.nn.init.normal_(module.bias, std=1e-3)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def fp32_bundle(captioner: Captioner, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "tiny-fp32"
    return export_captioner(captioner, tokenizer.to_str(), folder, "tiny", "Apache-2.0", {"source": "random weights"})


@pytest.fixture(scope="session")
def int8_bundle(fp32_bundle: Path) -> Path:
    return quantize_bundle(fp32_bundle, fp32_bundle.with_name("tiny-int8"))


FAMILIES = ("dream", "llada", "block")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint folder of each family."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {family: write_checkpoint(root / family, family) for family in FAMILIES}


@pytest.fixture(scope="session")
def backbones(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Their bundles."""
    root = tmp_path_factory.mktemp("backbones")
    return {family: export_model(folder, root / family) for family, folder in checkpoints.items()}


@pytest.fixture(scope="session")
def omni(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with Omni-Diffusion's exact vocabulary and special ids, and little else."""
    root = tmp_path_factory.mktemp("omni")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
    folder = write_checkpoint(root / "checkpoint", "dream", omni_tokenizer(), **small, max_position_embeddings=2048)
    return export_model(folder, root / "omni")
