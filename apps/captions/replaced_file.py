"""Output that replaces nothing until it is complete, and that is never one of the inputs.

Knows files and text. Knows no captions.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from unmask.errors import InputError
from unmask.replaced_files import open_part


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raises InputError if an output is one of the inputs: the same file, under whatever name, or a link to it."""
    given = [path for path in inputs if path.exists()]
    for output in outputs:
        for path in given:
            if output.exists() and output.samefile(path):
                raise InputError(f"{output}: is the recording {path} itself, which would be lost; choose another output")


class ReplacedFile:
    """UTF-8 text that takes the place of `path` when `keep` is called; until then `path` stays as it is.

    Raises InputError when it is made if the file cannot be written, so that no work is lost later.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.empty = path, True
        self._part: Path | None = None  # None: a device or a pipe, which is written to at once
        try:
            if path.exists() and not path.is_file():
                self._file = path.open("w", encoding="utf-8", errors="replace")
                return
            descriptor, self._part = open_part(path)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); choose another --output") from error
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace")

    def write(self, text: str) -> None:
        """Raises InputError that names the file when the disk is full; what was written before stays."""
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}; free some space and run it again") from error
        self.empty = False

    def keep(self) -> None:
        """Put the text in place of what was there."""
        self._file.close()
        if self._part is not None:
            self._part.replace(self.path)

    def drop(self) -> None:
        """Leave `path` as it was."""
        self._file.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)

    def interrupt(self) -> Path:
        """Keep what is there and replace nothing: at `path` if it did not exist, beside it otherwise. Returns where."""
        if self._part is None or not self.path.exists():
            self.keep()
            return self.path
        self._file.close()
        return self._part
