"""Loading bundles: a complete one works, and each kind of damage is a BundleError that names the file and the reason."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from unmask.bundle.dataclass_json import from_json
from unmask.bundle.manifest import MANIFEST, Bundle, Manifest, load_bundle
from unmask.errors import BundleError, InputError

Raw = dict[str, Any]


@pytest.fixture
def folder(fp32_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(fp32_bundle, tmp_path / "bundle")


def edit(folder: Path, change: Callable[[Raw], object]) -> None:
    path = folder / "bundle.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    change(raw)
    path.write_text(json.dumps(raw), encoding="utf-8")


def refuses(folder: Path, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


def test_loads(folder: Path) -> None:
    bundle = load_bundle(str(folder))
    manifest = bundle.manifest
    assert bundle.folder == folder
    assert (manifest.format, manifest.family, manifest.precision) == (2, "moonshine", "fp32")
    assert manifest.vocabulary.mask_id == manifest.vocabulary.size == manifest.embedding.total
    assert manifest.transcript is not None
    assert manifest.transcript.samples_per_state == 384
    assert bundle.path("weights.bin") == folder / "weights.bin"


def test_embedding_is_mapped_and_shared(folder: Path) -> None:
    bundle = load_bundle(folder)
    table = bundle.table()
    assert isinstance(table.stored, np.memmap)
    assert not table.stored.flags.writeable


def test_int8_embedding_is_the_table_to_half_a_step(fp32_bundle: Path, int8_bundle: Path) -> None:
    table = load_bundle(int8_bundle).table()
    ids = np.arange(table.embedding.total)
    weight, rows = load_bundle(fp32_bundle).table().gather(ids), table.gather(ids)
    assert table.scales is not None
    assert rows.dtype == np.float32
    assert (np.abs(rows - weight) <= 0.51 * table.scales[:, None]).all()


def test_manifest_round_trip(folder: Path) -> None:
    manifest = load_bundle(folder).manifest
    text = manifest.to_json()
    assert from_json(Manifest, json.loads(text), "bundle.json") == manifest
    assert text == (folder / "bundle.json").read_text(encoding="utf-8")


def test_tied_head_is_stored_once(folder: Path) -> None:
    manifest = load_bundle(folder).manifest
    graph = onnx.load(folder / manifest.graphs["window"], load_external_data=False).graph
    outside = [{entry.key: entry.value for entry in tensor.external_data} for tensor in graph.initializer]
    table = manifest.embedding
    head = [place for place in outside if place.get("offset") == str(table.offset)]
    assert len(head) == 1
    assert head[0]["location"] == table.file
    assert int(head[0]["length"]) == table.rows * table.width * 4


def test_an_int8_head_is_its_embedding(int8_bundle: Path) -> None:
    manifest = load_bundle(int8_bundle).manifest
    graph = onnx.load(int8_bundle / manifest.graphs["window"], load_external_data=False).graph
    outside = [{entry.key: entry.value for entry in tensor.external_data} for tensor in graph.initializer]
    lengths = [place["length"] for place in outside if place.get("offset") == str(manifest.embedding.offset)]
    assert lengths == [str(manifest.embedding.rows * manifest.embedding.width)]


def test_schedules(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.schedule("caption").verify_lookahead == 16
    with pytest.raises(InputError, match="tiny has no task 'draw'; its tasks: caption"):
        bundle.schedule("draw")


def test_files_beside_the_listed_ones_are_ignored(folder: Path) -> None:
    (folder / "README.md").write_text("a model card", encoding="utf-8")
    assert isinstance(load_bundle(folder), Bundle)


# ---- files


def test_truncated(folder: Path) -> None:
    whole = (folder / "weights.bin").read_bytes()
    (folder / "weights.bin").write_bytes(whole[:-1])
    refuses(folder, rf"weights\.bin: {len(whole) - 1} bytes instead of {len(whole)}; it was cut short")


@pytest.mark.parametrize("name", ["weights.bin", "window.onnx", "context.onnx", "tokenizer.json"])
def test_one_bit_changed(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    refuses(folder, rf"{name}: its SHA-256 is not the one .* it was changed")


def test_file_missing(folder: Path) -> None:
    (folder / "window.onnx").unlink()
    refuses(folder, r"window\.onnx: missing, although bundle\.json lists it")


def test_folder_instead_of_a_file(folder: Path) -> None:
    (folder / "window.onnx").unlink()
    (folder / "window.onnx").mkdir()
    refuses(folder, r"window\.onnx: missing")


def test_linked_file(folder: Path) -> None:
    (folder / "weights.bin").rename(folder.with_name("elsewhere.bin"))
    (folder / "weights.bin").symlink_to(folder.with_name("elsewhere.bin"))
    refuses(folder, r"weights\.bin: a link, but a bundle has plain files only; replace it with the file that it points to")


@pytest.mark.parametrize("missing", ["no such folder", "."])
def test_no_manifest(tmp_path: Path, missing: str) -> None:
    refuses(tmp_path / missing, r"no bundle\.json here, so this is not a bundle; `unmask inspect`")


# ---- the manifest as JSON


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"weights", b"\xff\xfe\x00", b'{"format": 1', b"[" * 200_000, b'{"format": 1, "name": ' + b"1" * 5000 + b"}"],
    ids=["empty", "cut", "words", "not text", "cut later", "deeply nested", "a number of 5000 digits"],
)
def test_manifest_is_not_json(folder: Path, content: bytes) -> None:
    (folder / "bundle.json").write_bytes(content)
    refuses(folder, r"bundle\.json: not JSON .*; fetch or export the bundle again")


def test_manifest_is_enormous(folder: Path) -> None:
    with open(folder / "bundle.json", "ab") as file:
        file.truncate(1 << 21)
    refuses(folder, r"bundle\.json: larger than 1048576 bytes")


@pytest.mark.parametrize("content", ["[]", "3", '"bundle"', "null", "{}"])
def test_manifest_is_not_a_bundles(folder: Path, content: str) -> None:
    (folder / "bundle.json").write_text(content, encoding="utf-8")
    refuses(folder, r"bundle\.json: format None, but this runtime reads format 2")


@pytest.mark.parametrize("version", [0, 9, "1", None])
def test_another_format(folder: Path, version: object) -> None:
    edit(folder, lambda raw: raw.update(format=version))
    refuses(folder, rf"format {version!r}, but this runtime reads format 2; export it again or upgrade unmask")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(graps={}), "bundle.json: unknown key 'graps'; did you mean 'graphs'"),
        (lambda raw: raw["transcript"].update(slots=1), r"bundle\.json\.transcript: unknown key 'slots'; .*states_per_slot"),
        (lambda raw: raw.pop("license"), "bundle.json: the key 'license' is missing"),
        (lambda raw: raw["embedding"].pop("rows"), r"bundle\.json\.embedding: the key 'rows' is missing"),
        (lambda raw: raw.update(name=7), r"bundle\.json\.name: expected str, found int"),
        (lambda raw: raw["files"].update(x=[]), r"bundle\.json\.files\.x: expected dict, found list"),
        (lambda raw: raw["vocabulary"].update(mask_id="4"), r"bundle\.json\.vocabulary\.mask_id: expected int, found str"),
        (lambda raw: raw["vocabulary"]["ranges"].update(text=[0, "9"]), r"ranges\.text\[1\]: expected int, found str"),
        (lambda raw: raw.update(format=True), "bundle.json: format True, but this runtime reads format 2"),
        (lambda raw: raw["tasks"]["caption"].update(rule="magic"), "rule 'magic' is not one of quota, threshold, factor"),
        (lambda raw: raw["tasks"]["caption"].update(passes=0), "passes is 0; at least 1"),
        (lambda raw: raw["tasks"]["caption"].update(treshold=0.5), r"tasks\.caption: unknown key .* did you mean 'threshold'"),
    ],
)
def test_manifest_does_not_fit(folder: Path, change: Callable[[Raw], object], message: str) -> None:
    edit(folder, change)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder)
    assert str(caught.value).startswith(str(folder / MANIFEST))
    assert str(caught.value).endswith(("; fetch or export the bundle again", "; export it again or upgrade unmask"))


# ---- what the manifest says


@pytest.mark.parametrize(
    "name",
    [
        "../weights.bin",
        "..\\weights.bin",
        "/etc/passwd",
        "C:weights.bin",
        "..",
        ".",
        "",
        "bundle.json",
        "a\0b",
    ],
)
def test_file_name_that_leads_out(folder: Path, name: str) -> None:
    file = folder.with_name("weights.bin")
    file.write_bytes(b"x")
    listed = {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    edit(folder, lambda raw: raw["files"].update({name: listed}))
    refuses(folder, r"leads out of the bundle; names must be plain and inside it")


def test_file_name_too_long_for_any_disk(folder: Path) -> None:
    edit(folder, lambda raw: raw["files"].update({"a" * 400: {"bytes": 1, "sha256": "0"}}))
    refuses(folder, "aaaa")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["graphs"].update(window="other.onnx"), r"graphs\.window names 'other\.onnx', which is not among"),
        (lambda raw: raw["graphs"].update(window="../w.onnx"), r"graphs\.window names '\.\./w\.onnx', which is not among"),
        (lambda raw: raw.update(tokenizer="words.json"), r"tokenizer names 'words\.json', which is not among"),
        (lambda raw: raw["embedding"].update(file="table.bin"), r"embedding names 'table\.bin', which is not among"),
        (lambda raw: raw["embedding"].update(dtype="object"), "embedding dtype 'object' is not one of float16, float32, int8"),
        (
            lambda raw: raw["embedding"].update(dtype="int8"),
            "int8 and int4 embeddings need scales, and others have none; this one is int8",
        ),
        (
            lambda raw: raw["embedding"].update(scales=0),
            "int8 and int4 embeddings need scales, and others have none; this one is float32",
        ),
        (lambda raw: raw["embedding"].update(block=32), "int4 embeddings need an even block length, and others have none"),
        (lambda raw: raw["embedding"].update(dtype="int4", scales=0), "int4 embeddings need an even block length"),
        (
            lambda raw: raw["embedding"].update(dtype="int4", scales=0, block=7),
            "an even block length, and others have none; this one is int4 with 7",
        ),
        (
            lambda raw: raw["embedding"].update(rest={**raw["embedding"], "rows": 10**9}),
            "an embedding of 1000000000 x .* does not fit",
        ),
        (
            lambda raw: raw["embedding"].update(rest={**raw["embedding"], "file": "o.bin"}),
            "embedding names 'o.bin', which is not",
        ),
        (lambda raw: raw["embedding"].update(offset=1 << 40), r"an embedding of .* does not fit weights\.bin"),
        (lambda raw: raw["embedding"].update(offset=-4), r"an embedding of .* at -4 does not fit"),
        (lambda raw: raw["embedding"].update(rows=10**9), "an embedding of 1000000000 x .* does not fit"),
        (lambda raw: raw["embedding"].update(width=0), "an embedding of .* x 0 .* does not fit"),
        (lambda raw: raw["vocabulary"].update(mask_id=10**6), "with mask 1000000 exceeds"),
        (lambda raw: raw["vocabulary"].update(size=10**6), "vocabulary of 1000000 .* exceeds"),
        (lambda raw: raw["vocabulary"]["ranges"].update(text=[5]), r"the range \[5\] of 'text' is not within"),
        (lambda raw: raw["vocabulary"]["ranges"].update(text=[9, 9]), r"the range \[9, 9\] of 'text' is not within"),
        (lambda raw: raw["vocabulary"]["ranges"].update(text=[0, 10**6]), r"of 'text' is not within 0\.\."),
    ],
)
def test_manifest_contradicts_itself(folder: Path, change: Callable[[Raw], object], message: str) -> None:
    edit(folder, change)
    refuses(folder, message)


def test_an_empty_slot_needs_no_row(folder: Path) -> None:
    total = load_bundle(folder).manifest.embedding.total
    edit(folder, lambda raw: raw["vocabulary"].update(mask_id=total + 1))
    refuses(folder, f"with mask {total + 1} exceeds")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start_id": 10**6}, "start 1000000 and end 2 are not two ids of the"),
        ({"end_id": 1}, "start 1 and end 1 are not two ids"),
        ({"states_per_slot": -1}, "states_per_slot=-1"),
        ({"samples_per_state": 0}, "samples_per_state=0"),
        ({"longest_s": 0.5}, "longest_s=0.5"),
        ({"longest_s": float("nan")}, "NaN is not a finite number"),
        ({"tokens_per_second": 0.0}, "tokens_per_second=0.0"),
    ],
)
def test_transcript_contradicts_itself(folder: Path, change: Raw, message: str) -> None:
    edit(folder, lambda raw: raw["transcript"].update(change))
    refuses(folder, message)


def test_null_says_nothing_under_a_key_that_is_not_known(folder: Path) -> None:
    """Manifests written when there was such a key have it."""
    before = load_bundle(folder).manifest
    edit(folder, lambda raw: raw.update(timeline=None))
    assert load_bundle(folder).manifest == before
    edit(folder, lambda raw: raw.update(timeline={}))
    refuses(folder, "unknown key 'timeline'")


def package(folder: Path) -> Path:
    """A bundle with a file in a subfolder, as in CoreML packages."""
    inner = folder / "window.mlpackage" / "Data"
    inner.mkdir(parents=True)
    (inner / "weight.bin").write_bytes(b"x")
    listed = {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    bucket = {"engine": "coreml", "role": "window", "file": "window.mlpackage", "sizes": {"rows": 4}, "precision": "fp16"}
    edit(folder, lambda raw: (raw["files"].update({"window.mlpackage/Data/weight.bin": listed}), raw.update(buckets=[bucket])))
    return inner


def test_files_may_lie_in_folders_below(folder: Path) -> None:
    package(folder)
    (bucket,) = load_bundle(folder).manifest.buckets
    assert (bucket.engine, bucket.role, bucket.sizes) == ("coreml", "window", {"rows": 4})
    assert load_bundle(folder).manifest.roles >= {"window"}


def test_a_folder_below_is_no_link(folder: Path, tmp_path: Path) -> None:
    inner = package(folder)
    inner.rename(tmp_path / "elsewhere")
    inner.symlink_to(tmp_path / "elsewhere")
    refuses(folder, "a link, but a bundle has plain files only")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("file", "window", "names 'window', which is not among its files"),
        ("sizes", {}, "has no sizes of 1 or more"),
        ("sizes", {"rows": 0}, "has no sizes of 1 or more"),
    ],
)
def test_bucket_that_cannot_be(folder: Path, key: str, value: object, message: str) -> None:
    package(folder)
    edit(folder, lambda raw: raw["buckets"][0].update({key: value}))
    refuses(folder, message)
