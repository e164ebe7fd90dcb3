"""A transcript in ONNX graphs of fixed sizes: the same texts in fp32, little drift in int8, nothing left by providers."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.runtime.engines.test_onnx_providers import openvino
from unmask import Captioner, load_bundle
from unmask.benchmarks.compare import bundles as compare
from unmask.bundle.manifest import Bundle
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.weights.onnx_static import write_onnx_static, write_onnx_static_int8

pytestmark = pytest.mark.slow

SIZES = [
    ("context", {"samples": 30_016}),
    ("window", {"tokens": 17, "past": 20, "frames": 80, "listed": 4}),
    ("window", {"tokens": 20, "past": 20, "frames": 80, "listed": 4}),
]
PROVIDERS = {
    "openvino:cpu": "onnxruntime_ep_openvino",
    "qnn,backend_type=htp,soc_model=60": "onnxruntime_qnn",  # compiles for a Snapdragon X here, and runs nothing
}
# In a process of its own: QNN's plugin has crashed one that opened it a second time in another way.
ASK = """
import sys
from pathlib import Path
from unmask import EngineOptions
from unmask.engines.onnx import on_cpu, open_session

for graph in map(Path, sys.argv[2:]):
    print(on_cpu(graph, EngineOptions(provider=sys.argv[1])))
    open_session(graph, EngineOptions(provider=sys.argv[1], strict=True))
"""
NOISE = (0.1 * np.random.default_rng(0).normal(size=24_000)).astype(np.float32)


@pytest.fixture(scope="module")
def source(fp32_bundle: Path) -> Bundle:
    return load_bundle(fp32_bundle)


@pytest.fixture(scope="module")
def fixed(source: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_onnx_static(source, tmp_path_factory.mktemp("fixed") / "fp32", SIZES, lambda line: None))


@pytest.fixture(scope="module")
def quantized(source: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("fixed") / "int8"
    return load_bundle(write_onnx_static_int8(source, folder, SIZES, Material((NOISE,)), "u8", lambda line: None))


@pytest.mark.parametrize("samples", [1500, 17_000, 24_000])
@pytest.mark.parametrize("whole", [False, True])
def test_fp32_texts_are_the_same(source: Bundle, fixed: Bundle, samples: int, whole: bool) -> None:
    schedule = replace(source.schedule("caption"), verify_lookahead=None if whole else 16)
    ours, theirs = (Captioner(bundle).load().caption(NOISE[:samples], schedule) for bundle in (fixed, source))
    assert ours.text == theirs.text
    assert bool(ours.text) == (samples > 2000)
    for one, other in zip(ours.words, theirs.words, strict=True):
        assert (one.text, one.start_s, one.end_s) == (other.text, pytest.approx(other.start_s), pytest.approx(other.end_s))


def test_the_bundle_holds_graphs_of_fixed_sizes_alone(source: Bundle, fixed: Bundle) -> None:
    manifest = fixed.manifest
    assert manifest.graphs == {}
    assert [(bucket.engine, bucket.role, bucket.sizes) for bucket in manifest.buckets] == [("onnx", *size) for size in SIZES]
    ids = np.arange(manifest.vocabulary.size)
    np.testing.assert_array_equal(fixed.table().gather(ids), source.table().gather(ids))
    assert "fixed sizes" in manifest.provenance["converted"]


def test_static_int8_drifts_little(source: Bundle, fixed: Bundle, quantized: Bundle) -> None:
    assert quantized.manifest.precision == "int8-static"
    assert quantized.manifest.files["weights.bin"].bytes < fixed.manifest.files["weights.bin"].bytes
    exact, _ = compare.measure_drift(source, fixed, Material((NOISE,)))
    rounded, _ = compare.measure_drift(source, quantized, Material((NOISE,)))
    assert {part.role for part in exact} == {"context", "window"}
    assert all(part.kl < 1e-6 and part.argmax == 1 for part in exact), "padding and fixed sizes change nothing"
    assert all(part.kl < 0.1 and part.argmax > 0.7 for part in rounded)


def test_no_input_or_output_has_a_dynamic_axis(fixed: Bundle, quantized: Bundle) -> None:
    """NPUs want every shape settled in advance."""
    for path in (bundle.path(bucket.file) for bundle in (fixed, quantized) for bucket in bundle.manifest.buckets):
        graph = onnx.load(path, load_external_data=False).graph
        for value in (*graph.input, *graph.output):
            assert all(axis.HasField("dim_value") for axis in value.type.tensor_type.shape.dim), value.name


@pytest.mark.convert
@pytest.mark.parametrize("provider", [pytest.param(name, marks=[openvino] * name.startswith("openvino")) for name in PROVIDERS])
def test_providers_leave_nothing_to_the_cpu(fixed: Bundle, quantized: Bundle, provider: str) -> None:
    if importlib.util.find_spec(PROVIDERS[provider]) is None:
        pytest.skip(f"{PROVIDERS[provider]} is not installed")
    graphs = [bundle.path(bucket.file) for bundle in (fixed, quantized) for bucket in bundle.manifest.buckets[:2]]
    asked = subprocess.run([sys.executable, "-c", ASK, provider, *graphs], capture_output=True, text=True)
    told = asked.stdout.splitlines()[-len(graphs) :]  # Qualcomm's library has a note of its own before them
    assert (asked.returncode, told) == (0, ["[]"] * len(graphs)), asked.stderr
