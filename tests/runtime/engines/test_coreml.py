"""The CoreML engine: its calls of coremltools, against a fake of macOS, and its errors where CoreML is missing."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.bundle.graph_spec import TRANSCRIPT
from unmask.bundle.manifest import Bucket, Bundle, File, load_bundle
from unmask.engines.coreml import UNITS, CoremlRunner
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.known_engines import ENGINES
from unmask.engines.padding import Padding
from unmask.errors import BundleError, InputError

PACKAGE = "graphs.mlpackage"
SMALL, LARGE = (
    Bucket("coreml", "context", PACKAGE, {"samples": samples}, "fp16", f"context_{samples}") for samples in (4000, 8000)
)
SAMPLES = {4000: (1, 4000), 8000: (1, 8000)}


class Coreml:
    """The part of coremltools that the runner uses. Records the calls."""

    def __init__(self) -> None:
        self.compiled: list[tuple[str, str]] = []
        self.opened: list[tuple[str, str, str | None]] = []
        self.refuses = False
        self.ComputeUnit = SimpleNamespace(**{name: name for name in UNITS.values()})
        self.models = SimpleNamespace(CompiledMLModel=self.open, utils=SimpleNamespace(compile_model=self.compile))
        self.utils = SimpleNamespace(load_spec=self.load)

    def compile(self, package: str, target: str) -> str:
        self.compiled.append((package, target))
        Path(target).mkdir()
        return target

    def open(self, path: str, units: str, function: str | None) -> SimpleNamespace:
        if self.refuses:
            raise RuntimeError("specification version 99")
        assert Path(path).is_dir()
        self.opened.append((path, units, function))
        return SimpleNamespace(predict=self.predict)

    def load(self, package: str) -> SimpleNamespace:
        def value(shape: tuple[int, ...]) -> SimpleNamespace:
            return SimpleNamespace(name="samples", type=SimpleNamespace(multiArrayType=SimpleNamespace(shape=shape)))

        functions = [SimpleNamespace(name=f"context_{count}", input=[value(shape)]) for count, shape in SAMPLES.items()]
        return SimpleNamespace(description=SimpleNamespace(functions=functions, input=[]))

    def predict(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        frames, slots = (len(feeds[name]) for name in ("frame_mask", "slot_mask"))
        kv = np.full((2, 2, frames, 16), feeds["samples"].sum(), np.float32)
        return {"cross_k": kv, "cross_v": kv, "draft": np.zeros(slots, np.int32), "sure": np.zeros(slots, np.float32)}


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Coreml:
    """A fake of coremltools as on macOS."""
    fake = Coreml()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "coremltools", fake)
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    return fake


@pytest.fixture
def bundle(fp32_bundle: Path) -> Bundle:
    found = load_bundle(fp32_bundle)
    files = {**found.manifest.files, f"{PACKAGE}/Manifest.json": File(1, "0" * 64)}
    return replace(found, manifest=replace(found.manifest, graphs={}, buckets=(SMALL, LARGE), files=files))


COREML = EngineOptions(engine="coreml")


def test_a_call_runs_in_the_function_of_its_bucket(tools: Coreml, bundle: Bundle) -> None:
    engine = Engine(bundle, replace(COREML, units="cpu+ne"))
    assert engine.inputs("context") == {"samples": SAMPLES[4000]}
    samples = np.ones((1, 6000), np.float32)
    k = engine.run("context", {"samples": samples})["cross_k"]
    assert k.shape == (2, 2, Padding(TRANSCRIPT).whole({"samples": 6000})["frames"], 16)
    assert k[0, 0, 0, 0] == samples.sum()
    ((package, made),) = tools.compiled
    assert package == str(bundle.folder / PACKAGE)
    assert not Path(made).exists()  # it was moved to where it is opened
    assert [(units, function) for _, units, function in tools.opened] == [
        ("CPU_AND_NE", "context_4000"),
        ("CPU_AND_NE", "context_8000"),
    ]


def test_a_package_is_compiled_once_until_it_changes(tools: Coreml, bundle: Bundle) -> None:
    for _ in range(2):
        Engine(bundle, COREML).inputs("context")
    assert len(tools.compiled) == 1
    changed = {**bundle.manifest.files, f"{PACKAGE}/Manifest.json": File(1, "1" * 64)}
    Engine(replace(bundle, manifest=replace(bundle.manifest, files=changed)), COREML).inputs("context")
    assert len(tools.compiled) == 2


def test_a_cache_that_cannot_be_written(tools: Coreml, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="set UNMASK_CACHE to another folder"):
        Engine(bundle, COREML).inputs("context")


def test_what_coreml_refuses_is_told_with_the_bucket(tools: Coreml, bundle: Bundle) -> None:
    tools.refuses = True
    with pytest.raises(
        BundleError, match=r"CoreML cannot open coreml context samples=4000 \(specification version 99\).*--deployment-target"
    ):
        Engine(bundle, COREML).inputs("context")


def test_a_function_that_the_package_does_not_hold(tools: Coreml, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="no function 'other' is in this package"):
        CoremlRunner(bundle, COREML).inputs(replace(SMALL, function="other"))


@pytest.mark.skipif(sys.platform == "darwin", reason="CoreML is here")
def test_elsewhere_the_engine_says_so(bundle: Bundle) -> None:
    with pytest.raises(InputError, match=r"the engine coreml runs on macOS, but this is \w+; use the engine onnx"):
        Engine(bundle, COREML).inputs("context")


def test_without_coremltools_it_says_how_to_install_it(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(InputError, match=r"pip install 'unmask\[coreml\]'"):
        Engine(bundle, COREML).inputs("context")


def test_units_are_those_of_the_options() -> None:
    assert tuple(UNITS) == ENGINES["coreml"].choices["units"]
    with pytest.raises(InputError, match="units 'npu' is not one of all, cpu"):
        EngineOptions(units="npu")
