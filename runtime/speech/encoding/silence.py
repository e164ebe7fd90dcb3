"""Silence of a voice: long pauses become short, and the edges too, as OmniVoice does it with pydub. NumPy alone.

Sound is counted in milliseconds and in steps of 16 bits, as there; its numbers are the same.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Spans = list[tuple[int, int]]
QUIET = 32768 * 10 ** (-50 / 20)  # root mean square at -50 dB of full scale
STEP_MS, EDGE_MS = 10, 10


def shortened(samples: Floats, rate_hz: int, pause_ms: int, lead_ms: int, trail_ms: int) -> Floats:
    """The sound with pauses of twice `pause_ms` at most, and with at most `lead_ms` and `trail_ms` of silence around it.

    samples: (N,) in [-1, 1]. Returns what steps of 16 bits hold of them; nothing of a sound that is all silence.
    """
    sound = _Sound(samples, rate_hz)
    sound = sound.parts(_kept(_loud(sound, pause_ms), pause_ms, sound.ms))
    start = max(0, _leading(sound) - lead_ms)
    sound = sound.parts([(start, sound.ms)])
    stop = max(0, _leading(sound.backwards()) - trail_ms)
    return sound.backwards().parts([(stop, sound.ms)]).backwards().samples


class _Sound:
    """(N,) steps of 16 bits, of whole milliseconds."""

    def __init__(self, samples: Floats | NDArray[np.int16], rate_hz: int) -> None:
        steps = samples if samples.dtype == np.int16 else (samples * 32768.0).clip(-32768, 32767).astype(np.int16)
        self.rate_hz, self.ms = rate_hz, round(1000 * len(steps) / rate_hz)
        whole = self.at(self.ms)
        self.steps: NDArray[np.int16] = np.pad(steps[:whole], (0, max(0, whole - len(steps))))
        self._sums = np.concatenate([[0], np.cumsum(self.steps.astype(np.int64) ** 2)])

    def at(self, ms: int) -> int:
        return int(ms * self.rate_hz / 1000)

    def rms(self, start_ms: NDArray[np.int64], length_ms: int) -> NDArray[np.int64]:
        """Whole root mean squares of stretches, which end with the sound."""
        start = (start_ms * self.rate_hz // 1000).astype(np.int64)
        stop = np.minimum(((start_ms + length_ms) * self.rate_hz // 1000).astype(np.int64), len(self.steps))
        found: NDArray[np.int64] = np.sqrt((self._sums[stop] - self._sums[start]) / np.maximum(1, stop - start)).astype(np.int64)
        return found

    def parts(self, spans: Spans) -> "_Sound":
        """Stretches [start, stop), in milliseconds, one after the other."""
        taken = [self.steps[self.at(max(0, start)) : self.at(min(stop, self.ms))] for start, stop in spans]
        return _Sound(np.concatenate([np.zeros(0, np.int16), *taken]), self.rate_hz)

    def backwards(self) -> "_Sound":
        return _Sound(self.steps[::-1], self.rate_hz)

    @property
    def samples(self) -> Floats:
        return self.steps.astype(np.float32) / np.float32(32768)


def _loud(sound: _Sound, pause_ms: int) -> Spans:
    """What lies between stretches of `pause_ms` that are quiet on the whole."""
    if sound.ms < pause_ms:
        return [(0, sound.ms)]
    last = sound.ms - pause_ms
    starts = np.arange(0, last + 1, STEP_MS)
    if last % STEP_MS:
        starts = np.append(starts, last)
    quiet = starts[sound.rms(starts, pause_ms) <= QUIET].tolist()
    if not quiet:
        return [(0, sound.ms)]
    breaks = [i for i, (a, b) in enumerate(pairwise(quiet), 1) if b > a + pause_ms]
    runs = [quiet[a:b] for a, b in pairwise([0, *breaks, len(quiet)])]
    edges = [0, *(edge for run in runs for edge in (run[0], run[-1] + pause_ms)), sound.ms]
    between = list(zip(edges[::2], edges[1::2], strict=True))
    if len(runs) == 1 and (runs[0][0], runs[0][-1] + pause_ms) == (0, sound.ms):
        return []
    if between[-1][0] == sound.ms:
        between.pop()
    return between[1:] if between and between[0] == (0, 0) else between


def _kept(loud: Spans, pause_ms: int, length_ms: int) -> Spans:
    """Loud stretches with `pause_ms` around them; neighbors that would overlap meet in the middle."""
    spans = [[start - pause_ms, stop + pause_ms] for start, stop in loud]
    for before, after in pairwise(spans):
        if after[0] < before[1]:
            before[1] = after[0] = (before[1] + after[0]) // 2
    return [(max(0, start), min(stop, length_ms)) for start, stop in spans]


def _leading(sound: _Sound) -> int:
    """Milliseconds of silence at the start, in steps of ten."""
    starts = np.arange(0, sound.ms, EDGE_MS)
    loud = np.flatnonzero(sound.rms(starts, EDGE_MS) >= QUIET)
    return int(starts[loud[0]]) if loud.size else sound.ms
