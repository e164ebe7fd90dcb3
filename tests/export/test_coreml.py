"""Packages for CoreML: what they declare, how they are stored, and that evaluated in NumPy they compute what PyTorch does."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.tiny import TINY, make_captioner, make_drafter
from unmask.bundle.manifest import Bucket
from unmask.engines.padding import HIDDEN, hide
from unmask.errors import InputError
from unmask.export.coreml import CoremlForm, function_name, write_packages
from unmask.export.modules import backbone
from unmask.export.modules.moonshine import Moonshine
from unmask.export.modules.static import FixedGraph, backbone_graph, head_graph
from unmask.export.modules.static_transcript import transcript_graph

pytest.importorskip("coremltools")
from tests.export.mil_eval import DATA, Package

pytestmark = pytest.mark.convert

SIZES: list[tuple[str, dict[str, int]]] = [
    ("context", {"samples": 5000}),
    ("window", {"tokens": 4, "past": 7, "frames": 12, "listed": 2}),
    ("window", {"tokens": 6, "past": 7, "frames": 12, "listed": 2}),
]
WHOLE = ("ids", "draft")  # outputs that are numbers of tokens
Arrays = Mapping[str, NDArray[Any]]


@pytest.fixture(scope="module")
def graphs(captioner: Moonshine) -> list[FixedGraph]:
    return [transcript_graph(captioner, make_drafter(captioner), role, sizes, 2) for role, sizes in SIZES]


@pytest.fixture(scope="module")
def written(graphs: list[FixedGraph], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Bucket, ...]]:
    folder = tmp_path_factory.mktemp("fp32")
    return folder, write_packages(graphs, folder, CoremlForm("fp32"))


@pytest.fixture(scope="module")
def package(written: tuple[Path, tuple[Bucket, ...]]) -> Package:
    return Package(written[0] / "graphs.mlpackage")


def call(graph: FixedGraph, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Random inputs, with a part of what can be masked masked, and rows at places of their own."""
    rng = np.random.default_rng(seed)
    feeds = {name: rng.normal(size=tensor.shape).astype(np.float32) for name, tensor in graph.example.items()}
    for name, count in (("positions", 11), ("listed", 270), ("wanted", graph.sizes.get("rows", 0))):
        if name in feeds:
            feeds[name] = rng.permutation(count)[: len(feeds[name])].astype(np.int32)
    for name in ("mask", "step_mask", "frame_mask", "slot_mask"):
        if name in feeds:
            feeds[name] = np.broadcast_to(hide(feeds[name].shape[-1] - 2, feeds[name].shape[-1]), feeds[name].shape).copy()
    if "bias" in feeds:
        feeds["bias"] = np.where(rng.random(feeds["bias"].shape) < 0.5, HIDDEN, np.float32(0))
    if "scale" in feeds:
        feeds["scale"] = np.ones(1, np.float32)
    return feeds


def torch_outputs(graph: FixedGraph, feeds: Arrays) -> dict[str, NDArray[Any]]:
    with torch.no_grad():
        made = graph.module(*(torch.from_numpy(feeds[name]) for name in graph.example))
    return {name: tensor.numpy() for name, tensor in zip(graph.outputs, made, strict=True)}


def largest_error(package: Package, graph: FixedGraph, function: str) -> float:
    """Over all outputs but ids, as a share of the output's standard deviation; of `sure`, which are probabilities, as it is.

    Of four slots two are padding, where it is 1 in every form, so that its deviation says nothing.
    """
    feeds = call(graph)
    expected, found = torch_outputs(graph, feeds), package(function, feeds)
    spread = {name: 1.0 if name == "sure" else float(expected[name].std()) for name in graph.outputs if name not in WHOLE}
    return max(float(np.abs(found[name] - expected[name]).max()) / deviation for name, deviation in spread.items())


