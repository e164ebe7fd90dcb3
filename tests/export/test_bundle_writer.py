"""What write_bundle leaves on disk: shared aligned weights, no trace of the machine, and the old bundle when it fails."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unmask.bundle.manifest import Manifest, Vocabulary, load_bundle, read_manifest
from unmask.errors import BundleError
from unmask.export.bundle_writer import LINE_BYTES, MAPPED_BYTES, PAGE_BYTES, SMALLEST_BYTES, WEIGHTS, write_bundle
from unmask.export.modules.moonshine import Moonshine

Tensors = dict[str, NDArray[np.float32]]
TABLE = np.arange(5 * 300, dtype=np.float32).reshape(5, 300)
TOKENIZER = '{"version": "1.0"}'
LARGE = SMALLEST_BYTES  # numbers of a tensor well above the size that leaves the graph


@pytest.fixture
def manifest(fp32_bundle: Path) -> Manifest:
    return replace(load_bundle(fp32_bundle).manifest, vocabulary=Vocabulary(4, 4))


def graph_of(tensors: Tensors) -> onnx.ModelProto:
    """y = (((x + a) + b) + ...) with the tensors inside."""
    names = ["x", *(f"sum_{name}" for name in tensors)]
    nodes = [helper.make_node("Add", [names[i], name], [names[i + 1]]) for i, name in enumerate(tensors)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (names[0], names[-1])]
    inside = [numpy_helper.from_array(value, name) for name, value in tensors.items()]
    return helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], inside))


def stored(path: Path) -> dict[str, tuple[int, int] | None]:
    """Name of each tensor of a graph -> its offset and length in the weights file, or None when it is in the graph."""
    out: dict[str, tuple[int, int] | None] = {}
    for tensor in onnx.load(path, load_external_data=False).graph.initializer:
        place = {entry.key: entry.value for entry in tensor.external_data}
        assert place.get("location", WEIGHTS) == WEIGHTS
        out[tensor.name] = (int(place["offset"]), int(place["length"])) if place else None
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def numbers(seed: int, count: int = LARGE) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(count, dtype=np.float32)


# ---- weights


def test_equal_tensors_of_all_graphs_are_stored_once(tmp_path: Path, manifest: Manifest) -> None:
    shared, own = numbers(0), numbers(1)
    graphs = {"context": graph_of({"a": shared, "b": own, "c": shared}), "window": graph_of({"d": shared.reshape(2, -1)})}
    folder = write_bundle(tmp_path / "bundle", manifest, graphs, TABLE, TOKENIZER)
    first, second = stored(folder / "context.onnx"), stored(folder / "window.onnx")
    assert first["a"] == first["c"] == second["d"]
    assert first["a"] != first["b"]
    whole_lines = sum(-(-size // LINE_BYTES) * LINE_BYTES for size in (TABLE.nbytes, shared.nbytes))
    assert (folder / WEIGHTS).stat().st_size == whole_lines + own.nbytes


def test_a_tied_head_points_into_the_table(tmp_path: Path, manifest: Manifest) -> None:
    head, other = TABLE, TABLE + 1
    folder = write_bundle(tmp_path / "bundle", manifest, {"window": graph_of({"head": head, "other": other})}, TABLE, TOKENIZER)
    bundle, places = load_bundle(folder), stored(folder / "window.onnx")
    assert places["head"] == (bundle.manifest.embedding.offset, head.nbytes)
    assert places["other"] != places["head"]
    np.testing.assert_array_equal(bundle.table().gather(np.arange(5)), TABLE)


def test_tensors_read_back_and_only_small_ones_stay_in_the_graph(tmp_path: Path, manifest: Manifest) -> None:
    edge = SMALLEST_BYTES // 4
    tensors = {"large": numbers(0, 5000), "edge": numbers(1, edge), "small": numbers(2, edge - 1), "scalar": numbers(3, 1)}
    folder = write_bundle(tmp_path / "bundle", manifest, {"window": graph_of(tensors)}, TABLE, TOKENIZER)
    assert {name for name, place in stored(folder / "window.onnx").items() if place is None} == {"small", "scalar"}
    read = onnx.load(load_bundle(folder).path("window.onnx"))
    for tensor in read.graph.initializer:
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), tensors[tensor.name])


def test_a_head_that_is_the_first_rows_of_the_table_is_not_stored_again(tmp_path: Path, manifest: Manifest) -> None:
    folder = write_bundle(tmp_path / "bundle", manifest, {"window": graph_of({"head": TABLE[:4]})}, TABLE, TOKENIZER)
    assert stored(folder / "window.onnx")["head"] == (load_bundle(folder).manifest.embedding.offset, TABLE[:4].nbytes)
    assert (folder / WEIGHTS).stat().st_size == TABLE.nbytes


def test_large_tensors_start_on_a_page(tmp_path: Path, manifest: Manifest) -> None:
    large = {"a": numbers(0, MAPPED_BYTES // 4), "b": numbers(1), "c": numbers(2, MAPPED_BYTES)}
    folder = write_bundle(tmp_path / "bundle", manifest, {"window": graph_of(large)}, TABLE, TOKENIZER)
    places = stored(folder / "window.onnx")
    assert [places[name][0] % PAGE_BYTES == 0 for name in large if places[name]] == [True, places["b"][0] % PAGE_BYTES == 0, True]


def test_weights_of_exported_bundles_are_aligned_and_distinct(fp32_bundle: Path, int8_bundle: Path) -> None:
    for folder in (fp32_bundle, int8_bundle):
        places = {place for role in ("context", "window") for place in stored(folder / f"{role}.onnx").values() if place}
        assert all(offset % (PAGE_BYTES if length >= MAPPED_BYTES else LINE_BYTES) == 0 for offset, length in places)
        data = (folder / WEIGHTS).read_bytes()
        pieces = [data[offset : offset + length] for offset, length in places]
        assert [len(piece) for piece in pieces] == [length for _, length in places]
        assert len(set(pieces)) == len(pieces) > 10


def test_the_table_is_the_embedding(fp32_bundle: Path, captioner: Moonshine) -> None:
    ids = np.arange(captioner.config.vocabulary)
    rows = load_bundle(fp32_bundle).table().gather(ids)
    np.testing.assert_array_equal(rows, captioner.decoder.embed_tokens.weight.numpy()[ids])


# ---- no trace of the machine


def test_exported_bundles_name_no_path_of_the_machine(fp32_bundle: Path, int8_bundle: Path) -> None:
    traces = [str(fp32_bundle.parent), "/" + "work", str(Path.home()) + "/", "site-packages", ".py", "stack_trace"]
    for folder in (fp32_bundle, int8_bundle):
        for name in ("context.onnx", "window.onnx", "bundle.json"):
            data = (folder / name).read_bytes()
            assert [trace for trace in traces if trace.encode() in data] == [], f"{folder.name}/{name}"


def test_traces_of_nodes_are_dropped(tmp_path: Path, manifest: Manifest) -> None:
    model = graph_of({"a": numbers(0)})
    model.graph.node[0].doc_string = "secret/place.py line 1"
    model.graph.node[0].metadata_props.add(key="pkg.torch.onnx.stack_trace", value="secret/place.py line 2")
    folder = write_bundle(tmp_path / "bundle", manifest, {"window": model}, TABLE, TOKENIZER)
    assert b"secret" not in (folder / "window.onnx").read_bytes()
    assert b"secret" in model.SerializeToString()  # the caller's graph is left as it was


# ---- replacing a bundle


def test_manifest_lists_every_file_written(tmp_path: Path, manifest: Manifest) -> None:
    folder = write_bundle(tmp_path / "bundle", manifest, {"window": graph_of({"a": numbers(0)})}, TABLE, TOKENIZER)
    assert sorted(read_manifest(folder).files) == ["tokenizer.json", WEIGHTS, "window.onnx"]
    assert sorted(contents(folder)) == ["bundle.json", "tokenizer.json", WEIGHTS, "window.onnx"]
    assert (folder / "tokenizer.json").read_text(encoding="utf-8") == TOKENIZER


def test_a_second_bundle_replaces_the_first_but_for_its_card(tmp_path: Path, manifest: Manifest) -> None:
    folder = write_bundle(tmp_path / "bundle", manifest, {"old": graph_of({"a": numbers(0)})}, TABLE, TOKENIZER)
    (folder / "README.md").write_text("card", encoding="utf-8")
    write_bundle(folder, manifest, {"window": graph_of({"a": numbers(1)})}, TABLE, TOKENIZER)
    assert sorted(contents(folder)) == ["README.md", "bundle.json", "tokenizer.json", WEIGHTS, "window.onnx"]
    assert (folder / "README.md").read_text(encoding="utf-8") == "card"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("stage", ["tokenizer", "check"])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, manifest: Manifest, exists: bool, stage: str) -> None:
    folder, graphs = tmp_path / "bundle", {"window": graph_of({"a": numbers(0)})}
    if exists:
        write_bundle(folder, manifest, graphs, TABLE, TOKENIZER)
    before = contents(folder) if exists else None
    tokenizer = "\ud800" if stage == "tokenizer" else TOKENIZER  # a lone surrogate cannot be written
    wrong = manifest if stage == "tokenizer" else replace(manifest, vocabulary=Vocabulary(4, mask_id=99))
    with pytest.raises(UnicodeEncodeError if stage == "tokenizer" else BundleError):
        write_bundle(folder, wrong, {"window": graph_of({"a": numbers(1)})}, TABLE, tokenizer)
    assert list(tmp_path.iterdir()) == ([folder] if exists else [])
    assert (contents(folder) if exists else None) == before


def test_a_failing_move_leaves_the_old_bundle(tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_bundle(tmp_path / "bundle", manifest, {"window": graph_of({"a": numbers(0)})}, TABLE, TOKENIZER)
    before, failures = contents(folder), []

    def failing_once(source: os.PathLike[str], target: os.PathLike[str]) -> None:
        if Path(target) == folder and not failures:
            failures.append(source)
            raise PermissionError(13, "another program has it open", str(target))
        rename(source, target)

    rename = os.rename
    monkeypatch.setattr(os, "rename", failing_once)
    monkeypatch.setattr(os, "replace", failing_once)
    with pytest.raises(PermissionError):
        write_bundle(folder, manifest, {"window": graph_of({"a": numbers(1)})}, TABLE, TOKENIZER)
    assert list(tmp_path.iterdir()) == [folder]
    assert contents(folder) == before
