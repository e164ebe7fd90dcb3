"""ONNX graphs that were compiled for one chip: with another provider or another chip they do not open, in one line."""

from dataclasses import replace
from pathlib import Path

import pytest

from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("cpu", r"\.onnx: compiled for qnn soc_model=60 alone, and not for cpu; choose --provider qnn:npu"),
        ("webgpu:gpu", r"\.onnx: compiled for qnn soc_model=60 alone, and not for webgpu:gpu; choose --provider qnn:npu"),
        (
            "qnn:npu,soc_model=69",
            r"\.onnx: compiled for qnn soc_model=60, and --provider names soc_model=69; make the bundle with --soc 69",
        ),
    ],
)
def test_another_chip_is_told(static_bundle: Path, provider: str, told: str) -> None:
    plain = load_bundle(static_bundle)
    buckets = tuple(replace(bucket, chip="qnn soc_model=60") for bucket in plain.manifest.buckets)
    with pytest.raises(InputError, match=told):
        Engine(Bundle(plain.folder, replace(plain.manifest, buckets=buckets)), EngineOptions(provider=provider)).load()
