"""Frames of MPEG audio (MP3, layers 1 to 3): found by their headers, decoded without those that are damaged.

libsndfile stops at a length that it estimates from the first frames, and at 1024 bytes that are no frame.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from unmask.apps.audio.formats.byte_stream import ByteStream
from unmask.apps.audio.formats.feed import decoded
from unmask.apps.audio.formats.sound import Decoded, Missing, Sound

KBITS = {  # by generation (1; 2 and 2.5) and layer, for the header's numbers 1 to 14
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by the header's version
DECODER_DELAY = 529  # samples of a layer 3 decoder
TAIL = bytes(128)  # where a tag of the first version would be
UNHEARD_S = 1.0  # bytes after the last frame that would be less than this are taken for filling


@dataclass(frozen=True)
class Frame:
    """What a frame's header says."""

    kind: tuple[int, int, int, bool]  # version, layer, rate, one channel: frames of one kind make one stream
    size: int  # bytes
    samples: int  # for each channel

    @property
    def rate_hz(self) -> int:
        return self.kind[2]

    @property
    def tag_at(self) -> int:
        """Where the encoder's tag is in a first frame: after the header and the side information."""
        version, _, _, mono = self.kind
        return 4 + ((17 if mono else 32) if version == 3 else (9 if mono else 17))


def frame_header(head: bytes) -> Frame | None:
    """The frame that begins with these four bytes, if they begin one."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, rate = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3), head[2] >> 2 & 3
    if version == 1 or layer == 4 or rate == 3 or head[2] >> 4 in (0, 15):
        return None
    kbits, rate_hz = KBITS[1 if version == 3 else 2, layer][(head[2] >> 4) - 1], RATES_HZ[version][rate]
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    slot = 4 if layer == 1 else 1
    size = (samples // 8 * kbits * 1000 // slot // rate_hz + (head[2] >> 1 & 1)) * slot
    return Frame((version, layer, rate_hz, head[3] >> 6 == 3), size, samples)


def frame_at(stream: ByteStream, start: int = 0) -> Frame | None:
    """The frame `start` bytes ahead, if another of its kind follows it, or a tag, or nothing."""
    frame = frame_header(stream.peek(4, start))
    if frame is None:
        return None
    after = stream.peek(4, start + frame.size)
    following = frame_header(after)
    ends = not after and len(stream.peek(frame.size, start)) == frame.size
    return frame if ends or after[:3] in (b"TAG", b"APE", b"ID3") or (following and following.kind == frame.kind) else None


def skip_tag(stream: ByteStream) -> int:
    """Pass over a tag, if one begins here; returns its bytes."""
    head = stream.peek(16)
    if head[:3] == b"ID3" and len(head) > 9 and max(head[6:10]) < 128:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return stream.skip(10 + size + (10 if head[5] & 16 else 0))
    if head[:8] == b"APETAGEX" and len(head) == 16:
        return stream.skip(32 + struct.unpack("<I", head[12:16])[0])
    return stream.skip(128) if head[:3] == b"TAG" else 0


class Frames:
    """Walks over the frames of a stream and counts what it finds."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.found = self.bytes = self.declared = 0  # frames, their bytes, frames that the encoder's tag promises
        self.delay = 0  # samples that the encoder and the decoder put before the sound
        self.last: Frame | None = None

    def resync(self) -> int | None:
        """Go to the next frame; returns the bytes that are neither frames nor tags, None if no frame comes any more."""
        lost = 0
        while True:
            while skip_tag(self._stream):
                pass
            if frame_at(self._stream):
                return lost
            step = self._stream.find(b"\xff", 1, 4096)
            skipped = self._stream.skip(4096 if step < 0 else step)
            lost += skipped
            if not skipped:
                self.left = lost
                return None

    def run(self) -> Iterator[bytes]:
        """The frames from here to the next place that is none. The encoder's tag, which is a frame without sound, is left out."""
        first = frame_header(self._stream.peek(4))
        assert first is not None
        if self._tag(first):
            self._stream.skip(first.size)
        while (frame := frame_header(self._stream.peek(4))) and frame.kind == first.kind:
            data = self._stream.peek(frame.size)
            if len(data) < frame.size:
                return
            self._stream.skip(frame.size)
            self.found, self.bytes, self.last = self.found + 1, self.bytes + frame.size, frame
            yield data

    def _tag(self, frame: Frame) -> bool:
        """Read the tag of the encoder, if this frame holds one."""
        data = self._stream.peek(frame.size)
        at = frame.tag_at
        if data[at : at + 4] in (b"Xing", b"Info") and len(data) >= at + 12:
            flags, count = struct.unpack(">II", data[at + 4 : at + 12])
            self.declared += count if flags & 1 else 0
            encoder = at + 8 + sum(size for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
            if self.found == 0 and len(data) >= encoder + 24 and data[encoder : encoder + 1].isalpha():
                self.delay = (data[encoder + 21] << 4 | data[encoder + 22] >> 4) + DECODER_DELAY
            return True
        return data[36:40] == b"VBRI"

    def seconds(self, lost: int) -> float:
        """How long bytes that are lost sounded, by the mean size of the frames before."""
        if not self.found or self.last is None:
            return 0.0
        return round(lost * self.found / self.bytes) * self.last.samples / self.last.rate_hz


def sounds(stream: ByteStream) -> Iterator[Decoded]:
    """The sound of all frames. A stretch that is no frame is missing, for as long as as many bytes sound elsewhere."""
    frames, gone = Frames(stream), 0.0
    while (lost := frames.resync()) is not None:
        if hole := frames.seconds(lost):
            gone += hole
            yield Missing(hole)
        for part in _run(frames):
            gone += (part.seconds or 0.0) if isinstance(part, Missing) else 0.0
            yield part
    if frames.last is None:
        return
    length = frames.last.samples / frames.last.rate_hz
    short = (frames.declared - frames.found) * length - gone if frames.declared else 0.0
    short = max(short, frames.seconds(frames.left))
    if short > UNHEARD_S:
        yield Missing(short, silent=False)


def _run(frames: Frames) -> Iterator[Decoded]:
    """A run of frames, decoded. Where a decoder gives up, another continues, and the difference is missing."""
    import soundfile

    fresh = frames.found == 0
    run = frames.run()
    for head in run:
        before = frames.found - 1
        heard, skip = 0, frames.delay if fresh else 0
        fresh = False
        try:
            for sound in decoded(_joined(head, run), TAIL):
                heard += len(sound.samples)
                cut = min(skip, len(sound.samples))
                skip -= cut
                yield Sound(sound.samples[cut:], sound.rate_hz)
        except soundfile.LibsndfileError:
            pass  # what was not heard is counted below
        assert frames.last is not None
        lacking = (frames.found - before) * frames.last.samples - heard
        if lacking > 0:
            yield Missing(lacking / frames.last.rate_hz)


def _joined(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest
