"""A caption file that holds everything said so far, at any moment: after `kill -9`, and after a full disk.

Knows files and text. Knows no captions.
"""

import contextlib
import errno
import os
from pathlib import Path

from unmask.errors import InputError, UnmaskError


class WriteError(UnmaskError):
    """Captions could not be written to where the caller wanted them."""


class CaptionFile:
    """Text is appended whole or not at all; what could not be written is kept and tried again with what comes next.

    Raises InputError when the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._good = 0  # bytes of whole appends
        self._waiting = b""
        self.error: OSError | None = None  # why something waits
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); choose another --output") from error

    def append(self, text: str, sync: bool = True) -> None:
        """sync: let it reach the disk before returning. Failure is kept in `error`, not raised: captions go on."""
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
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a pipe or a device has nothing to sync
                raise

    def close(self) -> None:
        """Raises WriteError, with the text that is missing, when something still waits."""
        self.append("")
        os.close(self._file)
        if self._waiting:
            reason = self.error.strerror if self.error else "unknown"
            raise WriteError(f"{self.path}: {reason}; make room. What is missing in it: {self._waiting.decode()}")
