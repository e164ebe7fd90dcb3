"""Blocks of samples at any rate, as one continuous stream at 16 kHz or another.

soxr is imported on use: commands without audio do not need it.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from unmask.apps.audio.backlog import Samples
from unmask.speech.sample_rate import SAMPLE_RATE_HZ


class Resampler:
    """Converts blocks at one sample rate to blocks at 16 kHz or another, as one continuous stream."""

    def __init__(self, rate_hz: float, to_hz: int = SAMPLE_RATE_HZ) -> None:
        import soxr

        self.rate_hz = rate_hz
        self._stream = None if rate_hz == to_hz else soxr.ResampleStream(rate_hz, to_hz, 1, dtype="float32")

    def __call__(self, block: Samples) -> Samples:
        return block if self._stream is None else np.asarray(self._stream.resample_chunk(block), np.float32)

    def rest(self) -> Samples:
        """The samples that the filter still holds at the end of a stream; another stream may follow."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        held = np.asarray(self._stream.resample_chunk(np.zeros(0, np.float32), last=True), np.float32)
        self._stream.clear()
        return held


def resampled(blocks: Iterable[tuple[Samples, int]], to_hz: int = SAMPLE_RATE_HZ) -> Iterator[Samples]:
    """Blocks of one channel, each with its rate in Hz, at 16 kHz or another. The rate may change."""
    resampler = None
    for block, rate_hz in blocks:
        if resampler is None or resampler.rate_hz != rate_hz:
            if resampler is not None:
                yield resampler.rest()
            resampler = Resampler(rate_hz, to_hz)
        yield resampler(block)
    if resampler is not None:
        yield resampler.rest()
