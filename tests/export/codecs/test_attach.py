"""Codecs beside a bundle's own graphs: written, added, replaced, carried along, and missed by name."""

import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from unmask import open_model
from unmask.bundle.codec_spec import CODECS as KINDS
from unmask.bundle.manifest import Codec, load_bundle
from unmask.errors import InputError
from unmask.export import codecs as table
from unmask.export.codecs.attach import add_codecs, write_codecs
from unmask.quant.weights.quantize import quantize_bundle

NAME = "magvit"


def toy_graph(role: str) -> onnx.ModelProto:
    """Codes are the red values of the first pixels of 16 by 16 squares, and pixels are codes over 255, thrice."""
    spec = KINDS[NAME].graphs[role]
    kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    ins, outs = (
        [helper.make_tensor_value_info(t.name, kinds[t.dtype], [int(d) if d.isdigit() else d for d in t.dims]) for t in tensors]
        for tensors in (spec.inputs, spec.outputs)
    )
    constants = {"starts": [0, 0, 0, 0], "ends": [1, 1, 9999, 9999], "steps": [1, 1, 16, 16], "axes": [0, 1, 2, 3], "two": [0, 1]}
    numbers = [onnx.numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    numbers += [onnx.numpy_helper.from_array(np.float32(value), name) for name, value in (("half", 127.5), ("one", 1))]
    if role == "image_encoder":
        nodes = [
            helper.make_node("Slice", ["pixels", "starts", "ends", "axes", "steps"], ["picked"]),
            helper.make_node("Squeeze", ["picked", "two"], ["flat"]),
            helper.make_node("Add", ["flat", "one"], ["up"]),
            helper.make_node("Mul", ["up", "half"], ["scaled"]),
            helper.make_node("Cast", ["scaled"], ["codes"], to=TensorProto.INT64),
        ]
    else:
        nodes = [
            helper.make_node("Cast", ["codes"], ["numbers"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["numbers", "half"], ["scaled"]),
            helper.make_node("Sub", ["scaled", "one"], ["unit"]),
            helper.make_node("Unsqueeze", ["unit", "two"], ["one_of_three"]),
            helper.make_node("Concat", ["one_of_three"] * 3, ["pixels"], axis=1),
        ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(nodes, role, ins, outs, [number for number in numbers if number.name in used])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec of which the real one's table knows only the graphs."""
    module = ModuleType("toy_codec")

    def write(source: Path, checkpoint: Path | None, folder: Path, say: object) -> Codec:
        for role in KINDS[NAME].graphs:
            onnx.save_model(toy_graph(role), folder / f"{role}.onnx")
        files = {role: f"{role}.onnx" for role in KINDS[NAME].graphs}
        return Codec(files, "Apache-2.0", {"source": source.name}, {"read_pixels": 64, "write_codes": 16})

    module.write = write  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_codec", module)
    monkeypatch.setitem(table.CODECS, NAME, "toy_codec")


def with_codec(omni: Path, folder: Path, source: str = "toy") -> Path:
    if not folder.exists():
        shutil.copytree(omni, folder)
    made = folder.with_name(f"made-{source}")
    codecs = write_codecs({NAME: Path(source)}, None, made, lambda line: None)
    return add_codecs(folder, made, codecs)


@pytest.mark.usefixtures("toy")
def test_a_codec_is_added_and_replaced_and_the_rest_stays(omni: Path, tmp_path: Path) -> None:
    before = load_bundle(omni).manifest
    first = load_bundle(with_codec(omni, tmp_path / "bundle")).manifest  # checks every hash
    assert first.codecs[NAME].graphs["image_encoder"] == "magvit/image_encoder.onnx"
    assert {name: file for name, file in first.files.items() if "/" not in name} == before.files
    second = load_bundle(with_codec(omni, tmp_path / "bundle", "other")).manifest
    assert second.codecs[NAME].provenance == {"source": "other"}
    assert second.files.keys() == first.files.keys()


@pytest.mark.usefixtures("toy")
def test_quantizing_carries_codecs_along(omni: Path, tmp_path: Path) -> None:
    source = with_codec(omni, tmp_path / "bundle")
    small = load_bundle(quantize_bundle(source, tmp_path / "small")).manifest
    whole = load_bundle(source).manifest
    assert small.codecs == whole.codecs
    assert small.files["magvit/image_decoder.onnx"] == whole.files["magvit/image_decoder.onnx"]


@pytest.mark.usefixtures("toy")
def test_tasks_take_and_give_pictures(omni: Path, tmp_path: Path) -> None:
    session = open_model(with_codec(omni, tmp_path / "bundle"))
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    codes = session.codecs.encode({"image": "image"}, {"image": picture})["image"]
    np.testing.assert_allclose(codes, picture[::16, ::16, 0].ravel(), atol=1)
    answer = session.run("t2i", {"text": "a red bicycle"})
    image = answer.media["image"]  # type: ignore[union-attr]
    assert image.shape == (16, 16, 3)
    assert set(answer.media) == {"image"}  # type: ignore[union-attr]


def test_a_missing_codec_is_named_with_the_command_that_adds_it(omni: Path) -> None:
    session = open_model(omni)
    with pytest.raises(InputError, match=r"no codec that reads image, .*`unmask export BUNDLE --magvit FOLDER` adds it"):
        session.run("vqa", {"text": "what is this", "image": np.zeros((64, 64, 3), np.uint8)})
    assert session.run("t2i", {"text": "x"}).media == {}  # type: ignore[union-attr]  # codes are there all the same