def test_a_package_declares_our_names_shapes_and_functions(
    written: tuple[Path, tuple[Bucket, ...]], package: Package, graphs: list[FixedGraph]
) -> None:
    folder, buckets = written
    assert [path.name for path in folder.iterdir()] == ["graphs.mlpackage"]
    assert [(b.role, b.sizes, b.file, b.precision) for b in buckets] == [(*size, "graphs.mlpackage", "fp32") for size in SIZES]
    assert package.spec.specificationVersion == 9  # iOS 18, macOS 15
    assert set(package.spec.mlProgram.functions) == {bucket.function for bucket in buckets}
    for graph, bucket in zip(graphs, buckets, strict=True):
        described = package.description(bucket.function)
        shapes = {given.name: tuple(given.type.multiArrayType.shape) for given in described.input}
        assert shapes == {name: tuple(tensor.shape) for name, tensor in graph.example.items()}
        expected = torch_outputs(graph, call(graph))
        made = {one.name: tuple(one.type.multiArrayType.shape) for one in described.output}
        assert made == {name: array.shape for name, array in expected.items()}
        kinds = {one.name: one.type.multiArrayType.dataType for one in described.output}
        assert kinds == {name: 131104 if name == "ids" else 65568 for name in expected}  # int32, float32


def test_fp32_is_what_pytorch_computes(package: Package, graphs: list[FixedGraph]) -> None:
    for graph in graphs:
        feeds = call(graph)
        found, expected = package(function_name(graph), feeds), torch_outputs(graph, feeds)
        for name in graph.outputs:
            np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-4, err_msg=f"{graph.role} {name}")


@pytest.fixture(scope="module")
def wide() -> list[FixedGraph]:
    """A window whose matrices have whole blocks."""
    model = make_captioner(replace(TINY, width=64, feed_forward=64))
    return [transcript_graph(model, None, *SIZES[1], 2)]


