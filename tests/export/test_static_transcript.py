"""A transcript's modules of fixed sizes, through the runtime's padding, against those of any size: the same numbers."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from tests.tiny import TINY, make_captioner, make_drafter
from unmask.bundle.graph_spec import TRANSCRIPT
from unmask.bundle.manifest import Bucket
from unmask.engines.padding import HIDDEN, Padding, StaticShapes
from unmask.export.modules import transcript as dynamic
from unmask.export.modules.drafter import Drafter
from unmask.export.modules.moonshine import Moonshine
from unmask.export.modules.static import FixedGraph
from unmask.export.modules.static_transcript import over_real, real, transcript_graph

TOP = 2
EACH = settings(max_examples=15)
MORE = st.integers(0, 6)
Arrays = Mapping[str, NDArray[Any]]


@cache
def models() -> tuple[Moonshine, Drafter]:
    model = make_captioner()
    return model, make_drafter(model)


def through(role: str, sizes: dict[str, int], feeds: Arrays, drafter: Drafter | None = None) -> dict[str, NDArray[Any]]:
    """The outputs of a call through one bucket, which insists on the shapes and dtypes of the example."""

    def run(bucket: Bucket, padded: Arrays) -> Arrays:
        return computed(transcript_graph(models()[0], drafter, bucket.role, bucket.sizes, TOP), padded)

    return StaticShapes(TRANSCRIPT, (Bucket("onnx", role, "f", sizes, "fp32"),), run)(role, feeds)


def computed(graph: FixedGraph, padded: Arrays) -> dict[str, NDArray[Any]]:
    assert set(padded) == set(graph.example)
    tensors = [torch.from_numpy(np.ascontiguousarray(padded[name])) for name in graph.example]
    for (name, example), tensor in zip(graph.example.items(), tensors, strict=True):
        assert (tensor.shape, tensor.dtype) == (example.shape, example.dtype), name
    with torch.no_grad():
        return {name: made.numpy() for name, made in zip(graph.outputs, graph.module(*tensors), strict=True)}


def same(ours: Arrays, module: nn.Module, feeds: Arrays) -> None:
    with torch.no_grad():
        theirs = module(**{name: torch.from_numpy(array) for name, array in feeds.items()})
    for (name, one), other in zip(ours.items(), theirs, strict=True):
        assert (one.shape, one.dtype) == (tuple(other.shape), other.numpy().dtype), name
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=2e-5, err_msg=name)


def normal(seed: int, *shape: int) -> NDArray[np.float32]:
    return (0.3 * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


@EACH
@given(count=st.integers(2000, 12_000), more=st.integers(0, 9000), drafts=st.booleans())
def test_context(count: int, more: int, drafts: bool) -> None:
    """Of any length: the last convolution's steps, states and slots end anywhere within the next ones."""
    model, drafter = models()
    feeds = {"samples": normal(count, 1, count)}
    own = drafter if drafts else None
    same(through("context", {"samples": count + more}, feeds, own), dynamic.Context(model, own), feeds)


@EACH
@given(
    tokens=st.integers(1, 8),
    past=st.integers(0, 8),
    frames=st.integers(1, 9),
    listed=st.integers(0, 3),
    more=st.tuples(MORE, MORE, MORE, MORE),
)
def test_window(tokens: int, past: int, frames: int, listed: int, more: tuple[int, ...]) -> None:
    config = TINY
    size, layers = config.width // config.heads, config.decoder_layers
    feeds = {
        "rows": normal(tokens, tokens, config.width),
        "positions": np.arange(past, past + tokens),
        "listed": np.random.default_rng(frames).integers(0, config.vocabulary, listed),
        **{name: normal(i, layers, config.heads, frames, size) for i, name in enumerate(("cross_k", "cross_v"), 1)},
        **{name: normal(i, layers, past, config.width) for i, name in enumerate(("past_k", "past_v"), 3)},
    }
    need = {"tokens": tokens, "past": max(1, past), "frames": frames, "listed": max(1, listed)}
    sizes = {name: count + extra for (name, count), extra in zip(need.items(), more, strict=True)}
    same(through("window", sizes, feeds), dynamic.Window(models()[0], TOP), feeds)


def test_slots_after_the_recording_are_empty_in_the_graph_too() -> None:
    """A host of one's own need not cut them."""
    model, drafter = models()
    sizes = {"samples": 20_000}
    graph = transcript_graph(model, drafter, "context", sizes, TOP)
    feeds = {"samples": normal(1, 1, 6000)}
    padding = Padding(TRANSCRIPT)
    need = padding.sizes("context", feeds)
    made = computed(graph, padding.pad("context", feeds, need, Bucket("onnx", "context", "f", sizes, "fp32")))
    slots = padding.whole(need)["slots"]
    assert len(made["draft"]) > slots
    assert (made["draft"][:slots] != model.config.vocabulary).any()
    assert (made["draft"][slots:] == model.config.vocabulary).all()


@pytest.mark.parametrize("columns", [1, 7, 20])
def test_a_norm_over_what_is_real_is_pytorchs_over_that_alone(columns: int) -> None:
    norm = nn.GroupNorm(1, 5)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = 3 + torch.randn(1, 5, 20)
    mask = torch.where(torch.arange(20) < columns, 0.0, float(HIDDEN))
    with torch.no_grad():
        ours = over_real(norm, x, real(mask))[..., :columns]
        torch.testing.assert_close(ours, norm(x[..., :columns]), rtol=1e-4, atol=1e-5)


def test_sizes_follow_as_the_convolutions_make_them() -> None:
    model, _ = models()
    make: Callable[[int], dict[str, int]] = lambda samples: Padding(TRANSCRIPT).whole({"samples": samples})  # noqa: E731
    for samples in (895, 1278, 1279, 2000, 16_000, 30_001):
        with torch.no_grad():
            steps = model.encoder.conv1(torch.zeros(1, 1, samples)).shape[2]
            states = model.encoder(torch.zeros(1, samples)).shape[1]
            slots = len(dynamic.Context(model, make_drafter(model))(torch.zeros(1, samples))[2])
        assert make(samples) == {"samples": samples, "steps": steps, "frames": states, "slots": slots}
