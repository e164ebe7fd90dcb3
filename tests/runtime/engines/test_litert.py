"""LiteRT gives the same results for a stored graph (tests/data) as ONNX Runtime; errors name file, reason and next command."""

import builtins
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from unmask.bundle.manifest import Bucket, Bundle, load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.litert import Compiled, Interpreted, LitertRunner
from unmask.engines.padding import HIDDEN
from unmask.errors import BundleError, InputError

DATA = Path(__file__).parents[2] / "data"
LITERT = EngineOptions(engine="litert")
SIZES = {"tokens": 4, "past": 6, "frames": 6, "listed": 2}
BUCKET = Bucket("litert", "window", "tokenizer.json", {"rows": 4}, "fp32", "window_4")


@pytest.fixture
def bundle(fp32_bundle: Path) -> Bundle:
    """A file that is not a .tflite file, in place of one."""
    plain = load_bundle(fp32_bundle)
    return Bundle(plain.folder, replace(plain.manifest, buckets=(BUCKET,)))


@pytest.fixture
def window(fp32_bundle: Path) -> Bucket:
    """The tiny captioner's window graph for LiteRT."""
    pytest.importorskip("ai_edge_litert")
    return Bucket("litert", "window", "window.tflite", SIZES, "fp32", "window_4_6_6_2")


def random_call(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
    """Inputs for rows after six others, with nothing masked but what comes after a row."""
    rng = np.random.default_rng(0)
    feeds: dict[str, NDArray[Any]] = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    feeds |= {"positions": np.arange(6, 10, dtype=np.int32), "listed": np.array([5, 9], np.int32)}
    later = np.arange(10) > np.arange(6, 10)[:, None]
    return feeds | {"mask": np.where(later, HIDDEN, np.float32(0)), "frame_mask": np.zeros(6, np.float32)}


def test_a_graph_is_run_as_onnx_runtime_runs_it(fp32_bundle: Path, window: Bucket) -> None:
    runner = LitertRunner(Bundle(DATA, load_bundle(fp32_bundle).manifest), LITERT)
    feeds = random_call(runner.inputs(window))
    session = onnxruntime.InferenceSession(fp32_bundle / "window.onnx")
    given = {value.name: feeds[value.name] for value in session.get_inputs()}
    wide = {name: array.astype(np.int64) if array.dtype == np.int32 else array for name, array in given.items()}
    names = [value.name for value in session.get_outputs()]
    for _ in range(2):  # a second call uses the same buffers
        found = runner.run(window, feeds)
        for name, expected in zip(names, session.run(names, wide), strict=True):
            np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-4, err_msg=f"{name}; python -m tests.tiny")


def test_a_compiled_model_gives_the_numbers_of_the_interpreter(window: Bucket) -> None:
    """The code path for GPUs, run on the CPU."""
    path, name = DATA / window.file, window.function
    compiled, interpreted = Compiled(path, LITERT), Interpreted(path, 1)
    assert compiled.inputs(name) == interpreted.inputs(name)
    feeds = random_call(compiled.inputs(name))
    for _ in range(2):
        one, other = compiled.run(name, feeds), interpreted.run(name, feeds)
    assert one.keys() == other.keys()
    for output in one:
        np.testing.assert_allclose(one[output], other[output], rtol=0, atol=1e-5)


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
