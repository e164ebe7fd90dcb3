"""What is captioned or answered, and where each result goes. Knows names. Opens no sound and no picture."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from unmask.apps.batch.places import files_in, is_folder, is_remote, joined, read_text
from unmask.bundle.dataclass_json import parse_json
from unmask.errors import InputError
from unmask.session import Task

SOUNDS = (
    *(".aac", ".aif", ".aiff", ".au", ".caf", ".flac", ".m4a", ".mka", ".mkv", ".mov"),
    *(".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm", ".wma"),
)
"""Endings of the recordings that are taken of a folder; a manifest may name others."""
MANIFESTS = (".txt", ".jsonl")


@dataclass(frozen=True)
class Job:
    source: str
    """Path or URL of a recording, or the line of a manifest."""
    output: str
    """Path of its result below the folder of all of them, with slashes."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Of a task that is no caption: name of each input -> a text, or the path of a file."""


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
    return _texts(f"{manifest}, line {number}", line, ["file"])["file"]


def _texts(where: str, line: str, keys: Iterable[str], optional: Iterable[str] = ()) -> dict[str, str]:
    """A JSON object that holds these texts. Raises InputError for another."""
    try:
        found: dict[str, Any] = parse_json(line)
        for key in (*keys, *(key for key in optional if key in found)):
            if not isinstance(found[key], str):
                raise InputError(f"{where}: `{key}` is no text")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where}: no JSON object with {' and '.join(f'the key `{key}`' for key in keys)}") from error
    return found


def prompts_of(manifests: Iterable[str], task: Task, suffix: str) -> list[Job]:
    """The prompts of manifests: JSON lines with each input of a task, and `name` where its result is not to be named by number.

    Of text a line holds the text, of other modalities a path, seen from the manifest; what the task can do without may be left
    out. Raises InputError.
    """
    found: dict[str, Job] = {}
    for given in manifests:
        for job in _asked(given, task, suffix):
            if found.setdefault(job.output, job) is not job:
                raise InputError(f"{found[job.output].source} and {job.source} would both be written to {job.output}; rename one")
    if not found:
        raise InputError("there are no prompts; name .jsonl files that have some")
    return list(found.values())


def _asked(manifest: str, task: Task, suffix: str) -> Iterator[Job]:
    """Each prompt of one manifest."""
    path = PurePosixPath(Path(manifest).as_posix())
    if path.suffix.lower() != ".jsonl":
        raise InputError(f"{manifest}: prompts are lines of a .jsonl file, objects with {', '.join(task.required)}")
    folder = Path(manifest).absolute().parent
    for number, line in enumerate(read_text(manifest).splitlines(), 1):
        if not line.strip():
            continue
        where = f"{manifest}, line {number}"
        texts = _texts(where, line, task.required, task.optional)
        given = {name: kind for name, kind in task.inputs.items() if name in texts}
        inputs = {name: texts[name] if kind == "text" else str(folder / texts[name]) for name, kind in given.items()}
        output = PurePosixPath(f"{texts.get('name', f'{path.stem}-{number:06}')}{suffix}")
        if output.is_absolute() or ".." in output.parts:
            raise InputError(f"{where}: {texts['name']!r} is no name of a file below --out")
        yield Job(where, output.as_posix(), inputs)
