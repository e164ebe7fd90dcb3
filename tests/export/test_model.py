"""A bundle holds the checkpoint's own numbers once, says nothing about the machine, and replaces nothing that it should not."""

import dataclasses
import json
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.traces import trace_anew
from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.bundle.dataclass_json import from_json
from unmask.bundle.manifest import Manifest, load_bundle, read_manifest
from unmask.engines.engine import Engine
from unmask.errors import InputError
from unmask.export.bundle_writer import PAGE_BYTES, WEIGHTS
from unmask.export.checkpoint.weights import SINGLE, open_checkpoint
from unmask.export.families import FAMILIES, family_of
from unmask.export.onnx.backbone import expected, write_backbone

NAMES = ("dream", "llada", "block")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "dream", "dream")


def parameters(bundle: Path, graph: str) -> dict[str, np.ndarray]:
    """Named initializers of a graph, read through onnx's own loader."""
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(bundle / graph).graph.initializer}


@pytest.mark.parametrize("family", NAMES)
def test_weights_are_the_checkpoints_own_under_readable_names(
    family: str, checkpoints: dict[str, Path], backbones: dict[str, Path]
) -> None:
    stored = load_file(checkpoints[family] / SINGLE)
    adapter = FAMILIES[family]
    config = adapter.config(open_checkpoint(checkpoints[family]).config)
    held = parameters(backbones[family], "window.onnx")
    for ours, theirs in adapter.names(config).items():
        assert np.array_equal(held[f"backbone.{ours}"], stored[theirs].numpy()), ours
    head = stored[adapter.EMBEDDING if config.tied else adapter.HEAD].numpy()
    assert np.array_equal(parameters(backbones[family], "head.onnx")["weight"], head)
    assert np.array_equal(load_bundle(backbones[family]).table().stored, stored[adapter.EMBEDDING].numpy())


@pytest.mark.parametrize("family", NAMES)
def test_nothing_is_stored_twice(family: str, checkpoints: dict[str, Path], backbones: dict[str, Path]) -> None:
    """The weights file is as long as the large tensors, each begun on a page: embedding and tied head are one."""
    config = open_checkpoint(checkpoints[family]).config
    adapter = FAMILIES[family_of(config)]
    sizes = [4 * int(np.prod(shape)) for shape in expected(adapter, adapter.config(config)).values()]
    stored = (backbones[family] / WEIGHTS).stat().st_size
    large = [size for size in sizes if size >= 1024]
    assert sum(large) <= stored <= sum(size + -size % PAGE_BYTES for size in large)
    assert (family == "block") == bool(config.get("tie_word_embeddings")), "a tied one must be among them"
    graphs = sum(path.stat().st_size for path in backbones[family].glob("*.onnx"))
    assert graphs < 300_000


def test_a_tied_head_is_the_embedding(backbones: dict[str, Path]) -> None:
    weight = next(
        t for t in onnx.load(backbones["block"] / "head.onnx", load_external_data=False).graph.initializer if t.name == "weight"
    )
    place = {entry.key: entry.value for entry in weight.external_data}
    embedding = read_manifest(backbones["block"]).embedding
    assert (place["location"], int(place["offset"])) == (embedding.file, embedding.offset)


def test_heads_of_modalities_are_slices_of_the_whole(omni: Path) -> None:
    """Numbers of a slice are those of the whole head where everything else is forbidden, with ids of the whole vocabulary."""
    engine = Engine(load_bundle(omni))
    manifest = engine.bundle.manifest
    hidden = np.random.default_rng(0).standard_normal((3, manifest.embedding.width)).astype(np.float32)
    one = np.ones(1, np.float32)
    assert set(manifest.graphs) == {"window", "head", "head_text", "head_speech", "head_image"}
    for modality, (low, high) in manifest.vocabulary.ranges.items():
        bias = np.full((1, manifest.vocabulary.size), -1e9, np.float32)
        bias[:, low:high] = 0
        whole = engine.run("head", {"hidden": hidden, "bias": bias, "scale": one})
        part = engine.run(f"head_{modality}", {"hidden": hidden, "bias": np.zeros((1, high - low), np.float32), "scale": one})
        assert (part["ids"] == whole["ids"]).all()
        for name in ("logits", "logsumexp", "entropy"):
            assert np.allclose(part[name], whole[name], atol=1e-4)
    text, image = (
        next(t for t in onnx.load(omni / f"head_{m}.onnx", load_external_data=False).graph.initializer if t.name == "weight")
        for m in ("text", "image")
    )
    offsets = [int({entry.key: entry.value for entry in t.external_data}["offset"]) for t in (text, image)]
    assert offsets[1] - offsets[0] == 4 * 16 * 168072


