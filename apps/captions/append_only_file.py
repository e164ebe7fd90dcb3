"""A caption file that is complete at any moment, even after `kill -9` or a full disk.

Knows files and text. Knows no captions.
"""

import contextlib
import errno
import os
from pathlib import Path

from unmask.errors import InputError, UnmaskError


class WriteError(UnmaskError):
    """Captions could not be written to the file that the user named."""


class CaptionFile:
    """Each text is appended completely or not at all. Text that could not be written is tried again with the next one.

    Raises InputError if the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._good = 0  # bytes of complete appends
        self._waiting = b""
        self.error: OSError | None = None  # why text waits
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); choose another --output") from error

    def append(self, text: str, sync: bool = True) -> None:
        """sync: return when the text is on the disk. A failure is kept in `error` and not raised, so that captions continue."""
        self._waiting += text.encode()
        if not self._waiting:
            return
        try:
            self._write(self._waiting)
            if sync:
                self._sync()
        except OSError as error:
            self.error = error
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._good)
                os.lseek(self._file, self._good, os.SEEK_SET)
            return
        self._good += len(self._waiting)
        self._waiting, self.error = b"", None

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]

    def _sync(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # pipes and devices cannot be synced
                raise

    def close(self) -> None:
        """Raises WriteError with the missing text if some could not be written."""
        self.append("")
        os.close(self._file)
        if self._waiting:
            reason = self.error.strerror if self.error else "unknown"
            raise WriteError(f"{self.path}: {reason}; free some space. Missing text: {self._waiting.decode()}")
