"""Our Moonshine against transformers', and its checkpoints in both forms."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import MoonshineForConditionalGeneration

from tests.random_moonshine import random_moonshine
from unmask.errors import UnmaskError
from unmask.export.modules.moonshine import Moonshine, MoonshineConfig, Rows
from unmask.export.moonshine_weights import load_moonshine

SMALL = MoonshineConfig(width=32, heads=4, encoder_layers=2, decoder_layers=5, feed_forward=48, rotary=6, vocabulary=60)
RECORDING = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 9000)).astype(np.float32)) * 0.1


def theirs() -> MoonshineForConditionalGeneration:
    sizes = {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 48, "partial_rotary_factor": 0.8}
    return random_moonshine(0, 0.2, (2, 5), 4, **sizes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("moonshine")
    theirs().save_pretrained(path)
    return path


def causal(model: Moonshine, ids: torch.Tensor) -> Rows:
    count = ids.shape[1]
    allowed = torch.ones(count, count, dtype=torch.bool).tril()[None, None]
    return Rows(model.decoder.embed_tokens(ids), torch.arange(count)[None], allowed)


def test_a_hugging_face_checkpoint_computes_what_transformers_computes(folder: Path) -> None:
    model, ids = load_moonshine(folder), torch.tensor([[1, 7, 33, 12, 59, 4]])
    with torch.no_grad():
        expected = theirs()(input_values=RECORDING, decoder_input_ids=ids).logits
        states = model.encoder(RECORDING)
        hidden, _, _ = model.decoder(causal(model, ids), model.decoder.cross(states))
    torch.testing.assert_close(model.decoder.logits(hidden), expected, rtol=1e-4, atol=1e-4)


def test_a_text_read_in_two_passes_is_read_as_in_one(folder: Path) -> None:
    model, ids = load_moonshine(folder), torch.tensor([[1, 7, 33, 12, 59, 4]])
    with torch.no_grad():
        cross = model.decoder.cross(model.encoder(RECORDING))
        whole, _, _ = model.decoder(causal(model, ids), cross)
        _, past, _ = model.decoder(causal(model, ids[:, :4]), cross)
        allowed = torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]], dtype=torch.bool)[None, None]
        rest, _, _ = model.decoder(
            Rows(model.decoder.embed_tokens(ids[:, 4:]), torch.tensor([[4, 5]]), allowed), cross, past=past
        )
    torch.testing.assert_close(rest, whole[:, 4:], rtol=1e-5, atol=1e-5)


def test_a_folder_of_something_else_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match="no Moonshine checkpoint"):
        load_moonshine(tmp_path)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text().replace('"hidden_size"', '"hidden"'))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(UnmaskError, match=r"config.json: not Moonshine's configuration \(KeyError\('hidden_size'\)\)"):
        load_moonshine(tmp_path)
