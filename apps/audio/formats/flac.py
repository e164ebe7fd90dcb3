"""Frames of FLAC: found by their headers, decoded in batches; a batch that fails, frame by frame.

libsndfile refuses what comes after the first damaged bit, and files that do not say how long they are.
"""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.apps.audio.formats.byte_stream import ByteStream
from unmask.apps.audio.formats.feed import sequential
from unmask.apps.audio.formats.mp3 import skip_tag
from unmask.apps.audio.formats.sound import Decoded, Missing, Sound
from unmask.errors import AudioError

BATCH_S = 0.5
LONGEST_HEADER = 16  # bytes of a frame's header, with its sum
BLOCK_SIZES = {1: 192, **{n: 576 << n - 2 for n in range(2, 6)}, **{n: 256 << n - 8 for n in range(8, 16)}}


def _sums() -> bytes:
    """FLAC's sum of one byte (x^8 + x^2 + x + 1), for each."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte << 1 ^ (0x07 if byte & 0x80 else 0)) & 0xFF
        table.append(byte)
    return bytes(table)


SUMS = _sums()


@dataclass(frozen=True)
class Info:
    """What a file says about itself."""

    data: bytes  # 34 bytes
    block: int  # samples of each frame but the last, if all have as many
    rate_hz: int
    channels: int
    total: int  # samples, 0: unknown
    largest: int  # bytes that no frame exceeds

    @classmethod
    def read(cls, data: bytes) -> "Info":
        packed = int.from_bytes(data[10:18], "big")
        rate_hz, channels, bits, total = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
        longest = int.from_bytes(data[2:4], "big")
        return cls(
            data, int.from_bytes(data[:2], "big"), rate_hz, channels, total, longest * channels * (bits + 1) // 8 + 64 * channels
        )

    def file(self, frames: list[bytes]) -> bytes:
        """A file of these frames alone, which says neither how long it is nor what its sum is."""
        packed = int.from_bytes(self.data[10:18], "big") >> 36 << 36
        info = self.data[:4] + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
        return b"fLaC\x80\0\0\x22" + info + b"".join(frames)


@dataclass(frozen=True)
class Header:
    """What a frame's header says."""

    start: int  # samples before it
    samples: int
    form: bytes  # what is the same in all frames: sync, rate, bits


def frame_header(data: bytes, info: Info) -> Header | None:
    """The frame that begins with these bytes, if they begin one."""
    if len(data) < 6 or data[0] != 0xFF or data[1] & 0xFE != 0xF8 or data[3] & 1:
        return None
    length = next((n for n in range(8) if not data[4] << n & 0x80), 8)  # of the number, written as UTF-8 is
    count = max(1, length)
    at, size, rate = 4 + count, data[2] >> 4, data[2] & 15
    if length in (1, 8) or len(data) < at + 5 or size == 0 or rate == 15 or data[3] >> 4 > 10:
        return None
    number = data[4] & (0x7F >> length)
    for byte in data[5:at]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    wide = {6: 1, 7: 2}.get(size, 0)
    samples = int.from_bytes(data[at : at + wide], "big") + 1 if wide else BLOCK_SIZES[size]
    at += wide + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    total = 0
    for byte in data[:at]:
        total = SUMS[total ^ byte]
    if at >= len(data) or total != data[at]:
        return None
    return Header(number if data[1] & 1 else number * info.block, samples, bytes((data[1], rate, data[3] & 15)))


def read_info(stream: ByteStream) -> Info:
    """Pass over everything before the first frame. Raises AudioError if the file ends there, or says nothing about itself."""
    while skip_tag(stream):
        pass
    info = None
    if stream.take(4) == b"fLaC":
        last = False
        while not last and len(head := stream.take(4)) == 4:
            last, size = bool(head[0] & 0x80), int.from_bytes(head[1:], "big")
            if head[0] & 0x7F == 0 and size == 34:
                info = Info.read(stream.take(size))
            else:
                stream.skip(size)
    if info is None or not info.rate_hz or not info.block:
        raise AudioError("it is FLAC whose first bytes are damaged; record or download it again")
    return info


