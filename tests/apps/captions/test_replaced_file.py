"""Output replaces nothing until it is complete, and is never one of the inputs."""

import os
import stat
from pathlib import Path

import pytest

from unmask.apps.captions.replaced_file import ReplacedFile, check_outputs
from unmask.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_old_text_stays_until_the_new_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.srt"
    path.write_text("old")
    file = ReplacedFile(path)
    file.write("new ")
    file.write("text")
    assert path.read_text() == "old"
    file.keep()
    assert path.read_text() == "new text"
    assert names(tmp_path) == ["t.srt"]


@pytest.mark.parametrize("before", [None, "old"])
def test_dropped_text_leaves_everything_as_it_was(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "t.srt"
    if before is not None:
        path.write_text(before)
    file = ReplacedFile(path)
    file.write("half")
    file.drop()
    assert (path.read_text() if path.exists() else None) == before
    assert len(names(tmp_path)) == (before is not None)


@pytest.mark.parametrize("before", [None, "old"])
def test_interrupted_text_is_kept_and_replaces_nothing(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "t.srt"
    if before is not None:
        path.write_text(before)
    file = ReplacedFile(path)
    file.write("half")
    place = file.interrupt()
    assert place.read_text() == "half"
    assert (place == path) == (before is None)
    if before is not None:
        assert path.read_text() == before


def test_permissions_are_those_of_a_file_that_anyone_made(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("old")
    old.chmod(0o640)
    (tmp_path / "plain").write_text("")
    for path in (old, new):
        file = ReplacedFile(path)
        file.write("text")
        file.keep()
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert new.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_device_is_written_to(tmp_path: Path) -> None:
    file = ReplacedFile(Path(os.devnull))
    file.write("text")
    file.keep()
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("kind", ["a folder", "in no folder", "a name that is too long"])
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    (tmp_path / "folder").mkdir()
    path = {"a folder": "folder", "in no folder": "no/such", "a name that is too long": "x" * 300}[kind]
    with pytest.raises(InputError, match="cannot be written"):
        ReplacedFile(tmp_path / path)
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("kind", ["same name", "other spelling", "symlink", "hard link"])
def test_an_output_that_is_an_input_is_refused(tmp_path: Path, kind: str) -> None:
    recording = tmp_path / "a.flac"
    recording.write_bytes(b"sound")
    (tmp_path / "sub").mkdir()
    output = {
        "same name": recording,
        "other spelling": tmp_path / "sub" / ".." / "a.flac",
        "symlink": tmp_path / "link",
        "hard link": tmp_path / "hard",
    }[kind]
    if kind == "symlink":
        output.symlink_to(recording)
    if kind == "hard link":
        output.hardlink_to(recording)
    with pytest.raises(InputError, match=r"is the recording .* itself, which would be lost"):
        check_outputs([output], [tmp_path / "missing", recording])
    check_outputs([tmp_path / "other", tmp_path / "missing"], [tmp_path / "missing", recording])
