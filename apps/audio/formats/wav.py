"""WAV and its relatives (RIFX, RF64): the header with its sizes, which are often not true, and the sound after it.

Any sample format that libsndfile knows; from a pipe as from a file. Chunks after the sound are not heard.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from unmask.apps.audio.formats import mp3
from unmask.apps.audio.formats.byte_stream import ByteStream
from unmask.apps.audio.formats.feed import decoded
from unmask.apps.audio.formats.sound import Decoded, Missing
from unmask.errors import AudioError

PCM, FLOAT, MPEG, EXTENSIBLE = 1, 3, 0x55, 0xFFFE  # format tags
UNKNOWN = 0x7FFF_F000  # sizes from here on are what programs write that do not know it yet
PART = 1 << 30  # bytes that are decoded with one header: a size has 32 bits


@dataclass(frozen=True)
class Header:
    """What comes before the sound."""

    form: bytes  # RIFF or RIFX, for the order of bytes
    chunk: bytes  # the format chunk's body
    size: int | None  # bytes of sound; None: up to the end

    @property
    def order(self) -> str:
        return ">" if self.form == b"RIFX" else "<"

    def number(self, form: str, start: int) -> int:
        """A number of the format chunk."""
        return int(struct.unpack_from(self.order + form, self.chunk, start)[0])

    @property
    def tag(self) -> int:
        tag = self.number("H", 0)
        return self.number("H", 24) if tag == EXTENSIBLE and len(self.chunk) >= 26 else tag

    @property
    def bytes_a_second(self) -> int:
        return max(1, self.number("I", 8))

    @property
    def align(self) -> int:
        """Bytes that belong together: one sample of each channel, or a block of a compressed form."""
        return max(1, self.number("H", 12))

    def file(self, size: int) -> bytes:
        """A header for `size` bytes of sound."""
        chunk = self.chunk
        if self.number("H", 0) == EXTENSIBLE and self.tag in (
            PCM,
            FLOAT,
        ):  # the plain form says as much
            chunk = struct.pack(self.order + "H", self.tag) + chunk[2:16]
        chunks = b"WAVEfmt " + struct.pack(self.order + "I", len(chunk)) + chunk
        if self.tag not in (PCM, FLOAT):  # compressed: a count of samples is expected, and not believed
            chunks += b"fact" + struct.pack(self.order + "II", 4, 0)
        chunks += b"data" + struct.pack(self.order + "I", size)
        return self.form + struct.pack(self.order + "I", len(chunks) + size) + chunks


def read_header(stream: ByteStream) -> Header:
    """Leaves the stream at the sound. Raises AudioError if it does not come so far."""
    form, whole, kind = (head := stream.take(12))[:4], head[4:8], head[8:]
    order = ">" if form == b"RIFX" else "<"
    chunk, long = b"", None
    while kind == b"WAVE" and len(head := stream.take(8)) == 8:
        name, size = head[:4], struct.unpack(order + "I", head[4:])[0]
        if name == b"data" and len(chunk) >= 16:
            total = struct.unpack(order + "I", whole)[0]
            return Header(b"RIFX" if form == b"RIFX" else b"RIFF", chunk, _size(size, long, stream.position, total))
        if name == b"fmt " and 16 <= size < 1 << 16:
            chunk = stream.take(size)
            stream.skip(size % 2)
        elif name == b"ds64" and 24 <= size < 1 << 16:
            long = struct.unpack("<QQ", stream.take(size)[:16])[1]
        else:
            stream.skip(size + size % 2)
    raise AudioError("it is WAV whose header is incomplete or damaged; record or download it again")


def _size(size: int, long: int | None, position: int, whole: int) -> int | None:
    """Bytes of sound; None where the header does not know. long: the size that RF64 gives. whole: the file's, less 8."""
    if long is not None and size == 0xFFFF_FFFF:
        return long or None
    unknown = size >= UNKNOWN or (size == 0 and whole + 8 <= position)  # else other chunks follow, and there is no sound
    return None if unknown else size


def sounds(stream: ByteStream) -> Iterator[Decoded]:
    """The sound. Raises AudioError for a broken header or a form of sound that cannot be decoded."""
    import soundfile

    header = read_header(stream)
    began = stream.position
    if header.tag == MPEG:
        yield from mp3.sounds(stream)
        return
    whole = PART // header.align * header.align
    while (size := whole if header.size is None else min(whole, header.size - (stream.position - began))) > 0:
        if not stream.peek(1):
            break
        try:
            yield from decoded(_part(header, stream, size), length=len(header.file(size)) + size)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"it is WAV of format {header.tag:#x}, which is not supported; convert it to PCM first") from error
    if header.size is not None and (lacking := header.size - (stream.position - began)) > header.align:
        yield Missing(lacking / header.bytes_a_second, silent=False)


def _part(header: Header, stream: ByteStream, size: int) -> Iterator[bytes]:
    yield header.file(size)
    yield from stream.chunks(size, max(512, header.bytes_a_second // 20))