@pytest.fixture(scope="module")
def coarse(wide: list[FixedGraph], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It in int4."""
    folder = tmp_path_factory.mktemp("int4")
    write_packages(wide, folder, CoremlForm("int4"))
    return folder / "graphs.mlpackage"


@pytest.mark.parametrize(("precision", "error"), [("fp16", 0.02), ("int8", 0.1)])
def test_smaller_forms_stay_near(graphs: list[FixedGraph], tmp_path: Path, precision: str, error: float) -> None:
    """error: the largest, in standard deviations of the output; random weights of a width of 32 average little out."""
    some = graphs[:2]
    write_packages(some, tmp_path, CoremlForm(precision))
    made = Package(tmp_path / "graphs.mlpackage")
    assert 1e-5 < max(largest_error(made, graph, function_name(graph)) for graph in some) < error
    for graph in some:
        assert ("constexpr_blockwise_shift_scale" in kinds(made, function_name(graph))) == (precision != "fp16")


def test_int4_has_a_scale_for_each_block(wide: list[FixedGraph], coarse: Path) -> None:
    made, (graph,) = Package(coarse), wide
    assert 1e-5 < largest_error(made, graph, function_name(graph)) < 1.5
    packed = [operation for operation in made.operations(function_name(graph)) if operation.type.startswith("constexpr_")]
    assert packed
    for operation in packed:
        data, scale = (dims(operation.inputs[name].arguments[0].value) for name in ("data", "scale"))
        assert scale == (data[0], data[1] // 32)


def dims(value: Any) -> tuple[int, ...]:
    return tuple(int(dimension.constant.size) for dimension in value.type.tensorType.dimensions)


def test_a_constant_that_is_bias_and_norm_at_once(tmp_path: Path) -> None:
    """Zeros of both are one constant of the package."""
    module = torch.nn.Sequential(torch.nn.LayerNorm(128), torch.nn.Linear(128, 128)).requires_grad_(False)
    module[1].bias.zero_()
    graph = FixedGraph("head", {"wanted": 4}, module.eval(), {"input": torch.zeros(4, 128)}, ("logits",))
    write_packages([graph], tmp_path, CoremlForm("int8"))
    made = Package(tmp_path / "graphs.mlpackage")
    assert "constexpr_blockwise_shift_scale" in kinds(made, function_name(graph))
    feeds = {"input": np.random.default_rng(0).normal(size=(4, 128)).astype(np.float32)}
    with torch.no_grad():
        expected = module(torch.from_numpy(feeds["input"])).numpy()
    np.testing.assert_allclose(made(function_name(graph), feeds)["logits"], expected, atol=0.05)


def test_before_ios_18_each_graph_is_a_package(graphs: list[FixedGraph], tmp_path: Path) -> None:
    (bucket,) = write_packages(graphs[1:2], tmp_path, CoremlForm("int8", "macOS14"))
    assert (bucket.file, bucket.function) == ("window_tokens4_past7_frames12_listed2.mlpackage", "")
    made = Package(tmp_path / bucket.file)
    assert made.spec.specificationVersion == 8
    assert "constexpr_affine_dequantize" in kinds(made, "main")
    assert 1e-5 < largest_error(made, graphs[1], "main") < 0.1


def kinds(package: Package, function: str) -> set[str]:
    return {operation.type for operation in package.operations(function)}


def test_functions_share_their_weights(package: Package, graphs: list[FixedGraph]) -> None:
    small, large = (blobs(package, function_name(graph)) for graph in graphs[1:3])
    assert len(small) > 20
    assert len(small - large) <= 2  # the constants for the sizes themselves


def blobs(package: Package, function: str) -> set[int]:
    """Places of a function's large constants in the weights file."""
    values = (operation.attributes["val"] for operation in package.operations(function) if operation.type == "const")
    return {value.blobFileValue.offset for value in values if value.WhichOneof("value") == "blobFileValue"}


def test_the_same_graphs_give_the_same_bytes_and_no_path(wide: list[FixedGraph], coarse: Path, tmp_path: Path) -> None:
    write_packages(wide, tmp_path, CoremlForm("int4"))
    one, other = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (coarse, tmp_path / "graphs.mlpackage")
    )
    assert one == other
    assert {str(path.name) for path in one} == {"Manifest.json", "model.mlmodel", "weight.bin"}
    for root in (tmp_path, Path.home(), Path.cwd()):
        assert str(root).encode() not in one[DATA / "model.mlmodel"]


def test_a_backbone_keeps_its_angles_in_32_bits(tmp_path: Path) -> None:
    """In 16 bits the angles of far positions are off by as much as a radian, and keys with them."""
    torch.manual_seed(0)
    config = backbone.BackboneConfig(2, 32, 4, 2, 8, 48, 60, 1e-6, 1e4, qkv_bias=True, qk_norm=True)
    model = backbone.BackboneModel(config).eval().requires_grad_(False)
    head = torch.nn.Parameter(torch.randn(60, 32), requires_grad=False)
    some = [backbone_graph(model, {"rows": 6, "wanted": 4, "slots": 3000}), head_graph("head", head, (0, 60), {"wanted": 4}, 8)]
    for precision, error in (("fp32", 1e-4), ("fp16", 0.02)):
        write_packages(some, tmp_path / precision, CoremlForm(precision))
        made = Package(tmp_path / precision / "graphs.mlpackage")
        assert max(largest_error(made, graph, function_name(graph)) for graph in some) < error


def test_what_a_form_cannot_be() -> None:
    with pytest.raises(InputError, match="int4 needs iOS18 or macOS15, and the deployment target is iOS17"):
        CoremlForm("int4", "iOS17")
    with pytest.raises(InputError, match="deployment target 'iOS12' is not one of iOS17"):
        CoremlForm("fp16", "iOS12")
    with pytest.raises(InputError, match="not made in 'int2'"):
        CoremlForm("int2")


def test_without_coremltools(graphs: list[FixedGraph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(InputError, match=r"pip install 'unmask\[coreml,export\]'"):
        write_packages(graphs, tmp_path)
