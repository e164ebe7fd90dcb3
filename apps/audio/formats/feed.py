"""Decode bytes that come in order with libsndfile, which otherwise wants a file that it can search and a length.

Knows libsndfile. Knows no format.
"""

import contextlib
import io
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

import numpy as np

from unmask.apps.audio.formats.sound import Sound

LENGTH = 1 << 40  # bytes that a feed claims to have: libsndfile reads as far as it believes the sound to go
WINDOW = 1 << 16  # bytes before the reading position that stay
LARGEST = 1 << 16  # samples that are decoded at once, whatever rate a damaged header gives
BLOCK_S = 0.1  # decoded at once: live captions wait for no more


class Feed(io.RawIOBase):
    """Chunks of bytes as a file, for libsndfile's virtual input.

    length: of the file in bytes, by default as good as endless: then `tail` are its last bytes, where decoders look for a tag or
    for the length. An error while chunks are made cannot pass through libsndfile: it is kept in `error`, and the file ends there.
    """

    def __init__(self, chunks: Iterable[bytes], tail: bytes = b"", length: int = LENGTH) -> None:
        super().__init__()
        self._chunks, self._tail, self._length = iter(chunks), tail, length
        self._far = length // 2 if length == LENGTH else length  # from here on there are no chunks
        self._held, self._start = bytearray(), 0  # bytes, and where in the file they begin
        self._position = 0
        self.opened = False  # headers are read: bytes that were read are let go
        self.error: BaseException | None = None
        self.waiting = False  # for a chunk, which may take long

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = (0, self._position, self._length)[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        read = self._end(size) if self._position >= self._far else self._next(size)
        buffer[: len(read)] = read
        self._position += len(read)
        return len(read)

    def _end(self, size: int) -> bytes:
        """Zeros, then the tail."""
        left = self._length - self._position
        if left <= 0:
            return b""
        zeros = max(0, left - len(self._tail))
        return (bytes(min(zeros, size)) + self._tail[max(0, len(self._tail) - left) :])[:size]

    def _next(self, size: int) -> bytes:
        try:
            self.waiting = True
            while self._start + len(self._held) < self._position + size and (chunk := next(self._chunks, b"")):
                self._held += chunk
            self.waiting = False
        except (OSError, ValueError, KeyboardInterrupt, SystemExit) as error:
            self.error, self.waiting = error, False
        first = self._position - self._start
        read = bytes(self._held[first : first + size])
        if self.opened and first > 2 * WINDOW:
            del self._held[: first - WINDOW]
            self._start += first - WINDOW
        return read


def decoded(chunks: Iterable[bytes], tail: bytes = b"", length: int = LENGTH) -> Iterator[Sound]:
    """The sound of a file that comes in chunks, until its decoder ends. tail, length: as for `Feed`.

    Raises soundfile.LibsndfileError for what is no such file, or where it cannot be decoded further; OSError from the chunks.
    """
    import soundfile

    feed = Feed(chunks, tail, length)
    try:
        with signals_held(feed):
            file = sequential(feed)
        with file:
            feed.opened = True
            yield from blocks(file, feed)
    except soundfile.LibsndfileError as error:
        raise (feed.error or error) from None
    if feed.error is not None:
        raise feed.error


def blocks(file: Any, feed: Feed | None = None) -> Iterator[Sound]:
    """The sound of a soundfile.SoundFile, block by block. feed: where it reads from, if that is one."""
    room = np.empty((min(max(1, round(BLOCK_S * file.samplerate)), LARGEST), file.channels), np.float32)
    while True:
        with signals_held(feed) if feed else contextlib.nullcontext():
            count = file.buffer_read_into(room, "float32")
        if not count:
            return
        yield Sound(room[:count].copy(), file.samplerate)


@contextlib.contextmanager
def signals_held(feed: Feed) -> Iterator[None]:
    """Ctrl-C that comes while libsndfile calls a feed would be lost in it: it is heard afterwards, or while the feed waits."""
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(number))]
    if threading.current_thread() is not threading.main_thread() or not numbers:
        yield
        return
    came = list[int]()

    def hear(number: int, frame: FrameType | None) -> None:
        if feed.waiting:
            before[number](number, frame)
        else:
            came.append(number)

    before: dict[int, Any] = {number: signal.signal(number, hear) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def sequential(file: Any, **options: Any) -> Any:
    """An open soundfile.SoundFile that is not sought after each read.

    soundfile does that otherwise, and an MP3's decoder then misses what the next frame needs of the one before.
    """
    import soundfile

    class Sequential(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Sequential(file, **options)
