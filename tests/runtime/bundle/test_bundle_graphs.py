"""Bad graphs and tokenizers whose hash is right: opening them is a BundleError, and none reads outside the bundle."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.errors import BundleError
from unmask.speech.captioner import Captioner

COUNT = 2048


@pytest.fixture
def folder(fp32_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(fp32_bundle, tmp_path / "bundle")


def put(folder: Path, name: str, data: bytes) -> None:
    """Write a file and list it with its correct size and hash."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")


def adds_weights_from(location: str) -> bytes:
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[COUNT], data_location=TensorProto.EXTERNAL, raw_data=b"")
    for key, value in (("location", location), ("offset", "0"), ("length", str(4 * COUNT))):
        weights.external_data.add(key=key, value=value)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [COUNT]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "add", [x], [y], [weights])
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"not a graph at all", b"\x08\x0a\x12\x03abc"], ids=["empty", "words", "no graph"])
def test_not_onnx(folder: Path, data: bytes) -> None:
    put(folder, "window.onnx", data)
    bundle = load_bundle(folder)
    engine = Engine(bundle)
    with pytest.raises(BundleError, match=r"window\.onnx: ONNX Runtime [\d.]+ cannot open it"):
        engine.load()


def test_operator_that_nobody_knows(folder: Path) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Levitate", ["x"], ["y"])], "odd", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    put(folder, "window.onnx", model.SerializeToString())
    with pytest.raises(BundleError, match=r"window\.onnx: .*Levitate"):
        Engine(load_bundle(folder)).load()


def test_weights_inside_the_bundle_are_read(folder: Path) -> None:
    weights = np.arange(COUNT, dtype=np.float32)
    put(folder, "own.bin", weights.tobytes())
    put(folder, "window.onnx", adds_weights_from("own.bin"))
    (total,) = Engine(load_bundle(folder)).load().run("window", {"x": np.ones(COUNT, np.float32)}).values()
    np.testing.assert_array_equal(total, weights + 1)


@pytest.mark.parametrize("location", ["../outside.bin", "sub/../../outside.bin", "ABSOLUTE", "link.bin", "absent.bin"])
def test_weights_outside_the_bundle_are_refused(folder: Path, location: str) -> None:
    outside = folder.with_name("outside.bin")
    outside.write_bytes(np.arange(COUNT, dtype=np.float32).tobytes())
    (folder / "sub").mkdir()
    (folder / "link.bin").symlink_to(outside)
    put(folder, "window.onnx", adds_weights_from(str(outside) if location == "ABSOLUTE" else location))
    bundle = load_bundle(folder)
    with pytest.raises(BundleError, match=r"window\.onnx: ONNX Runtime [\d.]+ cannot open it: .*[Ee]xternal data"):
        Engine(bundle).load()


def test_graph_removed_after_the_check(folder: Path) -> None:
    bundle = load_bundle(folder)
    (folder / "window.onnx").unlink()
    with pytest.raises(BundleError, match=r"window\.onnx"):
        Engine(bundle).load()


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"",
        b"not JSON",
        b"\xff\xfe\x00",
        b'{"model": []}',
        b'{"model": {"type": "Unheard"}}',
        b'{"model": {"type": "BPE"}}',
        b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["b c"]}}',
    ],
)
def test_tokenizer_that_is_none(folder: Path, data: bytes) -> None:
    put(folder, "tokenizer.json", data)
    captioner = Captioner(load_bundle(folder))
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        captioner.load()


@pytest.mark.parametrize("role", ["context", "window"])
def test_captioner_without_a_graph(folder: Path, role: str) -> None:
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    del manifest["graphs"][role]
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match=role):
        Captioner(load_bundle(folder)).load()


def test_captioner_with_its_graphs_swapped(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    manifest["graphs"] |= {"context": "window.onnx", "window": "context.onnx"}
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match=r"the context graph takes .* instead of \['samples'\]"):
        Captioner(load_bundle(folder)).load()


def test_captioner_whose_manifest_does_not_say_how_it_writes(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    del manifest["transcript"]
    (folder / "bundle.json").write_text(json.dumps(manifest | {"vocabulary": {"size": 5, "mask_id": 4}}), encoding="utf-8")
    with pytest.raises(BundleError, match="has no record of its transcript; export it again"):
        Captioner(load_bundle(folder))
