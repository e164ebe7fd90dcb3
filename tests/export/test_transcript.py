"""The bundle of a captioner that drafts its own transcript: its graphs compute what the modules compute, at any size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.tiny import DRAFTING, make_transcriber
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.export.modules.moonshine import Decoder, Moonshine, Rows
from unmask.export.modules.transcript import Context, Window
from unmask.export.onnx.transcript import SHORTEST_SAMPLES, STATES_PER_TOKEN, TOP, write_transcript

Arrays = dict[str, NDArray[np.generic]]
CLOSE = {"rtol": 1e-3, "atol": 1e-4}


@pytest.fixture(scope="module")
def engine(transcript_bundle: Path) -> Engine:
    return Engine(load_bundle(transcript_bundle)).load()


def recording(samples: int) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(samples).standard_normal((1, samples))).astype(np.float32)


def window_feeds(engine: Engine, context: Arrays, causal: int, masks: int, past: int, listed: int) -> Arrays:
    rng, (layers, heads, _, width) = np.random.default_rng(causal + masks), context["cross_k"].shape
    first = engine.bundle.manifest.vocabulary.mask_id
    ids = np.concatenate([rng.integers(0, first, causal), first + np.arange(masks)])
    kept = rng.standard_normal((2, layers, heads, past, width)).astype(np.float32)
    return {
        "rows": engine.embed(ids),
        "positions": np.arange(past, past + len(ids)),
        "masked": (ids >= first).astype(np.float32),
        "places": rng.uniform(0, 20, len(ids)).astype(np.float32),
        "listed": rng.integers(0, first, listed),
        "cross_k": context["cross_k"],
        "cross_v": context["cross_v"],
        "past_k": kept[0],
        "past_v": kept[1],
    }


@pytest.mark.parametrize("samples", [2 * SHORTEST_SAMPLES, 5000, 16_000, 200_001])
def test_context_is_the_module(engine: Engine, samples: int) -> None:
    with torch.no_grad():
        expected = Context(make_transcriber())(torch.from_numpy(recording(samples)))
    made = engine.run("context", {"samples": recording(samples)})
    for name, want in zip(("cross_k", "cross_v", "count"), expected, strict=True):
        np.testing.assert_allclose(made[name], want.numpy(), **CLOSE)


@pytest.mark.parametrize(("causal", "masks", "past", "listed"), [(1, 0, 0, 0), (2, 5, 0, 3), (1, 3, 9, 1), (30, 5, 4, 0)])
def test_window_is_the_module(engine: Engine, causal: int, masks: int, past: int, listed: int) -> None:
    context = engine.run("context", {"samples": recording(20_000)})
    feeds = window_feeds(engine, context, causal, masks, past, listed)
    made = engine.run("window", feeds)
    with torch.no_grad():
        expected = Window(make_transcriber(), TOP)(*(torch.from_numpy(np.array(array)) for array in feeds.values()))
    for name, want in zip(engine.kind.graph("window").output_names, expected, strict=True):
        np.testing.assert_allclose(made[name], want.numpy(), **CLOSE)


def test_masks_are_the_last_rows_of_the_table_and_the_head_its_first(transcript_bundle: Path) -> None:
    bundle, model = load_bundle(transcript_bundle), make_transcriber()
    manifest = bundle.manifest
    assert manifest.transcript is not None
    assert manifest.transcript.masks == DRAFTING.draft_rows
    masks = bundle.table().gather(manifest.vocabulary.mask_id + np.arange(DRAFTING.draft_rows))
    np.testing.assert_array_equal(masks, model.decoder.draft_rows.numpy())
    parameters = sum(4 * parameter.numel() for parameter in model.parameters())
    assert manifest.files["weights.bin"].bytes < 1.1 * parameters  # a head of its own would be 16 %
    assert manifest.tasks["caption"].verify_lookahead == DRAFTING.draft_rows


def test_a_model_that_does_not_draft_writes_token_by_token(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Moonshine(replace(DRAFTING, draft_rank=0)).eval()
    write_transcript(model, "{}", tmp_path / "plain", "plain", "MIT", {})
    engine = Engine(load_bundle(tmp_path / "plain")).load()
    manifest = engine.bundle.manifest
    assert manifest.transcript is not None
    assert manifest.transcript.masks == 0
    context = engine.run("context", {"samples": recording(20_000)})
    np.testing.assert_allclose(np.diff(context["count"]), 1 / STATES_PER_TOKEN, rtol=1e-5)
    feeds = window_feeds(engine, context, 7, 0, 0, 0)
    made = engine.run("window", feeds)
    seen = torch.ones(7, 7, dtype=torch.bool).tril()[None, None]
    with torch.no_grad():
        rows = Rows(torch.from_numpy(feeds["rows"])[None], torch.arange(7)[None], seen)
        k, v = (torch.from_numpy(feeds[name])[:, None] for name in ("cross_k", "cross_v"))
        cross = list(zip(k, v, strict=True))
        best = model.decoder.logits(model.decoder(rows, cross)[0])[0].max(-1).values
    np.testing.assert_allclose(made["logits"][:, 0], best.numpy(), **CLOSE)
    assert type(model.decoder) is Decoder
