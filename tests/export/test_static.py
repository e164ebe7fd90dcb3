"""Modules of fixed sizes, through the runtime's padding, against those of any size: the same numbers, whatever the sizes."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from unmask.bundle.graph_spec import BACKBONE
from unmask.bundle.manifest import Bucket
from unmask.engines.padding import StaticShapes
from unmask.export.modules import backbone
from unmask.export.modules.static import FixedGraph, backbone_graph, head_graph

MORE = st.integers(0, 5)
EACH = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
Arrays = Mapping[str, NDArray[Any]]


def through(make: Callable[[str, Mapping[str, int]], FixedGraph], role: str, sizes: dict[str, int], feeds: Arrays) -> Any:
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

    return StaticShapes(BACKBONE, (Bucket("onnx", role, "f", sizes, "fp32"),), run)(role, feeds)


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
    same(through(lambda _, s: backbone_graph(model, s), "window", sizes, feeds), plain(backbone.BackboneWindow(model), feeds))


@pytest.mark.parametrize(("role", "ids"), [("head", (0, 40)), ("head_image", (12, 30))])
def test_backbone_head(role: str, ids: tuple[int, int]) -> None:
    weight = nn.Parameter(torch.from_numpy(normal(0, 40, 24)), requires_grad=False)
    head = backbone.Head(24, *(ids[0], ids[1] - ids[0]), top=20)
    head.weight = nn.Parameter(weight[slice(*ids)], requires_grad=False)
    bias = np.zeros((1, ids[1] - ids[0]), np.float32)
    bias[:, 5] = -1e9
    feeds = {"hidden": normal(1, 3, 24), "bias": bias, "scale": np.full(1, 0.5, np.float32)}
    ours = through(lambda r, s: head_graph(r, weight, ids, s, 20), role, {"wanted": 5}, feeds)
    theirs = plain(head, feeds)
    # a forbidden id may be among the last of the best: its logit is lower still where sizes are free
    allowed = theirs[1] > -1e3
    same({name: ours[name] for name in ("logsumexp", "entropy")}, theirs[2:])
    np.testing.assert_array_equal(ours["ids"][allowed], theirs[0][allowed])
    np.testing.assert_allclose(ours["logits"][allowed], theirs[1][allowed], rtol=1e-5, atol=1e-5)
