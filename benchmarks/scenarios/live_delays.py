"""Play a recording to live captions on a clock, and the delays of its words without a transcript (docs/live.md).

The ends of words are taken from the finished caption itself.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.speech.events import Event
from unmask.speech.live import LiveCaptioner
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

BLOCK_S = 0.1


@dataclass(frozen=True)
class Emitted:
    """An event, and when it was known on the run's clock, which starts with the first sample."""

    at_s: float
    backlog_s: float  # audio that had arrived and was not processed when the call began
    event: Event


def play(
    live: LiveCaptioner,
    samples: NDArray[np.float32],
    realtime: bool,
    clock: Callable[[], float] = time.perf_counter,
    block_s: float = BLOCK_S,
) -> tuple[list[Emitted], float]:
    """Feed blocks of `block_s` when they are due, all that are due at once. Returns the events, and the seconds spent in calls.

    realtime False: time is simulated. What computing takes by the clock is added, so audio arrives late if it is slow.
    """
    block = round(block_s * SAMPLE_RATE_HZ)
    blocks, heard, now_s, feeding_s = -(-len(samples) // block), 0, 0.0, 0.0
    out = []
    began = time.perf_counter()
    while heard <= blocks:  # the last turn ends the stream
        due_s = min(heard + 1, blocks) * block_s
        if realtime:
            time.sleep(max(0.0, due_s - (time.perf_counter() - began)))
            now_s = time.perf_counter() - began
        now_s = max(now_s, due_s)
        ready = min(blocks, int(now_s / block_s + 1e-6))
        start = clock()
        events = live.feed(samples[heard * block : ready * block]) if heard < blocks else live.flush()
        taken_s = clock() - start
        now_s, feeding_s = now_s + taken_s, feeding_s + taken_s
        out += [Emitted(now_s, (ready - heard) * block_s, event) for event in events]
        heard = ready if heard < blocks else blocks + 1
    return out, feeding_s


def delays(emitted: Sequence[Emitted]) -> dict[str, list[float]]:
    """Seconds from the end of a word until it is first shown as it reads in the end (tentative) and until it is stable (stable).

    final: from the end of a segment's last word until all of the segment's text is stable. A segment that never ended is an
    AssertionError: incomplete work is no success.
    """
    segments: dict[int, list[Emitted]] = {}
    for e in emitted:
        if e.event.event != "dropped":
            segments.setdefault(e.event.segment, []).append(e)
    out: dict[str, list[float]] = {"tentative": [], "stable": [], "final": []}
    for number, of in segments.items():
        assert of[-1].event.event == "segment_ended", f"segment {number} never ended"
        words = of[-1].event.words
        stable_s = [next(e.at_s for e in of if i < e.event.stable_words) for i in range(len(words))]
        for i, word in enumerate(words):
            shown_s = next(e.at_s for e in of if i < len(e.event.words) and e.event.words[i].text == word.text)
            out["tentative"].append(shown_s - word.end_s)
            out["stable"].append(stable_s[i] - word.end_s)
        if words:
            out["final"].append(max(stable_s) - words[-1].end_s)
    return out
