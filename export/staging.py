"""Write a folder beside its place and move it there when it is whole: nothing that exists is lost, and nothing half made is left.

A folder in the making is hidden, named after the folder that it becomes, and locked as long as its process lives, so that a later
run can tell what a killed one left. Knows files, and the list of files in a bundle's manifest.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unmask.bundle.dataclass_json import parse_json
from unmask.bundle.manifest import MANIFEST
from unmask.errors import InputError
from unmask.system import real

if sys.platform != "win32":
    import fcntl

MARK, OLD = "unmask-", ".old"  # no folder of anybody else has such a name


def check_target(folder: Path) -> None:
    """Raises InputError for a place where something is that is no bundle, or a bundle whose own files cannot be told."""
    if folder.is_symlink() and not folder.exists():
        raise InputError(f"{folder}: a link to {folder.readlink()}, which is not there; remove it, or choose another folder")
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: not a bundle, so it is not replaced; choose another folder")
    if folder.exists():
        _own(folder)


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder next to `folder`. It replaces `folder` when the block ends, and is deleted if the block raises.

    Files of a bundle at `folder` that its manifest does not list are carried over: a model card, notes, other folders. Raises
    InputError when the place cannot be written to, or when a file that would be carried over has the name of a new one.
    """
    folder = real(folder)  # a link to a bundle stays a link
    with temporary(folder) as part:
        yield part
        part.chmod(0o755)
        if folder.exists():
            _carry(folder, part)
        _replace(folder, part)


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """Yield an empty hidden folder next to `folder`, deleted when the block ends. Raises InputError when it cannot be written."""
    folder, held = real(folder), None
    hidden = f".{folder.name}.{MARK}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        while held is None:  # until it is ours: a run that clears up may find it before it is locked
            part = Path(tempfile.mkdtemp(prefix=hidden, dir=folder.parent))
            held = _hold(part)
        yield part
    except OSError as error:
        at = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else folder.parent
        if at not in folder.parents and not any(path.name.startswith(hidden) for path in (at, *at.parents)):
            raise  # of another file, such as one that is read
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}); choose another place") from error
    finally:
        if held is not None:
            shutil.rmtree(part, ignore_errors=True)
            held.release()


def clear_leftovers(folder: Path) -> list[str]:
    """Remove what killed runs left beside `folder` in making it, and return a line on each. Leaves what a live process makes.

    A bundle that a run had set aside and did not replace is put back.
    """
    folder = real(folder)
    hidden, lines = f".{folder.name}.{MARK}", []
    beside = [path for path in folder.parent.iterdir() if path.name.startswith(hidden)] if folder.parent.is_dir() else []
    for part in sorted(beside, key=lambda path: path.suffix != OLD):
        held = _hold(part)
        if held is None or held.lock is None:
            continue
        if part.suffix == OLD and not folder.exists():
            part.rename(folder)
            lines.append(f"put {folder} back, which an interrupted run had set aside")
        else:
            shutil.rmtree(part, ignore_errors=True)
            lines.append(f"removed {part}, which an interrupted run had left")
        held.release()
    return lines


@dataclass(frozen=True)
class _Held:
    """A folder that no other process holds. It is held until it is released, or the process ends in whatever way."""

    lock: int | None
    """A descriptor; None where the system has no locks for folders: Windows, and some network file systems."""

    def release(self) -> None:
        if self.lock is not None:
            os.close(self.lock)


def _hold(part: Path) -> _Held | None:
    """None when another process holds the folder, or it is gone."""
    if sys.platform == "win32":
        return _Held(None)
    try:
        held = _Held(os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))
    except OSError:
        return None
    try:
        fcntl.flock(held.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held.release()
        return None if isinstance(error, BlockingIOError) else _Held(None)
    if part.exists():
        return held
    held.release()
    return None


def _own(folder: Path) -> set[str]:
    """The files that belong to a bundle, of whatever format. Raises InputError when its manifest does not say."""
    try:
        files = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {MANIFEST, *(str(name) for name in files)}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / MANIFEST}: does not list the bundle's files ({type(error).__name__}), so what else lies here is not "
            "known; move it away, or choose another folder"
        ) from error


def _carry(folder: Path, part: Path) -> None:
    """Give a new bundle the files of an older one that are not the bundle's. They also stay where they are."""
    own = _own(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        inner = path.is_dir() and not path.is_symlink()
        if name in own or (inner and any(path.iterdir())):
            continue
        target = part / name
        if os.path.lexists(target) and not (inner and target.is_dir()):
            raise InputError(f"{path}: not one of the bundle's files, but the new bundle has one of that name; move it away")
        target.parent.mkdir(parents=True, exist_ok=True)
        if inner:
            target.mkdir(exist_ok=True)
        else:
            _copy(path, target)


def _copy(path: Path, target: Path) -> None:
    """A second name for the file where the disk has such, else a copy. A link stays a link."""
    try:
        os.link(path, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(path, target, follow_symlinks=False)


def _replace(folder: Path, part: Path) -> None:
    """Move `part` to `folder`. The older folder is restored when that fails."""
    if not folder.exists():
        part.rename(folder)
        return
    aside, held = part.with_name(f"{part.name}{OLD}"), _hold(folder)
    try:
        folder.rename(aside)
        try:
            part.rename(folder)
        except OSError:
            aside.rename(folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        if held is not None:
            held.release()