@dataclass(frozen=True)
class Frame:
    """A frame, whole or not."""

    header: Header
    data: bytes


def frames(stream: ByteStream, info: Info) -> Iterator[Frame]:
    """All frames in order, each with the bytes up to the next: where a header is damaged, too many to be decoded."""
    at, header = _next_header(stream, info, 0, 1 << 20)
    stream.skip(at)
    while header is not None:
        at, following = _after(stream, info, header)
        yield Frame(header, stream.take(at))
        header = following


def _after(stream: ByteStream, info: Info, header: Header) -> tuple[int, Header | None]:
    """How far ahead the next frame begins, and its header: the one that continues this one, or else any later one."""
    expected, last = header.start + header.samples, info.total or 1 << 40
    near = info.largest + LONGEST_HEADER
    at, found = _next_header(stream, info, 6, near, header.form, expected, expected)
    return (at, found) if found else _next_header(stream, info, 6, 1 << 40, header.form, expected, last)


def _next_header(
    stream: ByteStream, info: Info, at: int, stop: int, form: bytes = b"", earliest: int = 0, latest: int = 1 << 40
) -> tuple[int, Header | None]:
    """Where in the next `stop` bytes, from `at` on, a frame begins of this form and at these samples, and its header.

    Without one, how many bytes were looked at, and None.
    """
    sync = bytes((0xFF, form[0])) if form else b"\xff"
    while (at := stream.find(sync, at, stop)) >= 0:
        header = frame_header(stream.peek(LONGEST_HEADER, at), info)
        if header is not None and form in (b"", header.form) and earliest <= header.start <= latest:
            return at, header
        at += 1
    return min(stop, stream.ahead), None


def sounds(stream: ByteStream) -> Iterator[Decoded]:
    """The sound of all frames; those that cannot be decoded or are not there are missing. Raises AudioError."""
    info = read_info(stream)
    heard, batch, size = 0, list[Frame](), max(1, round(BATCH_S * info.rate_hz))
    for frame in frames(stream, info):
        batch.append(frame)
        if frame.header.start + frame.header.samples - batch[0].header.start >= size:
            yield from _batch(info, batch, heard)
            heard, batch = frame.header.start + frame.header.samples, []
    if batch:
        yield from _batch(info, batch, heard)
        heard = batch[-1].header.start + batch[-1].header.samples
    if heard < info.total:
        yield Missing((info.total - heard) / info.rate_hz, silent=False)


def _batch(info: Info, batch: list[Frame], heard: int) -> Iterator[Decoded]:
    """heard: samples up to the last frame before the batch."""
    together = None if _holes(batch) else _decoded(info, batch)
    for parts in [batch] if together is not None else [[frame] for frame in batch]:
        if parts[0].header.start > heard:
            yield Missing((parts[0].header.start - heard) / info.rate_hz)
        samples = together if together is not None else _decoded(info, parts)
        heard = parts[-1].header.start + parts[-1].header.samples
        yield Missing(parts[0].header.samples / info.rate_hz) if samples is None else Sound(samples, info.rate_hz)


def _holes(batch: list[Frame]) -> bool:
    return any(one.header.start + one.header.samples != two.header.start for one, two in itertools.pairwise(batch))


def _decoded(info: Info, batch: list[Frame]) -> NDArray[np.float32] | None:
    """(N, channels), or None if one of the frames is damaged."""
    import soundfile

    room = np.empty((sum(frame.header.samples for frame in batch), info.channels), np.float32)
    try:
        with sequential(io.BytesIO(info.file([frame.data for frame in batch]))) as file:
            return room if file.buffer_read_into(room, "float32") == len(room) else None
    except soundfile.LibsndfileError:
        return None
