"""Which recordings are captioned, and where each text goes. Knows names. Opens no sound."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unmask.apps.batch.places import files_in, is_folder, is_remote, joined, read_text
from unmask.errors import InputError

SOUNDS = (
    *(".aac", ".aif", ".aiff", ".au", ".caf", ".flac", ".m4a", ".mka", ".mkv", ".mov"),
    *(".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm", ".wma"),
)
"""Endings of the recordings that are taken of a folder; a manifest may name others."""
MANIFESTS = (".txt", ".jsonl")


@dataclass(frozen=True)
class Job:
    source: str
    """Path or URL of a recording."""
    output: str
    """Path of its text below the folder of all of them, with slashes."""


def jobs_of(inputs: Iterable[str], form: str) -> list[Job]:
    """The recordings of folders (with all below them), of manifests (a path or URL a line, or JSON lines with `file`), and files.

    Raises InputError for what cannot be listed, and for two recordings whose texts would have one name.
    """
    found: dict[str, str] = {}
    for given in inputs:
        for source, name in _listed(given):
            output = PurePosixPath(name).with_suffix(f".{form}").as_posix()
            if found.setdefault(output, source) != source:
                raise InputError(f"{found[output]} and {source} would both be written to {output}; caption them apart")
    if not found:
        raise InputError("there are no recordings; name folders, manifests or files")
    return [Job(source, output) for output, source in found.items()]


def _listed(given: str) -> Iterator[tuple[str, str]]:
    """Each recording with its name: in a folder its path below it."""
    if is_folder(given):
        for name in files_in(given):
            if PurePosixPath(name).suffix.lower() in SOUNDS:
                yield joined(given, name), name
    elif PurePosixPath(given).suffix.lower() in MANIFESTS:
        folder = given.rpartition("/")[0] if is_remote(given) else str(Path(given).parent)
        for number, line in enumerate(read_text(given).splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                name = _named(given, number, line.strip())
                yield name if is_remote(name) or Path(name).is_absolute() else joined(folder, name), PurePosixPath(name).name
    else:
        yield given, PurePosixPath(Path(given).as_posix()).name


def _named(manifest: str, number: int, line: str) -> str:
    if not manifest.lower().endswith(".jsonl"):
        return line
    try:
        name = json.loads(line)["file"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{manifest}, line {number}: no JSON object with the key `file`") from error
    if not isinstance(name, str):
        raise InputError(f"{manifest}, line {number}: `file` is no text")
    return name
