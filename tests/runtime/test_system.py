"""What the system says of its memory and disk, from files of other machines, and refusals before anything is taken."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.runtime.engines.test_devices import written
from unmask import system
from unmask.errors import InputError
from unmask.system import check_disk, check_memory, free_bytes, nearest_folder, system_fields


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"proc/meminfo": "MemTotal: 4000 kB\nMemAvailable:   2000 kB\n"}, 2000 * 1024),
        ({"proc/meminfo": "MemAvailable: 2000 kB\n", "sys/fs/cgroup/memory.max": "max\n"}, 2000 * 1024),
        (
            {
                "proc/meminfo": "MemAvailable: 2000 kB\n",
                "sys/fs/cgroup/memory.max": "1000000\n",
                "sys/fs/cgroup/memory.current": "400000\n",
            },
            600_000,
        ),
        ({"sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "4000\n"}, 0),
        ({}, None),
    ],
)
def test_free_memory_is_the_least_of_what_the_system_and_its_limits_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], free: int | None
) -> None:
    monkeypatch.setattr(system, "_address_space", lambda: None)
    assert free_bytes(written(tmp_path, files)) == free


def test_a_limit_of_address_space_is_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_address_space", lambda: 10 << 20)
    own = {"proc/meminfo": "MemAvailable: 99999 kB\n", "proc/self/status": "VmSize:\t 4096 kB\n"}
    assert free_bytes(written(tmp_path, own)) == 6 << 20


def test_memory_that_is_not_there_is_refused_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "free_bytes", lambda: 3 << 30)
    check_memory(2 << 30, "a pass over 9 rows")
    with pytest.raises(InputError, match=r"a pass over 9 rows needs 4\.0 GiB of memory, and 3\.0 GiB are free"):
        check_memory(4 << 30, "a pass over 9 rows")
    monkeypatch.setattr(system, "free_bytes", lambda: None)
    check_memory(4 << 50, "a pass")


def test_fields_of_system_files_are_the_first_of_each_key(tmp_path: Path) -> None:
    root = written(tmp_path, {"f": "a:  1\nb\t: two: three\na: 4\nno colon\n"})
    assert system_fields(root / "f") == {"a": "1", "b": "two: three"}
    assert system_fields(root / "missing") == {}


def test_a_disk_without_room_is_refused_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "not" / "there" / "yet"
    assert nearest_folder(place) == tmp_path
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free={tmp_path: 1 << 20}[path]))
    check_disk(place, 1 << 20, "the bundle")
    with pytest.raises(InputError) as told:
        check_disk(place, 3 << 20, "the bundle", "delete something")
    assert str(told.value) == f"{tmp_path}: 1.0 MiB are free, but the bundle takes 3.0 MiB; delete something"
