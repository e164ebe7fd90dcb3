"""The bundle of a captioner that writes a transcript: its graphs compute what the modules compute, at any size."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from tests.tiny import TINY, make_captioner, make_drafter
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.export.modules.drafter import STATES_PER_SLOT
from unmask.export.modules.transcript import Context, Window
from unmask.export.onnx.transcript import SHORTEST_SAMPLES, TOP
from unmask.quant.weights.store import place_of

Arrays = dict[str, NDArray[np.generic]]
CLOSE = {"rtol": 1e-3, "atol": 1e-4}


@pytest.fixture(scope="module")
def engine(fp32_bundle: Path) -> Engine:
    return Engine(load_bundle(fp32_bundle)).load()


def recording(samples: int) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(samples).standard_normal((1, samples))).astype(np.float32)


def window_feeds(engine: Engine, context: Arrays, tokens: int, past: int, listed: int) -> Arrays:
    rng, (layers, heads, _, width) = np.random.default_rng(tokens), context["cross_k"].shape
    kept = rng.standard_normal((2, layers, past, heads * width)).astype(np.float32)
    return {
        "rows": engine.embed(rng.integers(0, TINY.vocabulary, tokens)),
        "positions": np.arange(past, past + tokens),
        "listed": rng.integers(0, TINY.vocabulary, listed),
        "cross_k": context["cross_k"],
        "cross_v": context["cross_v"],
        "past_k": kept[0],
        "past_v": kept[1],
    }


@pytest.mark.parametrize("samples", [2 * SHORTEST_SAMPLES, 5000, 16_000, 16_384, 200_001])
def test_context_is_the_module(engine: Engine, samples: int) -> None:
    model = make_captioner()
    drafter = make_drafter(model)
    with torch.no_grad():
        expected = Context(model, drafter)(torch.from_numpy(recording(samples)))
        letters, slots = drafter(model.encoder(torch.from_numpy(recording(samples))))
    made = engine.run("context", {"samples": recording(samples)})
    for name, want in zip(("cross_k", "cross_v", "draft", "sure"), expected, strict=True):
        np.testing.assert_allclose(made[name], want.numpy(), **CLOSE)
    assert slots.shape[1] == len(made["draft"]) == -(-letters.shape[1] // STATES_PER_SLOT)
    share, place = slots[0].softmax(-1).max(-1)
    none = TINY.vocabulary
    np.testing.assert_array_equal(made["draft"], [none if i == 0 else drafter.ids[i - 1] for i in place.tolist()])
    np.testing.assert_allclose(made["sure"], share.numpy(), **CLOSE)


@pytest.mark.parametrize(("tokens", "past", "listed"), [(1, 0, 0), (7, 0, 3), (4, 9, 1), (30, 4, 0)])
def test_window_is_the_module(engine: Engine, tokens: int, past: int, listed: int) -> None:
    context = engine.run("context", {"samples": recording(20_000)})
    feeds = window_feeds(engine, context, tokens, past, listed)
    made = engine.run("window", feeds)
    with torch.no_grad():
        expected = Window(make_captioner(), TOP)(*(torch.from_numpy(np.array(array)) for array in feeds.values()))
    for name, want in zip(engine.kind.graph("window").output_names, expected, strict=True):
        np.testing.assert_allclose(made[name], want.numpy(), **CLOSE)


def test_both_heads_are_the_table(fp32_bundle: Path) -> None:
    bundle, model = load_bundle(fp32_bundle), make_captioner()
    table = bundle.manifest.embedding
    np.testing.assert_array_equal(bundle.table().gather(np.arange(5)), model.decoder.embed_tokens.weight[:5].numpy())
    drafted = len(make_drafter(model).ids)
    for role in ("context", "window"):
        graph = onnx.load(bundle.path(f"{role}.onnx"), load_external_data=False).graph
        shared = [tensor for tensor in graph.initializer if (place := place_of(tensor)) and place.offset == table.offset]
        assert [tuple(tensor.dims) for tensor in shared] == [(table.rows, table.width)]
        assert not any(tuple(tensor.dims) in ((drafted, table.width), (table.width, drafted)) for tensor in graph.initializer)


def test_a_model_without_a_drafter_leaves_every_slot_empty(plain_bundle: Path) -> None:
    engine = Engine(load_bundle(plain_bundle)).load()
    manifest = engine.bundle.manifest
    assert manifest.transcript is not None
    assert manifest.transcript.states_per_slot == 0
    for samples in (5000, 20_000):
        context = engine.run("context", {"samples": recording(samples)})
        assert len(context["draft"]) == len(context["sure"]) == -(-context["cross_k"].shape[2] // STATES_PER_SLOT)
        assert (context["draft"] == manifest.vocabulary.mask_id).all()
