"""Modules of fixed sizes, through the runtime's padding, against those of any size: the same numbers, whatever the sizes."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.tiny import TINY
from unmask.bundle.graph_spec import BACKBONE, TIMELINE
from unmask.bundle.manifest import Bucket
from unmask.engines.padding import StaticShapes
from unmask.export.modules import backbone
from unmask.export.modules import captioner as dynamic
from unmask.export.modules.captioner import CaptionerConfig, CaptionerModel
from unmask.export.modules.static import FixedGraph, backbone_graph, captioner_graph, head_graph

PER, TOP, PENALTY = 8, 2, 1.5
MORE = st.integers(0, 5)
EACH = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Arrays = Mapping[str, NDArray[Any]]


@pytest.fixture(scope="module")
def spelling(captioner: CaptionerModel) -> CaptionerModel:
    """A captioner whose verifier writes more than its canvas."""
    torch.manual_seed(5)
    config = CaptionerConfig(replace(TINY, encoder_layers=1), captioner.config.vocabulary, PER, rarer=30)
    model = CaptionerModel(config).eval().requires_grad_(False)
    for parameter in (model.positions, model.encoder.positions, model.verifier.positions):
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def through(
    make: Callable[[str, Mapping[str, int]], FixedGraph], role: str, sizes: dict[str, int], per: int | None, feeds: Arrays
) -> Any:
    """The outputs of a call through one bucket, which insists on the shapes and dtypes of the example."""

    def run(bucket: Bucket, padded: Arrays) -> Arrays:
        graph = make(bucket.role, bucket.sizes)
        assert set(padded) == set(graph.example)
        given_ = {name: torch.from_numpy(np.ascontiguousarray(padded[name])) for name in graph.example}
        for name, example in graph.example.items():
            assert (given_[name].shape, given_[name].dtype) == (example.shape, example.dtype), name
        with torch.no_grad():
            made = graph.module(*given_.values())
        return {name: tensor.numpy() for name, tensor in zip(graph.outputs, made, strict=True)}

    kind = TIMELINE if per else BACKBONE
    return StaticShapes(kind, (Bucket("onnx", role, "f", sizes, "fp32"),), per, run)(role, feeds)


def same(ours: Mapping[str, NDArray[Any]], theirs: tuple[Tensor, ...], atol: float = 1e-5) -> None:
    for one, other in zip(ours.values(), theirs, strict=True):
        assert one.dtype == other.numpy().dtype
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-5, atol=atol)


def plain(module: nn.Module, feeds: Arrays) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return module(**{name: torch.from_numpy(array) for name, array in feeds.items()})


def normal(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@EACH
@given(slots=st.integers(2, 12), more=MORE, seed=st.integers(0, 99))
def test_context(captioner: CaptionerModel, slots: int, more: int, seed: int) -> None:
    feeds = {"mel": normal(seed, 1, TINY.mels, 2 * PER * slots)}
    make = lambda role, sizes: captioner_graph(captioner, role, sizes, TOP)  # noqa: E731
    same(through(make, "context", {"slots": slots + more}, PER, feeds), plain(dynamic.Context(captioner), feeds))


def window_feeds(captioner: CaptionerModel, slots: int, positions: Any, wanted: Any, seed: int) -> dict[str, NDArray[Any]]:
    layers, heads, size = TINY.decoder_layers, TINY.heads, TINY.width // TINY.heads
    return {
        "rows": normal(seed, len(positions), TINY.width),
        "positions": positions,
        "wanted": wanted,
        "bias": np.zeros((1, captioner.config.vocabulary), np.float32),
        **{name: normal(seed + i, layers, heads, slots * PER, size) for i, name in enumerate(("cross_k", "cross_v"), 1)},
        "slots": normal(seed + 3, slots, TINY.width),
        **{name: normal(seed + i, layers, heads, slots, size) for i, name in enumerate(("cache_k", "cache_v"), 4)},
    }


def test_a_window_of_the_longest_canvas_is_padded_too(captioner: CaptionerModel) -> None:
    """Rows of padding have the slot after all those of the encoder."""
    slots = captioner.config.slots
    feeds = window_feeds(captioner, slots, np.array([0, 3, slots - 1]), np.array([2, 0]), 1)
    make = lambda role, sizes: captioner_graph(captioner, role, sizes, TOP, PENALTY)  # noqa: E731
    sizes = {"rows": 5, "wanted": 3, "slots": slots + 1}
    same(through(make, "window", sizes, PER, feeds), plain(dynamic.CaptionWindow(captioner, TOP, PENALTY), feeds))


@EACH
@given(st.data())
def test_window(captioner: CaptionerModel, data: st.DataObject) -> None:
    slots, seed = data.draw(st.integers(2, 12)), data.draw(st.integers(0, 99))
    positions = np.array(sorted(data.draw(st.sets(st.integers(0, slots - 1), min_size=1))))
    wanted = np.array(data.draw(st.lists(st.integers(0, len(positions) - 1), min_size=1, max_size=6)))
    feeds = window_feeds(captioner, slots, positions, wanted, seed)
    feeds["bias"][:, data.draw(st.integers(TOP, 200)) :] = -1e9
    more = data.draw(MORE)
    sizes = {
        "rows": len(positions) + more,
        "wanted": len(wanted) + data.draw(MORE),
        "slots": slots + data.draw(st.integers(bool(more), 5)),
    }
    make = lambda role, sizes: captioner_graph(captioner, role, sizes, TOP, PENALTY)  # noqa: E731
    same(through(make, "window", sizes, PER, feeds), plain(dynamic.CaptionWindow(captioner, TOP, PENALTY), feeds))


@EACH
@given(tokens=st.integers(1, 8), past=st.integers(0, 8), slots=st.integers(2, 8), more=st.tuples(MORE, MORE, MORE))
def test_verify(spelling: CaptionerModel, tokens: int, past: int, slots: int, more: tuple[int, int, int]) -> None:
    layers, heads, size = TINY.decoder_layers, TINY.heads, TINY.width // TINY.heads
    feeds = {
        "rows": normal(tokens, tokens, TINY.width),
        **{name: normal(i, layers, heads, slots * PER, size) for i, name in enumerate(("verify_k", "verify_v"), 1)},
        **{name: normal(i, layers, heads, past, size) for i, name in enumerate(("past_k", "past_v"), 3)},
    }
    sizes = {"tokens": tokens + more[0], "past": max(1, past) + more[1], "slots": slots + more[2]}
    make = lambda role, sizes: captioner_graph(spelling, role, sizes, TOP)  # noqa: E731
    same(through(make, "verify", sizes, PER, feeds), plain(dynamic.Verify(spelling, TOP), feeds))


@EACH
@given(st.data())
def test_backbone_window(data: st.DataObject) -> None:
    heads = data.draw(st.sampled_from([(4, 2), (3, 3), (4, 1)]))
    config = backbone.BackboneConfig(2, 24, *heads, 8, 40, 50, 1e-6, 1e4, qkv_bias=True, qk_norm=heads[1] == 1)
    torch.manual_seed(1)
    model = backbone.BackboneModel(config).eval().requires_grad_(False)
    slots, seed = data.draw(st.integers(2, 12)), data.draw(st.integers(0, 99))
    positions = np.array(sorted(data.draw(st.sets(st.integers(0, slots - 1), min_size=1))))
    wanted = np.array(data.draw(st.lists(st.integers(0, len(positions) - 1), min_size=1, max_size=6)))
    mask = np.where(np.random.default_rng(seed).random((len(positions), slots)) < 0.3, np.float32(-1e9), np.float32(0))
    mask[:, 0] = 0
    cache = normal(seed, 2, config.layers, config.kv_heads, slots, config.head_width)
    feeds = {
        "rows": normal(seed + 1, len(positions), config.width),
        "positions": positions,
        "wanted": wanted,
        "mask": mask,
        "cache_k": cache[0],
        "cache_v": cache[1],
    }
    more = data.draw(MORE)
    sizes = {
        "rows": len(positions) + more,
        "wanted": len(wanted) + data.draw(MORE),
        "slots": slots + data.draw(st.integers(bool(more), 5)),
    }
    same(
        through(lambda _, s: backbone_graph(model, s), "window", sizes, None, feeds), plain(backbone.BackboneWindow(model), feeds)
    )


@pytest.mark.parametrize(("role", "ids"), [("head", (0, 40)), ("head_image", (12, 30))])
def test_backbone_head(role: str, ids: tuple[int, int]) -> None:
    weight = nn.Parameter(torch.from_numpy(normal(0, 40, 24)), requires_grad=False)
    head = backbone.Head(24, *(ids[0], ids[1] - ids[0]), top=20)
    head.weight = nn.Parameter(weight[slice(*ids)], requires_grad=False)
    bias = np.zeros((1, ids[1] - ids[0]), np.float32)
    bias[:, 5] = -1e9
    feeds = {"hidden": normal(1, 3, 24), "bias": bias, "scale": np.full(1, 0.5, np.float32)}
    ours = through(lambda r, s: head_graph(r, weight, ids, s, 20), role, {"wanted": 5}, None, feeds)
    theirs = plain(head, feeds)
    # a forbidden id may be among the last of the best: its logit is lower still where sizes are free
    allowed = theirs[1] > -1e3
    same({name: ours[name] for name in ("logsumexp", "entropy")}, theirs[2:])
    np.testing.assert_array_equal(ours["ids"][allowed], theirs[0][allowed])
    np.testing.assert_allclose(ours["logits"][allowed], theirs[1][allowed], rtol=1e-5, atol=1e-5)
