"""Shapes: what their names and sizes mean, the bundle that is made of them once, and the room that it needs."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from unmask import system
from unmask.benchmarks.scenarios.random_weights import read_shape, shape_bundle
from unmask.bundle.manifest import load_bundle
from unmask.errors import InputError

SMALL = "d=32,layers=1,heads=2,ff=48,vocab=300"


def test_sizes_become_keys_of_a_config() -> None:
    family, config = read_shape("d=896,layers=24,heads=14,kv=2,ff=4864,vocab=151936")
    assert family == "dream"
    assert config["hidden_size"] == 896
    assert (config["num_hidden_layers"], config["num_attention_heads"], config["num_key_value_heads"]) == (24, 14, 2)
    assert (config["intermediate_size"], config["vocab_size"]) == (4864, 151936)


def test_what_is_left_out_follows_from_the_width() -> None:
    _, config = read_shape("d=256,layers=2")
    assert (config["num_attention_heads"], config["num_key_value_heads"], config["intermediate_size"]) == (4, 4, 1024)
    assert read_shape("dream-7b")[1]["hidden_size"] == 3584


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dream-9b", "no shape 'dream-9b'; there are dream-small"),
        ("d=x", "'d=x' is not KEY=NUMBER"),
        ("width=8", "'width=8' is not KEY=NUMBER"),
        ("d=100,heads=3", "100 numbers do not split into 3 heads"),
        ("d=64,heads=4,kv=3", "do not split"),
        ("d=64,vocab=100", "vocab is 100"),
        ("d=64,layers=0", "'layers=0'"),
    ],
)
def test_other_shapes_are_told(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_shape(text)


@pytest.mark.slow
def test_a_shape_is_made_once_in_either_precision(tmp_path: Path) -> None:
    small = shape_bundle(SMALL, "int8", tmp_path)
    manifest = load_bundle(small).manifest
    assert (manifest.precision, manifest.vocabulary.size, manifest.embedding.width) == ("int8", 300, 32)
    made = (small / "bundle.json").stat().st_mtime_ns
    assert shape_bundle(SMALL, "int8", tmp_path) == small
    assert (small / "bundle.json").stat().st_mtime_ns == made
    plain = shape_bundle(SMALL, "fp32", tmp_path)
    assert load_bundle(plain).manifest.precision == "fp32"
    assert plain.parent == small.parent
    assert not list(tmp_path.rglob("*.safetensors"))  # the checkpoint is gone


def test_what_does_not_fit_is_told_before_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "free_bytes", lambda: 1000 << 20)
    with pytest.raises(
        InputError, match=r"dream-7b with 7\.\d B weights in int8 needs \d\.\d GiB of memory, and 1000\.0 MiB are"
    ):
        shape_bundle("dream-7b", "int8", tmp_path)
    monkeypatch.setattr(system, "free_bytes", lambda: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 30))
    with pytest.raises(InputError, match=r"1\.0 GiB are free, but making the shape dream-7b takes \d+\.\d GiB; set UNMASK_CACHE"):
        shape_bundle("dream-7b", "int8", tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="precision 'fp8'"):
        shape_bundle(SMALL, "fp8", tmp_path)
