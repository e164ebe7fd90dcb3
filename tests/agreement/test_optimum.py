"""Moonshine as `optimum-cli export onnx` writes it: its weights are read exactly, and its graphs compute what ours compute.

tests/data/moonshine-optimum.tar.xz holds a random checkpoint and what optimum-onnx 0.1.0 (transformers 4.57, PyTorch 2.13) made
of it with `--task automatic-speech-recognition-with-past`. Some of its norms and biases are equal, and such are stored once.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from unmask.errors import UnmaskError
from unmask.export.modules.moonshine import Rows
from unmask.export.moonshine_weights import load_moonshine

ARCHIVE = Path(__file__).parents[1] / "data/moonshine-optimum.tar.xz"
CHECKPOINT, CONFIG, ENCODER = "model.safetensors", "config.json", "encoder_model.onnx"
DECODERS = ("decoder_model.onnx", "decoder_model_merged.onnx")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint and the export in one folder."""
    folder = tmp_path_factory.mktemp("optimum")
    shutil.unpack_archive(ARCHIVE, folder)  # tarfile's own filters are not in every 3.11
    return folder


def only(whole: Path, folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes((whole / name).read_bytes())
    return folder


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_weight_comes_back_exactly(whole: Path, tmp_path: Path, decoder: str) -> None:
    found = load_moonshine(only(whole, tmp_path, CONFIG, ENCODER, decoder)).state_dict()
    expected = {name.removeprefix("model."): value for name, value in load_file(whole / CHECKPOINT).items()}
    expected.pop("proj_out.weight", None)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_its_graphs_compute_what_our_model_computes(whole: Path, tmp_path: Path) -> None:
    model = load_moonshine(only(whole, tmp_path, CONFIG, ENCODER, DECODERS[0]))
    samples = 0.1 * np.random.default_rng(0).standard_normal((1, 9000)).astype(np.float32)
    ids = np.array([[1, 7, 3, 12, 9, 4]])
    encoder, decoder = (onnxruntime.InferenceSession(str(whole / name)) for name in (ENCODER, DECODERS[0]))
    heard = {"input_values": samples, "attention_mask": np.ones(samples.shape, np.int64)}
    states = encoder.run(None, {i.name: heard[i.name] for i in encoder.get_inputs()})[0]
    read = {"input_ids": ids, "encoder_hidden_states": states, "encoder_attention_mask": np.ones(states.shape[:2], np.int64)}
    logits = decoder.run(["logits"], {i.name: read[i.name] for i in decoder.get_inputs()})[0]
    count = ids.shape[1]
    with torch.no_grad():
        own = model.encoder(torch.from_numpy(samples))
        rows = Rows(
            model.decoder.embed_tokens(torch.from_numpy(ids)),
            torch.arange(count)[None],
            torch.ones(count, count, dtype=torch.bool).tril()[None, None],
        )
        hidden, _, _ = model.decoder(rows, model.decoder.cross(own))
        np.testing.assert_allclose(own.numpy(), states, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(model.decoder.logits(hidden).numpy(), logits, rtol=1e-4, atol=1e-4)


def test_an_export_without_a_decoder_or_of_other_sizes_is_refused(whole: Path, tmp_path: Path) -> None:
    only(whole, tmp_path, CONFIG, ENCODER)
    with pytest.raises(UnmaskError, match=r"encoder_model\.onnx without decoder_model\.onnx or decoder_model_merged\.onnx"):
        load_moonshine(tmp_path)
    only(whole, tmp_path, DECODERS[0])
    config = json.loads((whole / CONFIG).read_text(encoding="utf-8"))
    (tmp_path / CONFIG).write_text(json.dumps(config | {"vocab_size": 21}), encoding="utf-8")
    with pytest.raises(UnmaskError, match=r"not Moonshine's tensors: decoder\.embed_tokens\.weight"):
        load_moonshine(tmp_path)
