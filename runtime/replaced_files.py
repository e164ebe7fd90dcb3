"""Files that take the place of older ones when they are complete, and not before. Knows bytes."""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def open_part(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, open for writing, with the permissions that `path` has or would get: descriptor and place.

    Raises OSError, also for an older file that is read-only: it stays so, although its folder would let it be replaced.
    """
    if path.exists():
        path.open("a").close()
    descriptor, name = tempfile.mkstemp(".part", f"{path.name[:100]}.", path.parent)
    Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
    return descriptor, Path(name)


def replace_files(contents: Mapping[Path, bytes]) -> None:
    """Write files, each in place of an older one, once all of them are complete.

    Raises OSError for one that cannot be written; then all older files are as they were, and nothing is left beside them.
    """
    parts = dict[Path, Path]()
    try:
        for path, content in contents.items():
            descriptor, parts[path] = open_part(path)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _umask() -> int:
    """The process's mask of permissions, which the system only tells by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
