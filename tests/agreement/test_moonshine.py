"""Our Moonshine against transformers', and its checkpoints in both forms."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import MoonshineForConditionalGeneration

from tests.random_moonshine import random_moonshine
from unmask.errors import UnmaskError
from unmask.export.modules import moonshine
from unmask.export.modules.moonshine import Moonshine, MoonshineConfig, Rows
from unmask.export.modules.transcript import Context, Window
from unmask.export.moonshine_weights import load_moonshine
from unmask.export.onnx.trace import run_exporter

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


def spread(model: Moonshine) -> Moonshine:
    """The model with draft parameters that do something."""
    torch.manual_seed(1)
    for name, p in model.named_parameters():
        if ".draft_" in name:
            torch.nn.init.normal_(p, std=0.3)
    return model


def test_mask_rows_change_no_causal_row_and_see_one_another(folder: Path) -> None:
    plain, model = load_moonshine(folder), spread(load_moonshine(folder, draft_rank=4))
    ids = torch.tensor([[1, 7, 33]])
    rows = torch.cat((model.decoder.embed_tokens(ids), model.decoder.draft_rows[None, :3]), 1)
    mask = torch.tensor([0.0, 0, 0, 1, 1, 1])[None, :, None]
    places = torch.tensor([[0.0, 0, 0, 2, 5, 9]])
    allowed = torch.ones(6, 6, dtype=torch.bool).tril()[None, None]
    allowed[..., 3:, 3:] = True
    with torch.no_grad():
        states = model.encoder(RECORDING)
        alone, _, _ = plain.decoder(causal(plain, ids), plain.decoder.cross(states))
        both, _, _ = model.decoder(Rows(rows, torch.arange(6)[None], allowed, mask, places), model.decoder.cross(states))
        two = Rows(rows[:, :5], torch.arange(5)[None], allowed[..., :5, :5], mask[:, :5], places[:, :5])
        fewer, _, _ = model.decoder(two, model.decoder.cross(states))
    torch.testing.assert_close(both[:, :3], alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fewer[:, :3], alone, rtol=1e-4, atol=1e-4)
    assert (both[:, 3] - fewer[:, 3]).abs().max() > 1e-3
    assert (both[:, 3] - both[:, 4]).abs().max() > 1e-3


def test_closeness_falls_with_the_square_of_the_distance(folder: Path) -> None:
    """The added dimensions give -c ((t - p) / NEAR)^2 up to a constant of the row, and nothing on causal rows."""
    layer = spread(load_moonshine(folder, draft_rank=4)).decoder.layers[0]
    q, k = torch.zeros(1, 4, 2, 8), torch.zeros(1, 4, 50, 8)
    rows = Rows(
        torch.zeros(1, 2, 32), torch.zeros(1, 2), torch.ones(1), torch.tensor([[[0.0], [1.0]]]), torch.tensor([[3.0, 20.0]])
    )
    with torch.no_grad():
        more_q, more_k = layer.near(q, k, rows, None)
        scores = (more_q @ more_k.transpose(2, 3) / 8**0.5)[0]
        distance = (torch.arange(50) - 20.0) / moonshine.NEAR - layer.draft_shift[:, None]
        wanted = -layer.draft_closeness.exp()[:, None] * distance**2
    assert not scores[:, 0].any()
    torch.testing.assert_close(scores[:, 1] - scores[:, 1, :1], wanted - wanted[:, :1], rtol=1e-4, atol=1e-3)


def test_the_graphs_compute_what_the_model_computes(folder: Path) -> None:
    model = spread(load_moonshine(folder, draft_rank=4))
    rows = torch.cat((model.decoder.embed_tokens(torch.tensor([5, 9])), model.decoder.draft_rows[:2])).detach()
    masked, places = torch.tensor([0.0, 0, 1, 1]), torch.tensor([0.0, 0, 7, 9])
    with torch.no_grad():
        k, v, counted = Context(model)(RECORDING)
        each = model.decoder.draft_counter(model.encoder(RECORDING))[0]
        torch.testing.assert_close(counted, each.cumsum(0))
        assert (each > 0).all()
        past = torch.randn(5, 4, 3, 8), torch.randn(5, 4, 3, 8)
        feeds = {"rows": rows, "positions": torch.arange(3, 7), "masked": masked, "places": places}
        feeds["listed"] = torch.tensor([4, 2, 4])
        feeds |= {"cross_k": k, "cross_v": v, "past_k": past[0], "past_v": past[1]}
        window = Window(model, 2)
        expected = window(*feeds.values())
        graph = run_exporter(window, feeds, ["ids", "logits", "logsumexp", "place", "listed_logits", "k", "v"], 23).model_proto
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    made = session.run(None, {name: value.numpy() for name, value in feeds.items()})
    for got, want in zip(made, expected, strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-3, atol=1e-3)


def test_a_folder_of_something_else_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match="no Moonshine checkpoint"):
        load_moonshine(tmp_path)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text().replace('"hidden_size"', '"hidden"'))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(UnmaskError, match=r"config.json: not Moonshine's configuration \(KeyError\('hidden_size'\)\)"):
        load_moonshine(tmp_path)
