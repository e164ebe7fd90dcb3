"""Audio between the thread that records and the one that captions: bounded, in order; what is dropped is counted.

Knows samples and seconds. Knows no device and no captioner.
"""

import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

from unmask.speech.sample_rate import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]
Item = Samples | float  # audio, or the seconds of a gap in it


class Backlog:
    """Holds at most `limit_s` seconds of audio. Beyond that, the oldest becomes a counted gap; with `wait`, `put` waits."""

    def __init__(self, limit_s: float, wait: bool = False) -> None:
        self._limit, self._wait = round(limit_s * SAMPLE_RATE_HZ), wait
        self._items: deque[Item] = deque()
        self._held = 0  # samples
        self._closed = False
        self._changed = threading.Condition()

    @property
    def seconds(self) -> float:
        return self._held / SAMPLE_RATE_HZ

    def put(self, item: Item) -> None:
        """Add samples, (N,) float32 at 16 kHz, or a gap in seconds."""
        with self._changed:
            if isinstance(item, np.ndarray):
                while self._wait and not self._closed and self._held and self._held + len(item) > self._limit:
                    self._changed.wait()
                self._held += len(item)
            self._items.append(item)
            self._drop()
            self._changed.notify_all()

    def _drop(self) -> None:
        gone = 0.0
        while self._held > self._limit and len(self._items) > 1:
            oldest = self._items.popleft()
            if isinstance(oldest, np.ndarray):
                self._held -= len(oldest)
                gone += len(oldest) / SAMPLE_RATE_HZ
            else:
                gone += oldest
        if gone:
            self._items.appendleft(gone)

    def close(self) -> None:
        """No more audio will come. Threads that wait in `put` or `take` continue."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, timeout_s: float) -> list[Item] | None:
        """Everything held, with neighboring samples joined. Empty if nothing came in time; None if closed and empty."""
        with self._changed:
            if not self._items and not self._closed:
                self._changed.wait(timeout_s)
            items, self._held = list(self._items), 0
            self._items.clear()
            self._changed.notify_all()
            if not items:
                return None if self._closed else []
        return joined(items)


def joined(items: list[Item]) -> list[Item]:
    """Successive blocks become one array, successive gaps one gap."""
    out: list[Item] = []
    run: list[Samples] = []
    for item in [*items, 0.0]:
        if isinstance(item, np.ndarray):
            run.append(item)
            continue
        if run:
            out.append(np.concatenate(run))
            run = []
        if item and out and isinstance(out[-1], float):
            out[-1] += item
        elif item:
            out.append(item)
    return out