@pytest.mark.parametrize("family", NAMES)
def test_the_manifest_comes_back_as_it_was_written(family: str, backbones: dict[str, Path]) -> None:
    manifest = load_bundle(backbones[family]).manifest
    assert from_json(Manifest, json.loads(manifest.to_json()), "bundle.json") == manifest
    shape = (
        manifest.family,
        manifest.logits_shift,
        manifest.attention,
        manifest.block,
        manifest.vocabulary.mask_id,
        manifest.end_ids,
    )
    assert (
        shape
        == {
            "dream": ("dream", 1, "full", None, 259, (256,)),
            "llada": ("llada", 0, "full", None, 259, (256,)),
            "block": ("block", 0, "block", 4, 259, (256,)),
        }[family]
    )
    assert {"generate", "chat"} >= set(manifest.templates) >= {"generate"}
    assert dataclasses.asdict(manifest)["positions"] == 512


@pytest.mark.parametrize("family", NAMES)
def test_a_bundle_tells_nothing_of_where_it_was_made(
    family: str, checkpoints: dict[str, Path], backbones: dict[str, Path]
) -> None:
    words = [str(checkpoints[family]), str(backbones[family]), str(Path.home()), "site-packages", "unmask/export", ".py"]
    for path in (*backbones[family].glob("*.onnx"), backbones[family] / "bundle.json"):
        data = path.read_bytes()
        assert not [word for word in words if word != "/" and word.encode() in data], path.name


def test_the_same_folder_makes_the_same_bundle(
    checkpoints: dict[str, Path], backbones: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.export.onnx.trace.run_exporter", trace_anew)  # and not the graphs that were kept
    again = write_backbone(checkpoints["dream"], tmp_path / "b")
    for path in backbones["dream"].iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


# ---- what is refused before anything is written


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top": 1}, "top is 1"),
        ({"block": 0}, "block is 0; use at least 2 and 1"),
        ({"block": 8}, "block is 8, but this family has full attention without blocks"),
    ],
)
def test_settings_that_cannot_be(folder: Path, settings: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_backbone(folder, folder.with_name("b"), **settings)
    assert left(folder) == ["dream"]


@pytest.mark.parametrize(
    ("key", "message"),
    [("mask_token_id", "260 as the id of the mask, outside"), ("eos_token_id", "260 as the id of the end of text")],
)
def test_special_ids_outside_the_vocabulary(folder: Path, key: str, message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: 260}))
    with pytest.raises(InputError, match=message):
        write_backbone(folder, folder.with_name("b"))
    assert left(folder) == ["dream"]


def test_a_quantized_checkpoint_is_told_by_its_numbers(folder: Path) -> None:
    tensors = load_file(folder / SINGLE)
    name = "model.layers.0.mlp.up_proj.weight"
    save_file({**tensors, name: tensors[name].to(torch.int8)}, folder / SINGLE)
    with pytest.raises(InputError, match=rf"{name} holds I8, so the checkpoint is quantized"):
        write_backbone(folder, folder.with_name("b"))


def test_a_disk_that_is_too_small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
    with pytest.raises(InputError, match=r"1000 bytes are free, but the bundle takes [0-9.]+ KiB"):
        write_backbone(folder, folder.parent / "not" / "there" / "yet")
    assert left(folder) == ["dream"]


def test_only_a_bundle_is_replaced_and_only_by_a_whole_one(folder: Path, backbones: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="not a bundle, so it is not replaced"):
        write_backbone(folder, folder)
    assert (folder / SINGLE).is_file()
    target = folder.with_name("b")
    shutil.copytree(backbones["llada"], target)

    def interrupt(line: str) -> None:
        if "weights written" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_backbone(folder, target, name="second", top=8, say=interrupt)
    assert load_bundle(target).manifest.name == "llada"
    assert left(folder) == ["b", "dream"]
    write_backbone(folder, target, name="third", top=8)
    assert load_bundle(target).manifest.name == "third"
    assert left(folder) == ["b", "dream"]
    eight = Engine(load_bundle(target))
    feeds = {"hidden": np.eye(2, 64, dtype=np.float32), "bias": np.zeros((1, 260), np.float32), "scale": np.ones(1, np.float32)}
    ids, logits, *_ = eight.run("head", feeds).values()
    assert ids.shape == logits.shape == (2, 8)
    assert (np.diff(logits) <= 0).all()
