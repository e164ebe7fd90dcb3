"""LiteRT's errors name the file, the reason and what to do; that its numbers are right is tested where its graphs are made."""

import builtins
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unmask.bundle.manifest import Bucket, Bundle, load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.litert import LitertRunner
from unmask.errors import BundleError, InputError

LITERT = EngineOptions(engine="litert")
BUCKET = Bucket("litert", "window", "tokenizer.json", {"rows": 4}, "fp32", "window_4")


@pytest.fixture
def bundle(fp32_bundle: Path) -> Bundle:
    """A file that is no .tflite stands where one should."""
    plain = load_bundle(fp32_bundle)
    return Bundle(plain.folder, replace(plain.manifest, buckets=(BUCKET,)))


def test_without_the_package_the_extra_is_named(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *given: Any, **named: Any) -> Any:
        if name.startswith("ai_edge_litert"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"the engine litert needs ai-edge-litert .*pip install 'unmask\[litert\]'"):
        LitertRunner(bundle, LITERT).inputs(BUCKET)


@pytest.mark.parametrize("delegate", ["cpu", "gpu"])
def test_what_is_no_graph_is_refused(bundle: Bundle, delegate: str) -> None:
    pytest.importorskip("ai_edge_litert")
    with pytest.raises((BundleError, InputError), match=r"tokenizer\.json: LiteRT (cannot open it|finds no GPU)"):
        LitertRunner(bundle, replace(LITERT, delegate=delegate)).inputs(BUCKET)


def test_a_role_without_graphs_is_told(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="no context graph of fixed sizes for the engine litert"):
        Engine(bundle, LITERT).inputs("context")
