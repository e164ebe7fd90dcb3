"""Folders that tests make once: kept under .cache/tests until a source that makes them changes, or for one run of the tests."""

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("export", "quant", "runtime/bundle", "benchmarks/scenarios", "tests/tiny.py")
PACKAGES = ("torch", "onnx", "onnxscript", "tokenizers")
KEPT = 4  # of the latest states of the sources


@cache
def store() -> Path:
    """The folder for this state of the sources and of the packages."""
    digest = hashlib.sha256(" ".join(version(name) for name in PACKAGES).encode())
    for source in SOURCES:
        path = ROOT / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    folder = ROOT / ".cache" / "tests" / digest.hexdigest()[:16]
    if not folder.exists():
        for old in sorted(folder.parent.glob("*"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def stored(name: str, make: Callable[[Path], object]) -> Path:
    """The folder NAME or PARENT/NAME, for reading; the first of several test processes makes it and the others wait."""
    return _made(store() / name, make)


def shared(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The same for this run of the tests alone: what is made by sources that `SOURCES` does not list."""
    own = temporary.getbasetemp()  # of one of several test processes it lies in the folder of the run
    return _made((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name, make)


def _made(folder: Path, make: Callable[[Path], object]) -> Path:
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            make(part)
            part.rename(folder)
    return folder
