"""Files that are replaced together: all of them or none, with the permissions that they had."""

from pathlib import Path

import pytest

from unmask import replaced_files
from unmask.replaced_files import replace_files


def test_new_and_old_files_have_the_permissions_of_a_plain_write(tmp_path: Path) -> None:
    old, new, plain = (tmp_path / name for name in ("old", "new", "plain"))
    old.write_bytes(b"1")
    old.chmod(0o640)
    plain.write_bytes(b"")
    replace_files({old: b"2", new: b"3"})
    assert (old.read_bytes(), new.read_bytes()) == (b"2", b"3")
    assert [path.stat().st_mode & 0o777 for path in (old, new)] == [0o640, plain.stat().st_mode & 0o777]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old", "plain"]


def test_one_that_cannot_be_written_leaves_all_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1")
    begun = replaced_files.open_part

    def full_disk(path: Path) -> tuple[int, Path]:
        if path == second:
            raise OSError(28, "No space left on device")
        return begun(path)

    monkeypatch.setattr(replaced_files, "open_part", full_disk)
    with pytest.raises(OSError, match="No space left"):
        replace_files({first: b"2", second: b"2"})
    assert first.read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [first]
