"""Bytes that come in order, from a file or a pipe, with a look ahead.

Knows no format.
"""

from collections.abc import Iterator
from typing import BinaryIO

SEARCHED = 1 << 16  # bytes that are searched at once


class ByteStream:
    """Reads forward only, and never further than it is asked to: what a live pipe has not sent yet is not waited for."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw, self._held = raw, bytearray()
        self.position = 0  # bytes taken so far

    def _fill(self, size: int) -> None:
        """Hold at least `size` bytes, or all that are left."""
        while len(self._held) < size and (read := self._raw.read(size - len(self._held))):
            self._held += read

    @property
    def ahead(self) -> int:
        """Bytes that were looked at and not taken."""
        return len(self._held)

    def peek(self, size: int, start: int = 0) -> bytes:
        """The next `size` bytes after `start`, which stay; fewer at the end."""
        self._fill(start + size)
        return bytes(self._held[start : start + size])

    def take(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        self._fill(size)
        taken = bytes(self._held[:size])
        del self._held[:size]
        self.position += len(taken)
        return taken

    def skip(self, size: int) -> int:
        """Pass over `size` bytes; returns how many there were."""
        began = self.position
        while (left := size - (self.position - began)) and self.take(min(left, SEARCHED)):
            pass
        return self.position - began

    def find(self, wanted: bytes, start: int, stop: int) -> int:
        """Where in the next `stop` bytes `wanted` is, from `start` on; -1 if it is not there."""
        while True:
            known = min(len(self._held), stop)
            found = self._held.find(wanted, start, known)
            if found >= 0 or known == stop:
                return found
            start = max(start, known - len(wanted) + 1)
            self._fill(min(stop, known + 4096))
            if len(self._held) == known:
                return -1

    def chunks(self, size: int, at_once: int) -> Iterator[bytes]:
        """The next `size` bytes in parts; fewer at the end."""
        while size > 0 and (part := self.take(min(size, at_once))):
            size -= len(part)
            yield part
