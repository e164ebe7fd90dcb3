"""A device that computes something else than the CPU does not open: its best ids are wrong, or its numbers. A right one does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import unmask.engines.onnx as onnx_engine
from unmask.bundle.graph_spec import BACKBONE, TRANSCRIPT
from unmask.bundle.manifest import load_bundle
from unmask.engines.device_check import fixed_call, on_cpu
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError

DEVICE = EngineOptions(provider="webgpu")
Change = Callable[[onnx.GraphProto, str], list[onnx.NodeProto]]


def same(graph: onnx.GraphProto, name: str) -> list[onnx.NodeProto]:
    return [helper.make_node("Identity", [f"right_{name}"], [name])]


def off_by_the_row(graph: onnx.GraphProto, name: str) -> list[onnx.NodeProto]:
    """What LiteRT's GPU does with a row of odd width: each id is as far off as its row is down."""
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
    ones = helper.make_node(
        "ConstantOfShape", ["shape_of_ids"], ["ones"], value=helper.make_tensor("v", TensorProto.INT64, [1], [1])
    )
    return [
        helper.make_node("Shape", [f"right_{name}"], ["shape_of_ids"]),
        ones,
        helper.make_node("CumSum", ["ones", "axis"], ["off_by_one"]),
        helper.make_node("Sub", ["off_by_one", "one"], ["off_by"]),
        helper.make_node("Add", [f"right_{name}", "off_by"], [name]),
    ]


def doubled(graph: onnx.GraphProto, name: str) -> list[onnx.NodeProto]:
    return [helper.make_node("Add", [f"right_{name}", f"right_{name}"], [name])]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Change], None]:
    """A device that runs graphs as the CPU does, but for one change to one output."""
    usual = onnx_engine.open_session

    def is_wrong_in(output: str, change: Change) -> None:
        def opened(graph: Path | bytes, options: EngineOptions, *more: Any) -> Any:
            if options.provider == "cpu":
                return usual(graph, options, *more)
            assert isinstance(graph, Path)
            return usual(altered(graph, output, change), EngineOptions(), *more)

        monkeypatch.setattr(onnx_engine, "open_session", opened)

    return is_wrong_in


def altered(path: Path, output: str, change: Change) -> bytes:
    model = onnx.load(path)
    graph = model.graph
    if output in [value.name for value in graph.output]:
        for node in graph.node:
            node.output[:] = [f"right_{name}" if name == output else name for name in node.output]
            node.input[:] = [f"right_{name}" if name == output else name for name in node.input]
        graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), "axis"))
        graph.node.extend(change(graph, output))
    return model.SerializeToString()


@pytest.mark.parametrize("output", ["ids", "k", "draft"])
def test_a_right_device_opens(fp32_bundle: Path, device: Callable[[str, Change], None], output: str) -> None:
    device(output, same)
    Engine(load_bundle(fp32_bundle), DEVICE).load()


def test_a_device_whose_best_ids_are_wrong_does_not_open(fp32_bundle: Path, device: Callable[[str, Change], None]) -> None:
    device("ids", off_by_the_row)
    with pytest.raises(InputError, match=r"window\.onnx: --provider webgpu gives other ids than the CPU .*\(2 of 12 are equal\)"):
        Engine(load_bundle(fp32_bundle), DEVICE).load()


def test_a_device_whose_numbers_are_wrong_does_not_open(fp32_bundle: Path, device: Callable[[str, Change], None]) -> None:
    device("v", doubled)
    with pytest.raises(InputError, match=r"gives other v than the CPU .*\(100% away\)"):
        Engine(load_bundle(fp32_bundle), DEVICE).load()


def test_heads_of_text_models_are_held_too(backbones: dict[str, Path], device: Callable[[str, Change], None]) -> None:
    device("ids", same)
    Engine(load_bundle(backbones["llada"]), DEVICE).load()
    device("ids", off_by_the_row)
    with pytest.raises(InputError, match=r"head.*\.onnx: --provider webgpu gives other ids than the CPU"):
        Engine(load_bundle(backbones["llada"]), DEVICE).load()


def test_the_cpu_is_not_held_against_itself(fp32_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    usual = onnx_engine.open_session
    monkeypatch.setattr(onnx_engine, "open_session", lambda graph, *more: opened.append(graph) or usual(graph, *more))
    Engine(load_bundle(fp32_bundle)).load()
    assert len(opened) == 2
    assert on_cpu(EngineOptions()) is None
    plain = on_cpu(EngineOptions(provider="openvino:npu", strict=True, threads=2))
    assert plain == EngineOptions(threads=2)
    assert on_cpu(EngineOptions(engine="litert", delegate="gpu")) == EngineOptions(engine="litert")
    assert on_cpu(EngineOptions(engine="coreml")) == EngineOptions(engine="coreml", units="cpu")


def test_a_call_hides_nothing_and_has_rows_in_order() -> None:
    shapes = {"rows": ("tokens", 8), "positions": ("tokens",), "past_k": (2, "past", 8)}
    feeds = fixed_call(shapes, TRANSCRIPT.graph("window"))
    assert feeds["positions"].tolist() == list(range(6))
    assert feeds["positions"].dtype == np.int64
    assert fixed_call({"positions": (4,), "mask": (4, 9)}, BACKBONE.graph("window"))["positions"].dtype == np.int32
    assert not fixed_call({"mask": (4, 9)}, BACKBONE.graph("window"))["mask"].any()
    np.testing.assert_array_equal(fixed_call(shapes, TRANSCRIPT.graph("window"))["past_k"], feeds["past_k"])
