"""Files here and in other storage (fsspec's URLs, such as s3://bucket/talks): listed, read, and written whole or not at all.

fsspec is imported on use: files of this machine do not need it. Knows paths and bytes. Knows no sound.
"""

import contextlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from unmask.errors import InputError
from unmask.replaced_files import replace_files

PART = re.compile(r"\.[a-z0-9_]{8}\.part$")  # as `replaced_files` and `write` name what is not whole


def is_remote(place: str) -> bool:
    """Whether a place is a URL; a letter before the colon is a drive of Windows."""
    return len(urlsplit(place).scheme) > 1


def storage(place: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path in it. Raises InputError without its package."""
    try:
        import fsspec

        found: tuple[Any, str] = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise InputError(f"{place}: cannot be reached ({error}); `pip install 'unmask[batch]'` and the package named") from error
    return found


def is_folder(place: str) -> bool:
    if not is_remote(place):
        return Path(place).is_dir()
    files, path = storage(place)
    return bool(files.isdir(path))


def files_in(folder: str) -> list[str]:
    """Paths of all files below a folder, relative to it, sorted. Raises InputError."""
    try:
        if not is_remote(folder):
            return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())
        files, path = storage(folder)
        return sorted(PurePosixPath(name).relative_to(path).as_posix() for name in files.find(path))
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror or error})") from error


def joined(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else str(Path(folder) / name)


@contextlib.contextmanager
def opened(place: str) -> Iterator[BinaryIO]:
    """A file that has a descriptor: of other storage, a copy. Raises OSError."""
    if not is_remote(place):
        with Path(place).open("rb") as file:
            yield file
        return
    files, path = storage(place)
    with tempfile.TemporaryFile() as copy:
        with files.open(path, "rb") as source:
            shutil.copyfileobj(source, copy)
        copy.seek(0)
        yield copy


def read_text(place: str) -> str:
    """Raises InputError."""
    try:
        with opened(place) as file:
            return file.read().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{place}: cannot be read as text ({error})") from error


def write(folder: str, name: str, data: bytes) -> None:
    """A file that is there whole or not at all, whenever the process dies. Raises OSError."""
    if not is_remote(folder):
        target = Path(folder) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_files({target: data})
        return
    files, path = storage(joined(folder, name))
    files.makedirs(path.rpartition("/")[0], exist_ok=True)
    part = f"{path}.{secrets.token_hex(4)}.part"
    files.pipe_file(part, data)
    files.mv(part, path)


def clear_parts(folder: str, names: Collection[str]) -> int:
    """Delete what killed runs left half written of these files; returns how many there were."""
    left = [name for name in files_in(folder) if PART.search(name) and PART.sub("", name) in names] if is_folder(folder) else []
    for name in left:
        if is_remote(folder):
            files, path = storage(joined(folder, name))
            files.rm_file(path)
        else:
            (Path(folder) / name).unlink(missing_ok=True)
    return len(left)
