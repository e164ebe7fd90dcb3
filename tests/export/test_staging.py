"""A folder in the making: what it carries over, what is left when it fails or is killed, and who clears that."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from unmask.bundle.manifest import MANIFEST
from unmask.errors import InputError
from unmask.export.staging import check_target, clear_leftovers, staging

MAKING = """
import sys, time
from pathlib import Path
from unmask.export.staging import staging
with staging(Path(sys.argv[1])) as part:
    (part / "weights.bin").write_bytes(b"half")
    print(part, flush=True)
    time.sleep(600)
"""


def fill(folder: Path, *names: str, text: str = "") -> None:
    """A folder whose manifest lists these files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text or name)
    (folder / MANIFEST).write_text(json.dumps({"files": {name: {} for name in names}}))


def tree(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    fill(folder, "window.onnx", "ml/a/graph.bin", text="old")
    return folder


def test_what_the_manifest_does_not_list_is_kept(old: Path) -> None:
    mine = {"README.md": "card", "notes/2026/a.txt": "note", "ml/mine.txt": "mine", ".gitattributes": "lfs"}
    for name, text in mine.items():
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        (old / name).write_text(text)
    (old / "link").symlink_to("README.md")
    (old / "empty" / "too").mkdir(parents=True)
    with staging(old) as part:
        fill(part, "head.onnx", text="new")
    found = tree(old)
    assert found.pop("link") == "card"
    assert found.pop(MANIFEST) == '{"files": {"head.onnx": {}}}'
    assert found == {**mine, "head.onnx": "new"}
    assert (old / "link").readlink() == Path("README.md")
    assert (old / "empty" / "too").is_dir()
    assert list(old.parent.iterdir()) == [old]


def test_a_file_that_has_the_name_of_a_new_one_is_not_overwritten(old: Path) -> None:
    (old / "head.onnx").write_text("mine")
    before = tree(old)
    with (
        pytest.raises(InputError, match=r"head.onnx: not one of the bundle's files, but the new bundle has one of that name"),
        staging(old) as part,
    ):
        fill(part, "head.onnx")
    assert tree(old) == before
    assert list(old.parent.iterdir()) == [old]


def test_a_bundle_that_does_not_say_what_is_its_own_is_not_replaced(old: Path) -> None:
    (old / MANIFEST).write_text("{}")
    with pytest.raises(InputError, match=r"bundle.json: does not list the bundle's files \(KeyError\)"):
        check_target(old)


def test_a_link_to_a_bundle_stays_a_link_and_one_to_nothing_is_refused(old: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(old)
    check_target(link)
    with staging(link) as part:
        fill(part, "head.onnx", text="new")
    assert link.readlink() == old
    assert tree(old)["head.onnx"] == "new"
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"a link to .*gone, which is not there"):
        check_target(dangling)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="bundle: cannot be written"), staging(tmp_path / "file" / "bundle"):
        pass
    with pytest.raises(InputError, match=r"bundle: cannot be written .*No space left on device"), staging(tmp_path / "bundle"):
        raise OSError(28, "No space left on device")
    with pytest.raises(FileNotFoundError, match="weights"), staging(tmp_path / "bundle"):  # what is read keeps its name
        (tmp_path / "weights").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A folder in the making of a process that was killed."""
    process = subprocess.Popen([sys.executable, "-c", MAKING, str(tmp_path / "bundle")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    part = Path(process.stdout.readline().strip())
    assert clear_leftovers(tmp_path / "bundle") == []  # it lives
    assert (part / "weights.bin").exists()
    process.kill()
    process.wait()
    return part


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be locked there")
def test_what_a_killed_run_left_is_named_and_removed_by_the_next(killed: Path) -> None:
    folder = killed.parent / "bundle"
    mine = [killed.parent / name for name in (".bundle.backup", ".bundle.12345678", ".bundle2.unmask-12345678")]
    for path in mine:
        path.mkdir()
    assert clear_leftovers(folder) == [f"removed {killed}, which an interrupted run had left"]
    assert sorted(killed.parent.iterdir()) == sorted(mine)


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be locked there")
def test_a_bundle_that_a_killed_run_had_set_aside_is_put_back(killed: Path) -> None:
    folder, aside = killed.parent / "bundle", killed.with_name(f"{killed.name}.old")
    aside.mkdir()
    fill(aside, "window.onnx")
    first, second = clear_leftovers(folder)
    assert first == f"put {folder} back, which an interrupted run had set aside"
    assert second == f"removed {killed}, which an interrupted run had left"
    assert "window.onnx" in tree(folder)
    aside.mkdir()  # killed when the new one was in its place
    assert clear_leftovers(folder) == [f"removed {aside}, which an interrupted run had left"]
    assert list(folder.parent.iterdir()) == [folder]
