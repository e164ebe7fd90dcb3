"""Pages of Ogg (Vorbis, Opus, FLAC): checked, and given to decoders link by link.

libsndfile reads the first link of a chain only, passes over damaged pages as if nothing had been there, and knows no FLAC in Ogg.
"""

import contextlib
import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from unmask.apps.audio.formats import flac
from unmask.apps.audio.formats.byte_stream import ByteStream
from unmask.apps.audio.formats.feed import decoded
from unmask.apps.audio.formats.sound import Decoded, Missing
from unmask.errors import AudioError

SHORTEST_S = 0.01  # what a decoder loses at a new start is no hole
LARGEST_PAGE = 27 + 255 + 255 * 255
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
FIRST, LAST = 2, 4  # a page's flags
CODECS = {b"\x01vorbis": "Vorbis", b"OpusHead": "Opus", b"\x7fFLAC": "FLAC"}


def checksum(page: bytes) -> int:
    """Ogg's sum of a page whose own field is zero: zlib's, with the bits the other way round and without its inversions."""
    mirrored = zlib.crc32(page.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


@dataclass(frozen=True)
class Page:
    """A page, whole and checked."""

    data: bytes

    @property
    def flags(self) -> int:
        return self.data[5]

    @property
    def granule(self) -> int:
        """Samples since the link's start up to the end of the last packet that ends here; -1 if none does."""
        return int.from_bytes(self.data[6:14], "little", signed=True)

    @property
    def serial(self) -> bytes:
        return self.data[14:18]

    @property
    def number(self) -> int:
        return int.from_bytes(self.data[18:22], "little")

    @property
    def body(self) -> bytes:
        return self.data[27 + self.data[26] :]

    @property
    def lacing(self) -> bytes:
        return self.data[27 : 27 + self.data[26]]


def pages(stream: ByteStream) -> Iterator[Page]:
    """All pages that are whole; damaged ones are left out, and their numbers are then lacking."""
    while True:
        start = stream.find(b"OggS", 0, LARGEST_PAGE)
        if start < 0:
            if not stream.skip(LARGEST_PAGE - 3):
                return
            continue
        stream.skip(start)
        head = stream.peek(27)
        size = 27 + head[26] + sum(stream.peek(head[26], 27)) if len(head) == 27 else 0
        data = stream.peek(size)
        if size and len(data) == size and checksum(data[:22] + bytes(4) + data[26:]) == int.from_bytes(data[22:26], "little"):
            stream.skip(size)
            yield Page(data)
        else:
            stream.skip(4)  # an end, a damaged page, or these letters within another


def last_page(serial: bytes) -> bytes:
    """An end far away, so that libsndfile, which looks for the length there, reads on until there is no more."""
    page = b"OggS\0\0" + struct.pack("<q", 1 << 50) + serial + struct.pack("<II", 1 << 30, 0) + b"\1\0"
    return page[:22] + struct.pack("<I", checksum(page)) + page[26:]


@dataclass
class Link:
    """One stream of a chain: its headers, and where its sound has come to."""

    codec: str
    serial: bytes
    rate_hz: int  # of granules
    skipped: int  # granules before the first sample
    headers: list[bytes] = field(default_factory=list)
    heard_s: float = 0.0  # seconds since the link's start, with what is missing
    ended: bool = False

    def seconds(self, granule: int) -> float:
        return (granule - self.skipped) / self.rate_hz


def link_of(page: Page) -> Link | None:
    """The link that this first page begins, if it is sound that can be decoded."""
    body = page.body
    name = next((name for start, name in CODECS.items() if body.startswith(start)), None)
    if name == "Vorbis" and len(body) >= 16 and (rate_hz := int.from_bytes(body[12:16], "little")):
        return Link(name, page.serial, rate_hz, 0)
    if name == "Opus" and len(body) >= 12:
        return Link(name, page.serial, 48000, int.from_bytes(body[10:12], "little"))
    return Link(name, page.serial, 0, 0) if name == "FLAC" else None


def sounds(stream: ByteStream) -> Iterator[Decoded]:
    """The sound of all links. Raises AudioError if there is none that can be decoded."""
    source, link = Ahead(pages(stream)), None
    while (page := source.next()) is not None:
        begun = link_of(page) if page.flags & FIRST else None
        if begun is None:
            continue
        link = begun
        link.headers.append(page.data)
        if link.codec == "FLAC":
            yield from flac.sounds(ByteStream(io.BufferedReader(Packets(page, link_pages(source, link)))))
        else:
            yield from _link(link, source)
    if link is None:
        raise AudioError("it is Ogg without a whole first page of Vorbis, Opus or FLAC; record or download it again")
    if not link.ended:
        yield Missing(None, silent=False)


class Ahead:
    """Pages with one that may be put back."""

    def __init__(self, source: Iterator[Page]) -> None:
        self._source, self._kept = source, list[Page]()

    def next(self) -> Page | None:
        return self._kept.pop() if self._kept else next(self._source, None)

    def put_back(self, page: Page) -> None:
        self._kept.append(page)


def link_pages(source: Ahead, link: Link) -> Iterator[Page]:
    """The link's pages up to its last, or to where another link begins."""
    begun = False
    while not link.ended and (page := source.next()) is not None:
        if page.flags & FIRST and (begun or page.serial == link.serial):
            source.put_back(page)
            return
        begun = begun or not page.flags & FIRST
        if page.serial == link.serial:
            link.ended = bool(page.flags & LAST)
            yield page


def _link(link: Link, source: Ahead) -> Iterator[Decoded]:
    """Runs of pages without a hole between them, each decoded with the link's headers."""
    import soundfile

    rest, number = link_pages(source, link), 0
    for page in rest:
        number = page.number
        if page.granule > 0 or (page.granule == 0 and len(link.headers) > 3):
            break
        link.headers.append(page.data)
    else:
        return
    if page.flags & LAST:
        yield from _short(link, page)
        return
    run = Run(page, rest, number)
    while run.first is not None:
        ahead = run.until_time()
        try:
            starts_s = _end_s(link, ahead) - _length_s(link, ahead)
            if run.holes and starts_s - link.heard_s > SHORTEST_S:
                yield Missing(starts_s - link.heard_s)
            link.heard_s = starts_s  # the first run may start late: who joins a radio station starts at its clock
            for sound in decoded(_chained(link.headers, ahead, run), last_page(link.serial)):
                link.heard_s += len(sound.samples) / sound.rate_hz
                yield sound
        except soundfile.LibsndfileError:
            for _ in run:  # what cannot be decoded lacks in the times of the pages that follow
                pass
        run.next_run()


def _short(link: Link, page: Page) -> Iterator[Decoded]:
    """A link with a single page of sound, about a second: libsndfile takes one only with its true length."""
    import soundfile

    data = b"".join([*link.headers, page.data])
    with contextlib.suppress(soundfile.LibsndfileError):  # what cannot be decoded is told as no sound
        yield from decoded([data], length=len(data))


def _end_s(link: Link, data: list[bytes]) -> float:
    return link.seconds(Page(data[-1]).granule)


def _length_s(link: Link, data: list[bytes]) -> float:
    return sum(len(sound.samples) / sound.rate_hz for sound in decoded(link.headers + data, last_page(link.serial)))


def _chained(headers: Iterable[bytes], ahead: Iterable[bytes], run: "Run") -> Iterator[bytes]:
    yield from headers
    yield from ahead
    yield from run


class Run:
    """Pages whose numbers follow each other; after a hole another run begins."""

    def __init__(self, first: Page, rest: Iterator[Page], number: int) -> None:
        self.first: Page | None = first
        self._rest, self._number = rest, number - 1
        self.holes = 0

    def until_time(self) -> list[bytes]:
        """The pages up to the first that says what time it is."""
        taken = []
        for data in self:
            taken.append(data)
            if Page(data).granule >= 0:
                break
        return taken

    def __iter__(self) -> Iterator[bytes]:
        while self.first is not None and self.first.number == self._number + 1:
            page, self._number = self.first, self.first.number
            self.first = next(self._rest, None)
            yield page.data

    def next_run(self) -> None:
        if self.first is not None:
            self._number, self.holes = self.first.number - 1, self.holes + 1


class Packets(io.RawIOBase):
    """FLAC in Ogg as a file of FLAC: the packets without their pages."""

    def __init__(self, first: Page, rest: Iterator[Page]) -> None:
        super().__init__()
        self._bodies = (page.body for page in rest)
        self._held = first.body[9:]  # after the mapping's own header comes FLAC's

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        while not self._held:
            body = next(self._bodies, None)
            if body is None:
                return 0
            self._held = body
        size = min(len(buffer), len(self._held))
        buffer[:size], self._held = self._held[:size], self._held[size:]
        return size
