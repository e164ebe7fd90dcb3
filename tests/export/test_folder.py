"""What a folder is said to be when it is no checkpoint, and the name and place of the bundle that is made of one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from unmask.errors import BundleError, InputError, UnmaskError
from unmask.export.checkpoint.folder import SINGLE, beside, check_sort, model_name, snapshot
from unmask.export.onnx.backbone import read_model


@pytest.fixture
def folder(checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(checkpoints["dream"], tmp_path / "dream")


def setting(folder: Path, **keys: object) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **keys}))


def fp8(folder: Path) -> None:
    tensors = load_file(folder / SINGLE)
    name = "model.layers.0.mlp.up_proj.weight"
    scaled = {f"{name}_scale_inv": torch.ones(1, 1), name: tensors[name].to(torch.float8_e4m3fn)}
    save_file({**tensors, **scaled}, folder / SINGLE)


def eight_bits(folder: Path) -> None:
    """As bitsandbytes stores them, with its scales."""
    tensors = load_file(folder / SINGLE)
    name = "model.layers.0.mlp.up_proj.weight"
    save_file({**tensors, name: tensors[name].to(torch.int8), f"{name[:-7]}.SCB": torch.ones(96)}, folder / SINGLE)


def packed(folder: Path) -> None:
    """As GPTQ and AWQ store them: other names, and integers of 32 bits."""
    tensors = load_file(folder / SINGLE)
    tensors.pop(name := "model.layers.0.mlp.up_proj.weight")
    packed = {f"{name[:-7]}.qweight": torch.ones(8, 96, dtype=torch.int32), f"{name[:-7]}.scales": torch.ones(1, 96)}
    save_file({**tensors, **packed}, folder / SINGLE)


def adapter(folder: Path) -> None:
    (folder / SINGLE).rename(folder / "adapter_model.safetensors")
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "Dream-org/Dream-v0-Base-7B"}))


def gguf(folder: Path) -> None:
    (folder / SINGLE).unlink()
    (folder / "model-Q4_K_M.gguf").write_bytes(b"GGUF")


def gguf_alone(folder: Path) -> None:
    gguf(folder)
    (folder / "config.json").unlink()


def pieces(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "tokenizer.model")


def pointer(folder: Path) -> None:
    (folder / SINGLE).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 15221\n")


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (fp8, InputError, r"up_proj.weight holds F8_E4M3, so the checkpoint is quantized"),
        (eight_bits, InputError, r"up_proj.weight holds I8, so the checkpoint is quantized"),
        (packed, InputError, r"up_proj.qweight holds I32, so the checkpoint is quantized"),
        (lambda f: setting(f, quantization_config={"quant_method": "gptq", "bits": 4}), InputError, r"quantized \(gptq\)"),
        (lambda f: setting(f, quantization={"group_size": 64, "bits": 4}), InputError, r"quantized \(4 bits\)"),
        (lambda f: setting(f, quantization_config="fp8"), InputError, "quantized, as quantization_config"),
        (lambda f: (f / "quantize_config.json").write_text("{}"), InputError, "quantized, as quantize_config.json says"),
        (adapter, InputError, r"an adapter .* of Dream-org/Dream-v0-Base-7B, not a model; merge"),
        (gguf, InputError, "model-Q4_K_M.gguf is GGUF"),
        (gguf_alone, InputError, "model-Q4_K_M.gguf is GGUF"),
        (pieces, InputError, "tokenizer.model is a sentencepiece tokenizer"),
        (pointer, BundleError, "a pointer of Git LFS in place of the file; run git lfs pull"),
    ],
)
def test_another_sort_of_folder_is_named_as_what_it_is(
    folder: Path, change: Callable[[Path], object], kind: type[UnmaskError], message: str
) -> None:
    change(folder)
    with pytest.raises(kind, match=message):
        read_model(folder)


def test_a_file_and_nothing_are_no_folders(folder: Path) -> None:
    with pytest.raises(InputError, match="a file; give the folder"):
        check_sort(folder / SINGLE)
    with pytest.raises(InputError, match="no such folder; give the folder"):
        check_sort(folder / "absent")


def test_null_is_no_quantization(folder: Path) -> None:
    setting(folder, quantization_config=None)
    assert read_model(folder).family == "dream"


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.rotary_emb.inv_freq",
        "transformer.h.0.attn.bias",
        "transformer.h.0.attn.masked_bias",
        "model.layers.0.mlp.up_proj._extra_state",
        "model.embeddings.position_ids",
    ],
)
def test_buffers_that_hold_no_weights_are_left_out(folder: Path, name: str) -> None:
    whole = torch.arange(4) if name.endswith("ids") else torch.ones(4)
    save_file({**load_file(folder / SINGLE), name: whole}, folder / SINGLE)
    assert read_model(folder).family == "dream"


def test_a_bias_is_no_buffer(folder: Path) -> None:
    save_file({**load_file(folder / SINGLE), "model.layers.0.self_attn.o_proj.bias": torch.ones(64)}, folder / SINGLE)
    with pytest.raises(BundleError, match=r"unknown tensors: model.layers.0.self_attn.o_proj.bias"):
        read_model(folder)


# ---- the cache of huggingface_hub


HASH = "5e1f2a0c9b7d4e3f8a6b5c4d3e2f1a0b9c8d7e6f"


@pytest.fixture
def cached(folder: Path) -> Path:
    """The folder of a model in the cache, with one snapshot that is all links."""
    model = folder.parent / "hub" / "models--some-org--Dream--Tiny"
    blobs, here = model / "blobs", model / "snapshots" / HASH
    here.mkdir(parents=True)
    blobs.mkdir()
    for i, path in enumerate(sorted(folder.iterdir())):
        (here / path.name).symlink_to(shutil.copy(path, blobs / f"{i:040x}"))
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(HASH)
    return model


def test_a_model_in_the_hubs_cache_is_read_and_named_after_the_model(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    revision = cached / "snapshots" / HASH
    for given in (cached, revision):
        model = read_model(given)
        assert (model.name, model.checkpoint.folder) == ("Dream--Tiny", revision)
        assert beside(given, ".bundle") == Path("Dream--Tiny.bundle")
    monkeypatch.chdir(revision)
    assert beside(Path(), ".bundle") == Path("Dream--Tiny.bundle")


def test_of_several_snapshots_the_branch_main_is_taken(cached: Path) -> None:
    (cached / "snapshots" / "ffff").mkdir()
    assert snapshot(cached) == cached / "snapshots" / HASH
    (cached / "refs" / "main").unlink()
    with pytest.raises(InputError, match=r"without one snapshot to take; give one of its snapshots: .*5e1f"):
        snapshot(cached)


def test_a_bundle_goes_beside_a_folder_and_to_the_current_one_for_a_link(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert beside(folder, ".bundle") == folder.with_name("dream.bundle")
    link = folder.parent / "mine"
    link.symlink_to(folder)
    assert (beside(link, "-int8"), model_name(link)) == (Path("mine-int8"), "mine")
    monkeypatch.chdir(folder)
    assert beside(Path(), ".bundle") == folder.with_name("dream.bundle")
    assert beside(Path("../dream"), ".bundle").resolve() == folder.with_name("dream.bundle")
