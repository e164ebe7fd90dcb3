"""Sources of live audio: standard input, or a file played in real time. The microphone is in `microphone.py`.

A source yields blocks of about `block_s`, (N,) float32 at 16 kHz, or a float: seconds of missing audio. A recording on standard
input comes in blocks as its format is decoded (`formats/feed.py`).
Knows bytes and clocks. Knows no captioner.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from unmask.apps.audio.backlog import Item, Samples
from unmask.apps.audio.files import Recording, open_recording
from unmask.apps.audio.formats.byte_stream import ByteStream
from unmask.apps.audio.resampler import Resampler
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

BLOCK_S = 0.1


class Source(Protocol):
    name: str
    clocked: bool  # audio comes in real time, whether or not it can be captioned in time

    def blocks(self, stop: threading.Event) -> Iterator[Item]:
        """Yields until the audio ends or `stop` is set. Raises AudioError."""
        ...

    @property
    def lacking(self) -> str | None:
        """When it has ended: one line on what is missing of a damaged recording."""
        ...


class RealtimeFile:
    """A recording played in real time. Each block comes when the clock reaches its end, a fixed time, so nothing drifts."""

    clocked = True

    def __init__(self, path: Path, block_s: float = BLOCK_S) -> None:
        self.name, self._block_s = path.name, block_s
        self._recording = open_recording(path)

    def blocks(self, stop: threading.Event) -> Iterator[Item]:
        heard, began = 0, time.monotonic()
        with self._recording.raw:
            for block in even(self._recording.blocks(), round(self._block_s * SAMPLE_RATE_HZ)):
                heard += len(block)
                if stop.wait(max(0.0, began + heard / SAMPLE_RATE_HZ - time.monotonic())):
                    return
                yield block

    @property
    def lacking(self) -> str | None:
        return self._recording.lacking


class Stdin:
    """A recording in any format, or raw 16-bit little-endian mono PCM at `rate_hz`. Read no faster than captioned.

    Bytes that begin as a format does are never taken for raw audio. Float samples that are no numbers are silence.
    """

    clocked = False

    def __init__(self, stream: BinaryIO, rate_hz: int = SAMPLE_RATE_HZ, block_s: float = BLOCK_S) -> None:
        self.name = "standard input"
        self._stream, self._rate_hz, self._block_s = stream, rate_hz, block_s
        self._recording: Recording | None = None

    def blocks(self, stop: threading.Event) -> Iterator[Item]:
        self._recording = Recording(self.name, self._stream, command="-", strict=False)  # waits for the first bytes
        raw = self._recording.form is None
        for block in pcm(self._recording.stream, self._rate_hz, self._block_s) if raw else self._recording.blocks():
            if stop.is_set():
                return
            yield block

    @property
    def lacking(self) -> str | None:
        return self._recording.lacking if self._recording else None


def even(blocks: Iterator[Samples], size: int) -> Iterator[Samples]:
    """The same samples in blocks of `size`, the last one shorter."""
    held = np.zeros(0, np.float32)
    for block in blocks:
        held = np.concatenate((held, block))
        for _ in range(len(held) // size):
            yield held[:size]
            held = held[size:]
    if len(held):
        yield held


def pcm(stream: ByteStream, rate_hz: int, block_s: float) -> Iterator[Samples]:
    """Raw 16-bit little-endian mono samples as blocks at 16 kHz. Half a sample at the end is none."""
    resampler = Resampler(rate_hz)
    while len(data := stream.take(2 * round(block_s * rate_hz))) > 1:
        yield resampler(np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768))
    yield resampler.rest()
