"""What is wrong with a checkpoint folder is named, before anything is written."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.errors import BundleError, InputError, UnmaskError
from unmask.export.checkpoint.folder import INDEX, SINGLE
from unmask.export.checkpoint.weights import open_checkpoint
from unmask.export.onnx.backbone import write_backbone
from unmask.quant.weights.checkpoint import quantize_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "dream", "dream")


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_parts_are_the_tensor_whatever_its_dtype_and_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unmask.export.checkpoint.weights.PART_BYTES", 1000)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        checkpoint = open_checkpoint(write_checkpoint(tmp_path / str(dtype), "dream", shard_bytes=30_000, dtype=dtype))
        stored = {k: v for path in set(checkpoint.shards.values()) for k, v in load_file(path).items()}
        assert len(set(checkpoint.shards.values())) > 3
        for name in ("lm_head.weight", "model.norm.weight", "model.layers.1.mlp.down_proj.weight"):
            parts = list(checkpoint.parts(name))
            assert len(parts) > 1 or name == "model.norm.weight"
            assert torch.equal(checkpoint.tensor(name), stored[name].float())


def test_a_sharded_checkpoint_makes_the_same_bundle(backbones: dict[str, Path], tmp_path: Path) -> None:
    many = write_backbone(write_checkpoint(tmp_path / "many", "block", shard_bytes=50_000), tmp_path / "bundle", name="block")
    for file in ("weights.bin", "window.onnx", "head.onnx", "bundle.json"):
        assert (backbones["block"] / file).read_bytes() == (many / file).read_bytes(), file


def broken(change: str, folder: Path) -> None:
    config, weights = folder / "config.json", folder / SINGLE
    tensors = load_file(weights) if change.startswith("tensor") else {}
    if change == "no config":
        config.unlink()
    elif change == "config is no json":
        config.write_text("{")
    elif change == "unknown family":
        edit(config, lambda c: c.update(model_type="gpt2"))
    elif change == "key missing":
        edit(config, lambda c: c.pop("intermediate_size"))
    elif change == "truncated":
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif change == "empty":
        weights.write_bytes(b"")
    elif change == "no weights":
        weights.unlink()
    elif change == "pickle":
        weights.rename(folder / "pytorch_model.bin")
    elif change == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    elif change == "tokenizer cut short":
        (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text()[:500])
    elif change == "tokenizer of another kind":
        edit(folder / "tokenizer.json", lambda t: t["model"].update(type="Unigram"))
    elif change == "tensor missing":
        del tensors["model.layers.1.mlp.up_proj.weight"]
    elif change == "tensor wrong":
        tensors["model.norm.weight"] = torch.ones(5)
    elif change == "tensor unknown":
        tensors["model.layers.2.mlp.up_proj.weight"] = torch.ones(5)
    elif change == "shard missing":
        (folder / INDEX).write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))
    elif change == "shard outside":
        (folder / INDEX).write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    elif change == "shard is null":
        (folder / INDEX).write_text(json.dumps({"weight_map": {"a": None}}))
    elif change == "shards are a number":
        (folder / INDEX).write_text(json.dumps({"weight_map": 3}))
    elif change == "index promises more":
        (folder / INDEX).write_text(json.dumps({"weight_map": {"a": SINGLE}}))
    if tensors:
        save_file(tensors, weights)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ("no config", InputError, "no config.json here"),
        ("config is no json", BundleError, "config.json: not JSON"),
        ("unknown family", InputError, "'gpt2' cannot be exported here: it writes token by token"),
        ("key missing", InputError, "config.json lacks 'intermediate_size'"),
        ("truncated", BundleError, r"model.safetensors: cut short or damaged .*download it again"),
        ("empty", BundleError, "cut short or damaged"),
        ("no weights", BundleError, "model.safetensors: missing; download"),
        ("pickle", InputError, "pickled weights are not read, since they can run code"),
        ("no tokenizer", InputError, "neither tokenizer.json nor vocab.json"),
        ("tokenizer cut short", BundleError, "tokenizer.json: not a Hugging Face tokenizer"),
        ("tokenizer of another kind", BundleError, "a Unigram tokenizer"),
        ("tensor missing", BundleError, r"missing tensors: model.layers.1.mlp.up_proj.weight \[96, 64\]"),
        ("tensor wrong", BundleError, r"wrong tensors: model.norm.weight is \[5\] instead of \[64\]"),
        ("tensor unknown", BundleError, "unknown tensors: model.layers.2.mlp.up_proj.weight"),
        ("shard missing", BundleError, "model-00001-of-00002.safetensors: missing"),
        ("shard outside", BundleError, "a shard is outside the folder"),
        ("shard is null", BundleError, "a tensor has no shard; download it again"),
        ("shards are a number", BundleError, "no weight_map; download it again"),
        ("index promises more", BundleError, "a is in model.safetensors.index.json but in no shard"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_left(folder: Path, change: str, kind: type[UnmaskError], message: str) -> None:
    broken(change, folder)
    with pytest.raises(kind, match=message):
        write_backbone(folder, folder.parent / "bundle")
    assert sorted(path.name for path in folder.parent.iterdir()) == ["dream"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_no_number_is_named_with_its_place(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: float
) -> None:
    monkeypatch.setattr("unmask.export.checkpoint.weights.PART_BYTES", 4 * 64 * 10)  # ten rows
    folder = shutil.copytree(checkpoints["dream"], tmp_path / "dream")
    tensors = load_file(folder / SINGLE)
    tensors["lm_head.weight"][37, 5] = tensors["model.norm.weight"][3] = number
    save_file({name: tensor.bfloat16() for name, tensor in tensors.items()}, folder / SINGLE)
    checkpoint = open_checkpoint(folder)
    for name, place in (("lm_head.weight", r"\[37, 5\]"), ("model.norm.weight", r"\[3\]")):
        with pytest.raises(BundleError, match=rf"{name}{place} is {number}, which no model computes with"):
            checkpoint.tensor(name)
    with pytest.raises(BundleError, match=r"lm_head.weight\[37, 5\]"):
        checkpoint.rows("lm_head.weight", 30, 40)
    assert checkpoint.rows("lm_head.weight", 0, 37).shape == (37, 64)
    for write in (write_backbone, quantize_checkpoint) if math.isnan(number) else ():  # tracing takes seconds
        with pytest.raises(BundleError, match="which no model computes with"):
            write(folder, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["dream"]


def test_a_file_that_may_not_be_read_is_not_called_absent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", lambda path, *a, **k: (refuse if path.name == SINGLE else opened)(path, *a, **k))
    with pytest.raises(PermissionError, match=r"Permission denied: .*model.safetensors"):
        open_checkpoint(folder)


opened = Path.open


def test_omni_diffusions_speech_encoder_is_known_and_left_out(folder: Path) -> None:
    tensors = load_file(folder / SINGLE)
    save_file({**tensors, "model.audio_model.model.embed.weight": torch.ones(16, 560)}, folder / SINGLE)
    assert (write_backbone(folder, folder.parent / "bundle") / "window.onnx").is_file()
