"""Stored settings: their files, what they apply to, and files that are not settings."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from unmask import EngineOptions, Schedule, load_bundle
from unmask.bundle.manifest import Bundle
from unmask.errors import InputError
from unmask.tuned_settings import (
    FORMAT,
    Figures,
    Other,
    Tuned,
    bundle_key,
    device_key,
    forget,
    read_tuned,
    setting_file,
    write_tuned,
)
from unmask.user_cache import cache_folder

FIGURES = Figures("a window", 40.0, 50.0, "words right", 0.95, 0.95)


@pytest.fixture
def bundle(fp32_bundle: Path) -> Bundle:
    return load_bundle(fp32_bundle)


@pytest.fixture
def tuned(bundle: Bundle) -> Tuned:
    how = EngineOptions()
    key = bundle_key(bundle.folder), device_key(how)
    engine, schedule = EngineOptions(threads=2), Schedule(passes=1, verify=7)
    return Tuned(FORMAT, "caption", *key, engine, schedule, FIGURES, Other("elsewhere", "00"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"UNMASK_CACHE": "/mine", "XDG_CACHE_HOME": "/xdg"}, Path("/mine")),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, Path("/xdg/unmask")),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/unmask"),
        ("linux", {}, Path.home() / ".cache/unmask"),
        ("darwin", {"XDG_CACHE_HOME": "/xdg"}, Path.home() / "Library/Caches/unmask"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/unmask/Cache")),
        ("win32", {}, Path.home() / "AppData/Local/unmask/Cache"),
    ],
)
def test_caches_lie_where_each_system_has_them(platform: str, environment: dict[str, str], folder: Path) -> None:
    assert cache_folder(platform, environment) == folder


def no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_without_a_home_folder_nothing_is_stored_and_nothing_stops(
    bundle: Bundle, tuned: Tuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UNMASK_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    for platform in ("linux", "darwin", "win32"):
        with pytest.raises(InputError, match="no home folder, so nothing is stored; set UNMASK_CACHE"):
            cache_folder(platform, {})
    assert cache_folder("linux", {"XDG_CACHE_HOME": "/xdg"}) == Path("/xdg/unmask")
    assert read_tuned(bundle, "caption", EngineOptions()) is None
    with pytest.raises(InputError, match="no home folder"):
        write_tuned(tuned)


def test_what_is_written_is_read(bundle: Bundle, tuned: Tuned, cache: Path) -> None:
    assert read_tuned(bundle, "caption", EngineOptions()) is None
    path = write_tuned(tuned)
    assert path.parent == cache / "tuned"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert read_tuned(bundle, "caption", EngineOptions()) == tuned
    forget(bundle, "caption", EngineOptions())
    forget(bundle, "caption", EngineOptions())
    assert read_tuned(bundle, "caption", EngineOptions()) is None


def test_a_setting_is_of_one_bundle_task_and_device(
    bundle: Bundle, tuned: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tuned(tuned)
    shutil.copytree(bundle.folder, tmp_path / "copy")
    copy = load_bundle(tmp_path / "copy")
    assert read_tuned(copy, "caption", EngineOptions(threads=4)) == tuned  # wherever it lies, however many threads are asked for
    assert read_tuned(bundle, "another", EngineOptions()) is None
    assert read_tuned(bundle, "caption", EngineOptions(static=True)) is None
    text = (copy.folder / "bundle.json").read_text(encoding="utf-8")
    (copy.folder / "bundle.json").write_text(text.replace("MIT", "Apache-2.0"), encoding="utf-8")
    assert read_tuned(load_bundle(copy.folder), "caption", EngineOptions()) is None
    monkeypatch.setattr("unmask.tuned_settings.engine_version", lambda engine: "99.0")
    assert read_tuned(bundle, "caption", EngineOptions()) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"passes": 1', '"passes": 0'),
        lambda text: text.replace('"passes": 1', '"passes": "1"'),
        lambda text: text.replace('"threads": 2', '"threads": 2, "thread": 3'),
        lambda text: text.replace('"format": 2', '"format": 1'),
        lambda text: text.replace('"task": "caption"', '"task": "other"'),
        lambda text: text + " " * 70000 + "x",
        lambda text: "[" * 60000,
    ],
)
def test_a_file_that_is_no_setting_is_a_typed_error(bundle: Bundle, tuned: Tuned, change) -> None:  # type: ignore[no-untyped-def]
    path = write_tuned(tuned)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError, match="run `unmask tune` again or delete it"):
        read_tuned(bundle, "caption", EngineOptions())


def test_bytes_that_are_no_text(bundle: Bundle, tuned: Tuned) -> None:
    write_tuned(tuned).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a stored setting"):
        read_tuned(bundle, "caption", EngineOptions())


def test_a_cache_that_cannot_be_written(tuned: Tuned, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(InputError, match="set UNMASK_CACHE"):
        write_tuned(tuned)


def test_the_name_says_nothing_and_the_file_everything(tuned: Tuned) -> None:
    written = json.loads(write_tuned(tuned).read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(dataclasses.asdict(tuned)))
    assert setting_file("a", "b", "c") != setting_file("a", "c", "b")
