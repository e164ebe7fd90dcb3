"""Which provider runs a graph, the errors if it is not installed, and that nothing falls back silently.

Azure's provider is built into ONNX Runtime's own package and runs none of our operators; OpenVINO's is a plugin.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from unmask import Engine, EngineOptions, load_bundle
from unmask.engines.onnx import open_session, placed
from unmask.engines.onnx_providers import PROVIDERS, available, read_provider
from unmask.errors import BundleError, InputError

PLUGIN = "onnxruntime_ep_openvino"
CPUINFO = Path("/proc/cpuinfo")
INTEL = CPUINFO.exists() and "GenuineIntel" in CPUINFO.read_text()
openvino = pytest.mark.skipif(
    importlib.util.find_spec(PLUGIN) is None or not INTEL,
    reason="onnxruntime-ep-openvino is not installed, or this is no Intel processor, the only ones that it serves",
)


def test_a_provider_is_read_with_its_device_and_options() -> None:
    chosen = read_provider("QNN:npu,soc_model=60, htp_arch=73")
    assert (chosen.short, chosen.device, chosen.options) == ("qnn", "npu", {"soc_model": "60", "htp_arch": "73"})


@pytest.mark.parametrize("text", ["", "qnn:tpu", "qnn,soc_model", "qnn,=1"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"name\[:device\]"):
        EngineOptions(provider=text)


def test_only_onnx_runtime_has_providers() -> None:
    with pytest.raises(InputError, match="belongs to the engine onnx; leave it out with litert"):
        EngineOptions(engine="litert", provider="qnn")


def test_the_cpu_is_always_there(fp32_bundle: Path) -> None:
    assert available()["cpu"] == "CPUExecutionProvider"
    assert open_session(fp32_bundle / "window.onnx", EngineOptions(strict=True)).get_providers() == ["CPUExecutionProvider"]


def test_a_missing_provider_is_told_with_what_brings_it(fp32_bundle: Path) -> None:
    missing = next(short for short in ("vitisai", "dml", "coreml") if short not in available())
    with pytest.raises(InputError, match=f"no provider {missing}: it has .*cpu.*; it comes with: ") as error:
        open_session(fp32_bundle / "window.onnx", EngineOptions(provider=missing))
    assert PROVIDERS[missing].brought_by in str(error.value)
    with pytest.raises(InputError, match=r"no provider abacus: .*known names: cpu"):
        Engine(load_bundle(fp32_bundle), EngineOptions(provider="abacus")).load()


@pytest.mark.skipif(importlib.util.find_spec(PLUGIN) is None, reason="onnxruntime-ep-openvino is not installed")
@pytest.mark.convert
def test_a_plugin_without_a_device_is_told_apart_from_one_that_is_missing(
    fp32_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if INTEL:  # elsewhere it is so without our help; an earlier test of this process may have registered the plugin
        monkeypatch.setattr("unmask.engines.onnx_providers.plugin_devices", lambda provider: [])
        monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(InputError, match=f"{PLUGIN} is installed but finds no device that it supports; it comes with: "):
        open_session(fp32_bundle / "window.onnx", EngineOptions(provider="openvino"))


def test_a_device_that_a_provider_has_not_is_refused(fp32_bundle: Path) -> None:
    with pytest.raises(InputError, match="cpu has no device npu; its devices: cpu"):
        open_session(fp32_bundle / "window.onnx", EngineOptions(provider="cpu:npu"))


@pytest.mark.skipif("azure" not in available(), reason="this ONNX Runtime was built without it")
def test_strict_names_the_nodes_that_a_provider_leaves(fp32_bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    graph = fp32_bundle / "window.onnx"
    assert open_session(graph, EngineOptions(provider="azure")).get_providers()[0] == "AzureExecutionProvider"
    with pytest.raises(InputError, match=r"azure leaves \d+ nodes to the CPU: .*\(Shape\).*, \.\.\.; .*without --strict"):
        open_session(graph, EngineOptions(provider="azure", strict=True))
    assert capfd.readouterr() == ("", "")


def test_a_damaged_graph_is_told_with_its_provider(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    for options in (EngineOptions(), EngineOptions(provider="azure"), EngineOptions(provider="azure", strict=True)):
        if options.provider in available():
            with pytest.raises(BundleError, match=r"bad\.onnx: ONNX Runtime .* cannot open it"):
                open_session(tmp_path / "bad.onnx", options)


@openvino
@pytest.mark.convert
def test_a_plugin_computes_what_the_cpu_computes(fp32_bundle: Path) -> None:
    bundle = load_bundle(fp32_bundle)
    samples = np.random.default_rng(0).normal(size=(1, 20_000)).astype(np.float32)
    exact = 'openvino:cpu,load_config={"CPU":{"INFERENCE_PRECISION_HINT":"f32"}}'  # else bfloat16 where the CPU has it
    ours = Engine(bundle).run("context", {"samples": samples})
    theirs = Engine(bundle, EngineOptions(provider=exact)).run("context", {"samples": samples})
    assert list(ours) == list(theirs)
    for name, own in ours.items():
        if name == "draft":  # the best of many ids: a random model may have near ties
            assert np.mean(own == theirs[name]) > 0.9
        else:
            np.testing.assert_allclose(own, theirs[name], atol=1e-4, err_msg=name)
    nodes = placed(fp32_bundle / "context.onnx", EngineOptions(provider="openvino:cpu"))
    assert nodes is not None
    assert "OpenVINOExecutionProvider" in {node.provider for node in nodes}


@openvino
@pytest.mark.convert
def test_a_plugins_devices_are_asked_for_by_kind(fp32_bundle: Path) -> None:
    with pytest.raises(InputError, match=r"openvino finds no npu here; its devices: .*cpu"):
        open_session(fp32_bundle / "window.onnx", EngineOptions(provider="openvino:npu"))
