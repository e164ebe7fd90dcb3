"""Files of each modality: what a task's inputs are read from, and what its answer is written to.

Knows names and first bytes of files; the readers and writers of each modality are imported on use. Knows no codec.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError
from unmask.replaced_files import replace_files

NUMBERS = b"0123456789 \t\r\n,"
STANDARD_INPUT = Path("-")
CHECKED = 64  # bytes: a file that begins with so many of NUMBERS holds codes


@dataclass(frozen=True)
class ModalityFiles:
    """How files of a modality are read and written. reader, encoder: module:function."""

    reader: str
    """path -> the modality's own array."""
    encoder: str = ""
    """(its own array, suffix), and for sound its rate -> the bytes of a file."""
    suffixes: tuple[str, ...] = ()
    """Of files that are written."""
    piped: bool = False
    """The reader takes - for standard input."""


FILES = {
    "image": ModalityFiles("unmask.apps.modalities.pictures:read_picture", "unmask.apps.modalities.pictures:png", (".png",)),
    "speech": ModalityFiles(
        "unmask.apps.modalities.sounds:read_sound", "unmask.apps.modalities.spoken:wav", (".wav",), piped=True
    ),
}
"""The one table of modalities that files are read and written for."""


def read_input(modality: str, path: Path, rate_hz: int | None = None) -> Sequence[int] | NDArray[Any]:
    """The codes of a file of whole numbers, else what the modality's reader makes of it.

    rate_hz: of sound, by default 16 kHz. Raises UnmaskError that names the file for one that cannot be read.
    """
    if path == STANDARD_INPUT:
        if not (modality in FILES and FILES[modality].piped):
            raise InputError(f"the input {modality} is read from a file, not from standard input")
        return _read(modality, path, rate_hz)
    try:
        with path.open("rb") as file:
            start = file.read(CHECKED)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if modality not in FILES or not start.strip(NUMBERS) or path.suffix == ".txt":
        return read_codes(path)
    return _read(modality, path, rate_hz)


def _read(modality: str, path: Path, rate_hz: int | None) -> NDArray[Any]:
    read: NDArray[Any] = _function(FILES[modality].reader)(path, *([] if rate_hz is None else [rate_hz]))
    return read


def read_codes(path: Path) -> list[int]:
    """Whole numbers, separated by spaces, commas or line ends. Raises InputError for another file."""
    try:
        codes = np.array(path.read_text(encoding="utf-8").replace(",", " ").split(), dtype=np.int64)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a file of whole numbers ({error})") from error
    return [int(code) for code in codes]


@dataclass(frozen=True)
class Output:
    """Where a part of an answer goes. Checked before anything is generated; raises InputError."""

    path: Path
    modality: str
    option: str = "--output"

    @staticmethod
    def of(path: Path, gives: Sequence[str], option: str = "--output") -> "Output":
        """path: named after what is written to it. gives: the modalities of the answer. option: that named the path."""
        possible = {name: FILES[name].suffixes for name in gives if name in FILES and FILES[name].suffixes}
        for name, suffixes in possible.items():
            if path.suffix.lower() in suffixes:
                if not path.parent.is_dir():
                    raise InputError(f"{path}: there is no folder {path.parent}; make it first")
                return Output(path, name, option)
        known = " or ".join(f"{name} to a {' or '.join(suffixes)} file" for name, suffixes in possible.items())
        raise InputError(f"{option} {path}: this task gives {', '.join(gives)}; it writes {known or 'no file: text is printed'}")

    def write(self, media: NDArray[Any], rate_hz: int | None = None) -> None:
        """Replaces an older file once the new one is complete. rate_hz: of sound. Raises InputError when it cannot be written."""
        data = encoded(self.modality, media, self.path.suffix.lower(), rate_hz)
        try:
            replace_files({self.path: data})
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror}); choose another {self.option}") from error


def encoded(modality: str, media: NDArray[Any], suffix: str | None = None, rate_hz: int | None = None) -> bytes:
    """A file of a modality's own array, by default with the first of its suffixes. rate_hz: of sound."""
    files = FILES[modality]
    data: bytes = _function(files.encoder)(media, suffix or files.suffixes[0], *([] if rate_hz is None else [rate_hz]))
    return data


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
