"""Rockchip's compiler takes the captioner's graphs, and its simulator gives the CPU's text with what it compiled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.devices.rknn_simulator import PYTHON, Simulated, install, needs_toolkit
from unmask import Captioner, load_bundle
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError

pytestmark = [pytest.mark.devices, needs_toolkit]
RKNN = EngineOptions(engine="rknn")
WIDE = (("x", 1, 60_000), ("y", 8, 936))  # more columns than a register counts


@pytest.fixture(scope="module")
def made(fp32_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle for rk3588, and a folder with the ONNX graphs that were compiled."""
    import unmask.export.onnx.rknn as rknn
    from tests.tiny import fixed_graphs

    folder, compiled = tmp_path_factory.mktemp("rknn"), rknn.compile_graph

    def kept(model: onnx.ModelProto, made: Path, *more: Any) -> None:
        onnx.save(model, folder / f"{made.stem}.onnx")
        compiled(model, made, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rknn, "compile_graph", kept)
        graphs = fixed_graphs()
        rknn.write_rknn(load_bundle(fp32_bundle), folder / "bundle", [graphs[0], graphs[-1]], "rk3588", PYTHON)
    return folder / "bundle", folder


@pytest.fixture
def simulator(made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Simulated]]:
    running: list[Simulated] = []

    class Here(Simulated):
        graphs = made[1]

        def init_runtime(self) -> int:
            running.append(self)
            return super().init_runtime()

    install(monkeypatch, Here)
    yield Here
    for one in running:
        one.release()


def test_a_captioner_runs_on_it_and_another_computer_than_the_cpu_does_not_open(
    made: tuple[Path, Path], static_bundle: Path, simulator: type[Simulated], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening holds ids and numbers against those that the CPU gave when the bundle was made."""
    samples = (0.1 * np.random.default_rng(0).normal(size=24_000)).astype(np.float32)
    wanted = Captioner(load_bundle(static_bundle)).load().caption(samples).text
    captioner = Captioner(load_bundle(made[0]), RKNN).load()
    assert captioner.caption(samples).text == wanted != ""

    right = Simulated.inference
    monkeypatch.setattr(simulator, "inference", lambda self, *a, **b: [2 * array for array in right(self, *a, **b)])
    with pytest.raises(InputError, match=r"context-30016\.rknn: --engine rknn gives other cross_k than the CPU .*100% away"):
        captioner.load()


def test_a_graph_that_the_chip_cannot_hold_is_refused(made: tuple[Path, Path], tmp_path: Path) -> None:
    """The toolkit calls it a success, with lines on registers that nothing else reads."""
    from onnx import TensorProto, helper, numpy_helper

    from unmask.export.onnx.rknn import compile_graph

    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size, width]) for name, size, width in WIDE]
    kernel = numpy_helper.from_array(np.ones((8, 1, 127), np.float32), "kernel")
    node = helper.make_node("Conv", ["x", "kernel"], ["y"], strides=[64])
    model = helper.make_model(helper.make_graph([node], "wide", rows[:1], rows[1:], [kernel]), ir_version=9)
    model.opset_import[0].version = 19
    with pytest.raises(InputError, match=r"wide\.rknn: beyond what rk3588 computes: .*REGTASK"):
        compile_graph(model, tmp_path / "wide.rknn", "rk3588", PYTHON)
