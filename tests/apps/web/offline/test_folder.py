"""The folder that `unmask export --target web` writes: whole, with a hash of each file; what it refuses, and what it replaces."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.apps.conftest import Command
from tests.apps.web.offline.vectors import TABLE, table
from unmask import load_bundle
from unmask.apps.cli.options import SHIPPED
from unmask.apps.web.offline.folder import GPU_FILES, LIST, ORT_FILES, ORT_VERSION

PACKED = (*ORT_FILES.values(), *GPU_FILES.values())
PORT = ("captioner.js", "decoding.js", "live.js", "sound.js", "text.js")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An archive as `npm pack` writes it, with the names of the real one."""
    return pack(tmp_path / "ort.tgz", {"name": "onnxruntime-web", "version": ORT_VERSION})


def pack(path: Path, described: object, names: tuple[str, ...] = PACKED) -> Path:
    files = {"package.json": json.dumps(described).encode()} | {f"dist/{name}": name.encode() for name in names}
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            part = tarfile.TarInfo(f"package/{name}")
            part.size = len(content)
            tar.addfile(part, io.BytesIO(content))
    return path


def export(command: Command, folder: Path, package: Path, *more: str, bundle: Path = SHIPPED) -> tuple[int, str]:
    done = command("export", bundle, "--target", "web", "--out", folder, "--onnxruntime-web", package, *more)
    return done.code, done.err


def test_a_page_is_written_whole(command: Command, package: Path, tmp_path: Path) -> None:
    code, said = export(command, folder := tmp_path / "web", package)
    assert code == 0
    assert "MB to load once; next: python3 -m http.server" in said
    listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in found.items() if name != LIST
    } == (listed["files"])
    assert {name.removeprefix("./") or "index.html" for name in listed["page"]} <= found.keys()
    assert load_bundle(folder / "bundle").manifest == load_bundle(SHIPPED).manifest
    for module in folder.glob("*.js"):
        for part in module.read_text(encoding="utf-8").split('from "./')[1:]:
            assert part.split('"')[0] in found, f"{module.name} imports a file that is not there"


def test_a_page_replaces_a_page_and_nothing_else(command: Command, package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "web"
    assert export(command, folder, package)[0] == 0
    (folder / "CNAME").write_text("captions.example", encoding="utf-8")
    listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
    (folder / "old.js").write_text("", encoding="utf-8")
    (folder / LIST).write_text(json.dumps(listed | {"files": listed["files"] | {"old.js": {}}}), encoding="utf-8")
    code, said = export(command, folder, package)
    assert (code, "pass --replace" in said) == (2, True)
    assert export(command, folder, package, "--replace")[0] == 0
    assert (folder / "CNAME").exists()
    assert not (folder / "old.js").exists()
    other = tmp_path / "notes"
    other.mkdir()
    (other / "notes.txt").write_text("mine", encoding="utf-8")
    code, said = export(command, other, package, "--replace")
    assert (code, "holds other files" in said) == (2, True)


def test_other_packages_are_refused_with_the_command(command: Command, tmp_path: Path) -> None:
    older = pack(tmp_path / "older.tgz", {"name": "onnxruntime-web", "version": "1.2.3"})
    partial = pack(tmp_path / "partial.tgz", {"name": "onnxruntime-web", "version": ORT_VERSION}, PACKED[:1])
    garbage = tmp_path / "garbage.tgz"
    garbage.write_bytes(b"no archive")
    listed = pack(tmp_path / "listed.tgz", [])
    for package in (older, partial, garbage, listed, tmp_path, tmp_path / "absent.tgz"):
        code, said = export(command, tmp_path / "web", package)
        assert (code, f"npm pack onnxruntime-web@{ORT_VERSION}" in said, said.count("\n")) == (2, True, 1), said
    assert not (tmp_path / "web").exists()


def test_other_bundles_are_refused(command: Command, package: Path, backbones: dict[str, Path], tmp_path: Path) -> None:
    code, said = export(command, tmp_path / "web", package, bundle=backbones["dream"])
    assert (code, "is for captioners" in said) == (2, True)
    code, said = export(command, tmp_path / "web", package, "--top", "3")
    assert (code, "not read with --target web" in said) == (2, True)


def test_a_page_for_gpus_takes_the_other_build_and_a_bundle_that_they_run(
    command: Command, package: Path, fp32_bundle: Path, tmp_path: Path
) -> None:
    code, said = export(command, tmp_path / "web", package, "--webgpu")
    assert (code, "of whose nodes WebGPU has three quarters" in said, said.count("\n")) == (2, True, 1)
    for more, files in (((), ORT_FILES), (("--webgpu", "--replace"), GPU_FILES)):
        assert export(command, folder := tmp_path / "web", package, *more, bundle=fp32_bundle)[0] == 0
        assert {path.name: path.read_text(encoding="utf-8") for path in (folder / "ort").iterdir()} == dict(files)
        assert json.loads((folder / LIST).read_text(encoding="utf-8"))["webgpu"] == bool(more)


def test_the_port_is_small() -> None:
    page = Path(__file__).parents[4] / "apps" / "web" / "offline" / "page"
    assert sum(len((page / name).read_text(encoding="utf-8").splitlines()) for name in PORT) < 800


def test_the_table_is_what_the_python_code_gives() -> None:
    """If a change is meant: python -m tests.apps.web.offline.vectors"""
    stored = json.loads(TABLE.read_text(encoding="utf-8"))
    assert json.loads(json.dumps(table())) == stored
