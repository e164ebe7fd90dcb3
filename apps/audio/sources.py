"""Sources of live audio: standard input, or a file played in real time. The microphone is in `microphone.py`.

A source yields blocks of about 0.1 s, (N,) float32 at 16 kHz, or a float: seconds of missing audio.
Knows bytes and clocks. Knows no captioner.
"""

import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from unmask.apps.audio.backlog import Item, Samples
from unmask.apps.audio.files import read_recording
from unmask.errors import AudioError
from unmask.speech.log_mel import SAMPLE_RATE_HZ

BLOCK_S = 0.1
SHORT: np.dtype[Any] = np.dtype("<i2")
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE  # WAV format tags


class Source(Protocol):
    name: str
    clocked: bool  # audio comes in real time, whether or not it can be captioned in time

    def blocks(self, stop: threading.Event) -> Iterator[Item]:
        """Yields until the audio ends or `stop` is set. Raises AudioError."""
        ...


class RealtimeFile:
    """A recording played in real time. Each block comes when the clock reaches its end, a fixed time, so nothing drifts."""

    clocked = True

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._samples = read_recording(path)

    def blocks(self, stop: threading.Event) -> Iterator[Item]:
        size, began = round(BLOCK_S * SAMPLE_RATE_HZ), time.monotonic()
        for start in range(0, len(self._samples), size):
            block = self._samples[start : start + size]
            due = began + (start + len(block)) / SAMPLE_RATE_HZ
            if stop.wait(max(0.0, due - time.monotonic())):
                return
            yield block


class Stdin:
    """WAV (16-bit or float) of any rate, or raw 16-bit little-endian mono PCM at `rate_hz`. Read no faster than captioned."""

    clocked = False

    def __init__(self, stream: BinaryIO, rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self.name = "standard input"
        self._stream, self._rate_hz = stream, rate_hz

    def blocks(self, stop: threading.Event) -> Iterator[Item]:
        head = self._stream.read(4)
        rate_hz, channels, kind = self._rate_hz, 1, SHORT
        if head == b"RIFF":
            rate_hz, channels, kind = read_wav_header(self._stream)
            head = b""
        resampler = Resampler(rate_hz)
        frame = channels * kind.itemsize
        left, size = head, round(BLOCK_S * rate_hz) * frame
        while not stop.is_set() and (read := self._stream.read(size - len(left))):
            left += read
            whole = len(left) // frame * frame
            yield resampler(decode(left[:whole], kind, channels))
            left = left[whole:]
        if len(left) // frame:
            yield resampler(decode(left[: len(left) // frame * frame], kind, channels))
        yield resampler.rest()


def decode(data: bytes, kind: np.dtype[Any], channels: int) -> Samples:
    """(N,) float32 from interleaved PCM, channels averaged. Values that are not finite become 0."""
    values = np.frombuffer(data, kind).astype(np.float32).reshape(-1, channels)
    mono = values.mean(1) / (32768 if kind == SHORT else 1)
    return np.where(np.isfinite(mono), mono, 0).astype(np.float32)


def read_wav_header(stream: BinaryIO) -> tuple[int, int, np.dtype[Any]]:
    """Rate in Hz, channels and sample type; leaves the stream at the samples. Lengths are ignored: a pipe's are not true.

    Raises AudioError for another format or an incomplete header.
    """
    form = stream.read(8)[4:]
    rate_hz = channels = bits = tag = 0
    while len(chunk := stream.read(8)) == 8 and form == b"WAVE":
        name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            kinds = {(PCM, 16): "<i2", (FLOAT, 32): "<f4"}
            if (tag, bits) not in kinds or not channels or not rate_hz:
                raise AudioError(
                    f"standard input: WAV of format {tag} with {bits} bits cannot be streamed; send 16-bit PCM or 32-bit float"
                )
            return rate_hz, channels, np.dtype(kinds[tag, bits])
        body = stream.read(size + size % 2)
        if name == b"fmt " and len(body) >= 16:
            tag, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", body[:16])
            if tag == EXTENSIBLE and len(body) >= 26:
                tag = struct.unpack("<H", body[24:26])[0]
    raise AudioError("standard input: the WAV header is incomplete; send a complete WAV, or raw 16-bit PCM with --rate")


class Resampler:
    """Converts blocks at one sample rate to blocks at 16 kHz, as one continuous stream."""

    def __init__(self, rate_hz: float) -> None:
        import soxr

        self.rate_hz = rate_hz
        self._stream = None if rate_hz == SAMPLE_RATE_HZ else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")

    def __call__(self, block: Samples) -> Samples:
        return block if self._stream is None else np.asarray(self._stream.resample_chunk(block), np.float32)

    def rest(self) -> Samples:
        """The samples that the filter still holds at the end of a stream; another stream may follow."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        held = np.asarray(self._stream.resample_chunk(np.zeros(0, np.float32), last=True), np.float32)
        self._stream.clear()
        return held
