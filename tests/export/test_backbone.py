"""The backbone against transformers' own classes, and the exported graphs against the backbone: 1e-4 on every row."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from tests.oracle import theirs
from unmask.bundle.graph_spec import BACKBONE
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import open_session
from unmask.export.checkpoint.weights import Checkpoint, open_checkpoint
from unmask.export.families import FAMILIES, family_of
from unmask.export.modules.backbone import BackboneModel, Head
from unmask.export.modules.scores import part_size
from unmask.export.onnx.trace import trace

NAMES = ("dream", "llada", "block")
CLOSE = {"atol": 1e-4, "rtol": 0}


class Ours:
    """A checkpoint as our PyTorch module, with its embedding and head."""

    def __init__(self, folder: Path) -> None:
        self.checkpoint: Checkpoint = open_checkpoint(folder)
        adapter = FAMILIES[family_of(self.checkpoint.config)]
        self.config = adapter.config(self.checkpoint.config)
        self.backbone = BackboneModel(self.config).eval()
        names = adapter.names(self.config)
        self.backbone.load_state_dict({ours: self.checkpoint.tensor(theirs) for ours, theirs in names.items()})
        self.embedding = self.checkpoint.tensor(adapter.EMBEDDING)
        self.head = self.embedding if self.config.tied else self.checkpoint.tensor(adapter.HEAD)

    @torch.no_grad()
    def hidden(self, ids: NDArray[np.int64], mask: torch.Tensor | None = None) -> torch.Tensor:
        return self.backbone(self.embedding[torch.from_numpy(ids)], mask)

    def logits(self, ids: NDArray[np.int64], mask: torch.Tensor | None = None) -> torch.Tensor:
        return self.hidden(ids, mask) @ self.head.T


def block_mask(count: int, block: int) -> torch.Tensor:
    at = torch.arange(count) // block
    return torch.zeros(count, count).masked_fill(at[:, None] < at, -1e9)


@pytest.mark.parametrize("family", NAMES)
def test_the_backbone_computes_what_transformers_computes(family: str, checkpoints: dict[str, Path]) -> None:
    ours = Ours(checkpoints[family])
    ids = np.random.default_rng(0).integers(0, ours.config.vocabulary, 19)
    mask = block_mask(19, 4) if family == "block" else torch.zeros(19, 19)
    with torch.no_grad():
        expected = theirs(ours.checkpoint)(input_ids=torch.from_numpy(ids)[None], attention_mask=mask[None, None]).logits[0]
    assert torch.allclose(ours.logits(ids, mask), expected, **CLOSE)
    assert not torch.allclose(ours.logits(ids, torch.full((19, 19), -1e9).triu(1)), expected, **CLOSE), "the mask must matter"


class Exported:
    """The window graph with kept keys and values."""

    def __init__(self, folder: Path, length: int) -> None:
        self.engine = Engine(load_bundle(folder))
        shape = self.engine.inputs("window")["cache_k"]
        self.k = np.zeros((shape[0], shape[1], length, shape[3]), np.float32)
        self.v = np.zeros_like(self.k)

    def window(self, ids: NDArray[np.int64], at: NDArray[np.int64], wanted: NDArray[np.int64], seen: int) -> NDArray[np.float32]:
        k, v = (np.ascontiguousarray(cache[:, :, :seen]) for cache in (self.k, self.v))
        feeds = {"rows": self.engine.embed(ids[at]), "positions": at, "wanted": wanted, "cache_k": k, "cache_v": v}
        if "mask" in self.engine.inputs("window"):
            feeds["mask"] = np.zeros((len(at), seen), np.float32)
        made = self.engine.run("window", feeds)
        self.k[:, :, at], self.v[:, :, at] = made["k"], made["v"]
        return made["hidden"]


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("length", [1, 2, 19])
def test_a_full_pass_in_the_graph_is_one_in_pytorch(
    family: str, length: int, checkpoints: dict[str, Path], backbones: dict[str, Path]
) -> None:
    ours, exported = Ours(checkpoints[family]), Exported(backbones[family], length)
    ids = np.random.default_rng(1).integers(0, ours.config.vocabulary, length)
    every = np.arange(length)
    for wanted in (every, every[::-3].copy()):
        hidden = exported.window(ids, every, wanted, length)
        assert np.allclose(hidden, ours.hidden(ids).numpy()[wanted], **CLOSE)


@pytest.mark.parametrize("family", NAMES)
def test_positions_turn_as_in_transformers_far_from_the_start(
    family: str, checkpoints: dict[str, Path], masked: dict[str, Path]
) -> None:
    """Six rows at position 30,000 and on, all before them hidden: angles are large there, and fp32 has to be enough."""
    ours, engine = Ours(checkpoints[family]), Engine(load_bundle(masked[family]))
    config, at = ours.config, np.arange(30_000, 30_006)
    ids = np.random.default_rng(4).integers(0, 256, 6)
    mask = np.where(np.arange(30_006) < 30_000, np.float32(-1e9), np.float32(0))
    cache = np.zeros((config.layers, config.kv_heads, 30_006, config.head_width), np.float32)
    feeds = {"rows": engine.embed(ids), "positions": at, "wanted": np.arange(6), "mask": np.tile(mask, (6, 1))}
    hidden = engine.run("window", {**feeds, "cache_k": cache, "cache_v": cache})["hidden"]
    asked = {"input_ids": torch.from_numpy(ids)[None], "position_ids": torch.from_numpy(at)[None]}
    with torch.no_grad():
        expected = theirs(ours.checkpoint)(**asked, attention_mask=torch.zeros(1, 1, 6, 6), output_hidden_states=True)
    assert np.allclose(hidden, expected.hidden_states[-1][0], **CLOSE)


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_scattered_rows_replace_their_own_keys_and_values(
    family: str, rows: int, checkpoints: dict[str, Path], backbones: dict[str, Path]
) -> None:
    """A window whose ids did not change, over a full pass: nothing may change. Changed ids change it."""
    exported = Exported(backbones[family], 23)
    rng = np.random.default_rng(rows)
    ids = rng.integers(0, 256, 23)
    whole = exported.window(ids, np.arange(23), np.arange(23), 23)
    at = np.sort(rng.permutation(23)[:rows])
    # In a deep model the rows between would have to be computed too: with unchanged ids all keys are those of the full pass.
    assert np.allclose(exported.window(ids, at, np.arange(rows), 23), whole[at], **CLOSE)
    ids[at] = (ids[at] + 1) % 256
    assert not np.allclose(exported.window(ids, at, np.arange(rows), 23), whole[at], **CLOSE)


def test_windows_over_an_exact_prefix_equal_a_full_pass(checkpoints: dict[str, Path], backbones: dict[str, Path]) -> None:
    """Prompt rows that see only the prompt are computed once; then windows over the canvas are exact."""
    ours, exported = Ours(checkpoints["llada"]), Exported(backbones["llada"], 20)
    ids = np.random.default_rng(2).integers(0, 256, 20)
    prompt, canvas = np.arange(8), np.arange(8, 20)
    mask = torch.zeros(20, 20)
    mask[:8, 8:] = -1e9
    exported.window(ids, prompt, prompt, 8)
    assert np.allclose(exported.window(ids, canvas, canvas - 8, 20), ours.hidden(ids, mask).numpy()[canvas], **CLOSE)


def test_windows_over_exact_blocks_equal_a_full_pass(checkpoints: dict[str, Path], backbones: dict[str, Path]) -> None:
    ours, exported = Ours(checkpoints["block"]), Exported(backbones["block"], 18)
    ids = np.random.default_rng(3).integers(0, 256, 18)
    expected = ours.hidden(ids, block_mask(18, 4)).numpy()
    for start in range(0, 18, 4):
        at = np.arange(start, min(18, start + 4))
        assert np.allclose(exported.window(ids, at, at - start, int(at[-1]) + 1), expected[at], **CLOSE)


@pytest.mark.parametrize("family", NAMES)
def test_the_head_reduces_what_pytorch_reduces(family: str, checkpoints: dict[str, Path], backbones: dict[str, Path]) -> None:
    ours, engine = Ours(checkpoints[family]), Engine(load_bundle(backbones[family]))
    hidden = torch.randn(7, ours.config.width, generator=torch.Generator().manual_seed(0))
    bias = np.zeros((7, ours.config.vocabulary), np.float32)
    bias[:, 5:50] = -1e9
    bias[3, 60:] = -1e9
    for scale in (1.0, 5.0):
        feeds = {"hidden": hidden.numpy(), "bias": bias, "scale": np.full(1, scale, np.float32)}
        ids, logits, logsumexp, entropy = engine.run("head", feeds).values()
        expected = hidden @ ours.head.T * scale + torch.from_numpy(bias)
        top = expected.topk(ids.shape[1])
        assert np.allclose(logits[:, :8], top.values[:, :8], atol=1e-4)
        assert (ids[:, :8] == top.indices[:, :8].numpy()).all()
        assert np.allclose(logsumexp, expected.logsumexp(-1), **CLOSE)
        assert np.allclose(entropy, torch.distributions.Categorical(logits=expected).entropy(), atol=1e-3)
    one = engine.run("head", {"hidden": hidden.numpy(), "bias": bias[:1], "scale": np.ones(1, np.float32)})
    assert one["ids"].shape == (7, 64)


def test_of_many_ids_the_best_are_found_in_parts_and_the_lowest_of_equal_ones() -> None:
    """Whole numbers, so that many logits are equal, against a stable sort of all of them."""
    count, width, top = 8192, 8, 64
    assert part_size(count, top) == 32
    assert part_size(count // 2, top) is None
    head = Head(width, 5, count, top)
    head.weight = torch.nn.Parameter(torch.randint(-3, 4, (count, width), generator=torch.Generator().manual_seed(0)).float())
    dims = {"wanted": 5, "width": width, "vocabulary": count, "1 or wanted": 1}
    program = trace(head, BACKBONE.graph("head"), dims, {"wanted": torch.export.Dim("wanted", min=1, max=99)})
    session = open_session(program.model_proto.SerializeToString(), EngineOptions())
    for rows in (1, 7):
        hidden = np.random.default_rng(rows).integers(-2, 3, (rows, width)).astype(np.float32)
        expected = hidden @ head.weight.detach().numpy().T
        order = np.argsort(-expected, axis=-1, kind="stable")[:, :top]
        feeds = {"hidden": hidden, "bias": np.zeros((1, count), np.float32), "scale": np.ones(1, np.float32)}
        ids, logits, *_ = session.run(None, feeds)
        assert (ids == order + 5).all()
        assert (logits == np.take_along_axis(expected, order, -1)).all()


def test_a_layer_of_a_window_is_at_most_thirty_nodes(backbones: dict[str, Path]) -> None:
    """Small nodes take half of a pass of a small model; rotation and attention are one each, and nothing cached is transposed."""
    graph = onnx.load(backbones["dream"] / "window.onnx", load_external_data=False).graph
    kinds = Counter(node.op_type for node in graph.node)
    layers = kinds["Attention"]
    assert kinds["RotaryEmbedding"] == kinds["ScatterND"] == 2 * layers
    assert len(graph.node) <= 30 * layers + 20
