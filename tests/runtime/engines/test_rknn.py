"""The engine of Rockchip's NPUs with a stand-in of rknn-toolkit-lite2 that runs ONNX. tests/devices has the real compiler."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.devices.rknn_simulator import install
from unmask import Captioner
from unmask.bundle.graph_spec import TRANSCRIPT
from unmask.bundle.manifest import Bundle, File, load_bundle
from unmask.engines.device_check import fixed_call, read_answers, write_answers
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import OnnxRunner
from unmask.engines.rknn import RknnRunner, board_chip
from unmask.errors import BundleError, InputError

RKNN = EngineOptions(engine="rknn")


class Lite:
    """As `rknnlite.api.RKNNLite`: inputs and outputs have no names, and failures are numbers and None."""

    opens, runs, times = 0, True, 1

    def load_rknn(self, path: str) -> int:
        self._session = onnxruntime.InferenceSession(path)
        return 0

    def init_runtime(self) -> int:
        return self.opens

    def inference(self, inputs: list[Any], data_format: list[str]) -> list[Any] | None:
        assert data_format == ["nchw"] * len(inputs)  # else axes of four dimensions are swapped
        names = [value.name for value in self._session.get_inputs()]
        made = self._session.run(None, dict(zip(names, inputs, strict=True)))
        return [self.times * array for array in made] if self.runs else None


@pytest.fixture
def lite(monkeypatch: pytest.MonkeyPatch) -> type[Lite]:
    class Own(Lite):
        pass

    install(monkeypatch, Own)
    return Own


@pytest.fixture
def bundle(static_bundle: Path) -> Bundle:
    """Graphs of fixed sizes as if they were compiled."""
    plain = load_bundle(static_bundle)
    buckets = tuple(replace(bucket, engine="rknn", chip="rk3588") for bucket in plain.manifest.buckets)
    return Bundle(plain.folder, replace(plain.manifest, buckets=buckets))


@pytest.fixture
def answered(static_bundle: Path, bundle: Bundle, tmp_path: Path) -> Bundle:
    """The same in a folder of its own, with the CPU's answers to a call of its context."""
    for path in bundle.folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    context, *windows = bundle.manifest.buckets
    plain = load_bundle(static_bundle)
    cpu, same = OnnxRunner(plain, EngineOptions()), plain.manifest.buckets[0]
    feeds = fixed_call(cpu.inputs(same), TRANSCRIPT.graph("context"))
    write_answers(tmp_path / "answers.npz", feeds, cpu.run(same, feeds))
    files = {**bundle.manifest.files, "answers.npz": File(0, "")}
    buckets = (replace(context, answers="answers.npz"), *windows)
    return Bundle(tmp_path, replace(bundle.manifest, buckets=buckets, files=files))


def test_a_captioner_runs_on_it(static_bundle: Path, answered: Bundle, lite: type[Lite]) -> None:
    samples = (0.1 * np.random.default_rng(0).normal(size=24_000)).astype(np.float32)
    wanted = Captioner(load_bundle(static_bundle)).load().caption(samples).text
    assert Captioner(answered, RKNN).load().caption(samples).text == wanted != ""


def test_names_and_shapes_are_those_of_the_graphs(static_bundle: Path, bundle: Bundle, lite: type[Lite]) -> None:
    """A size of the model, which the manifest does not have, is told by its name."""
    plain = load_bundle(static_bundle)
    cpu = OnnxRunner(plain, EngineOptions())
    for bucket, same in zip(bundle.manifest.buckets, plain.manifest.buckets, strict=True):
        found, right = RknnRunner(bundle, RKNN).inputs(bucket), cpu.inputs(same)
        assert list(found) == list(right)
        for name, shape in found.items():
            told = tuple(other if isinstance(size, str) else size for size, other in zip(shape, right[name], strict=True))
            assert told == right[name]
        assert RknnRunner(bundle, RKNN).outputs(bucket) == cpu.outputs(same)


def test_an_npu_that_computes_something_else_does_not_open(answered: Bundle, lite: type[Lite]) -> None:
    lite.times = 2
    with pytest.raises(InputError, match=r"context-30016\.onnx: --engine rknn gives other cross_k than the CPU .*\(100% away\)"):
        Engine(answered, RKNN).load()


def test_answers_that_cannot_be_read_are_told(answered: Bundle, lite: type[Lite]) -> None:
    (answered.folder / "answers.npz").write_bytes(b"no zip")
    with pytest.raises(BundleError, match=r"answers\.npz: no call with its answers \(.*\); fetch or make the bundle again"):
        Engine(answered, RKNN).load()
    with pytest.raises(BundleError, match=r"nowhere\.npz: no call with its answers"):
        read_answers(answered.folder / "nowhere.npz")


def fails_to_open(lite: type[Lite]) -> None:
    lite.opens = -1


def fails_to_run(lite: type[Lite]) -> None:
    lite.runs = False


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            fails_to_open,
            r"\.onnx: the runtime of the NPU cannot open it and wrote above why; its librknnrt\.so must",
        ),
        (fails_to_run, r"\.onnx: the NPU did not run it and wrote above why; its librknnrt\.so must be as new"),
    ],
)
def test_what_the_runtime_refuses_is_told(answered: Bundle, lite: type[Lite], fault: Callable[[Any], None], told: str) -> None:
    fault(lite)
    with pytest.raises(BundleError, match=told):
        Engine(answered, RKNN).load()


def test_without_the_package_the_next_command_is_told(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rknnlite", None)
    with pytest.raises(InputError, match=r"the engine rknn needs rknn-toolkit-lite2 .*: pip install rknn-toolkit-lite2"):
        Engine(bundle, RKNN).load()


@pytest.mark.parametrize(
    ("compatible", "chip", "opens"),
    [
        (b"radxa,rock-5b\0rockchip,rk3588\0", "rk3588", True),
        (b"orangepi,5\0rockchip,rk3588s\0", "rk3588", True),
        (b"pine64,quartz64\0rockchip,rk3566\0", "rk3566", False),
        (b"raspberrypi,5-model-b\0brcm,bcm2712\0", "", True),
    ],
)
def test_a_bundle_for_another_chip_does_not_open(
    bundle: Bundle, lite: type[Lite], tmp_path: Path, compatible: bytes, chip: str, opens: bool
) -> None:
    """A board without a known chip is left to the runtime, which refuses what it is not."""
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_bytes(compatible)
    assert board_chip(tmp_path) == chip
    runner, context = RknnRunner(bundle, RKNN, tmp_path), bundle.manifest.buckets[0]
    if opens:
        assert runner.inputs(context)
        return
    with pytest.raises(InputError, match=r"compiled for rk3588, and this board has rk3566; make the bundle with --soc rk3566"):
        runner.inputs(context)


def test_chips_with_one_npu_share_bundles(bundle: Bundle, lite: type[Lite], tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_bytes(b"pine64,quartz64\0rockchip,rk3566\0")
    assert RknnRunner(bundle, RKNN, tmp_path).inputs(replace(bundle.manifest.buckets[0], chip="rk3568"))
    assert board_chip(tmp_path / "nowhere") == ""
