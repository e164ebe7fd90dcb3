"""The captions of one client: audio frames in, events out, within limits.

Knows frames, events and limits. Knows no web framework and no model: it gets a function that opens a LiveCaptioner.

Three tasks work on a session. One reads frames into the inbox. One has the audio captioned in the server's only worker thread:
a captioner serves one thread at a time, so sessions take turns. One sends the events from the outbox.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unmask.apps.audio.resampler import Resampler
from unmask.apps.web.limits import AboveZero
from unmask.apps.web.protocol import SERVER_STOPS, TOO_SLOW, Closing, RefusedError, read_samples, read_text, write_event
from unmask.speech.events import Event
from unmask.speech.live import LiveCaptioner
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.words import Phrase

Samples = NDArray[np.float32]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Limits(AboveZero):
    """What one server gives to its clients. Checked on construction; InputError names the limit."""

    clients: int = 4
    """Clients served at once."""
    message_bytes: int = 1 << 20
    """Bytes of one frame: 5 seconds of audio at 48 kHz."""
    backlog_s: float = 10.0
    """Seconds of audio of one client that may wait, and that may come in one burst. Beyond that, the oldest is dropped."""
    rate: float = 2.0
    """Sustained limit per client: seconds of audio per second of wall time, bursts excepted."""
    events: int = 64
    """Events of one client that may wait to be sent, after newer updates have replaced older ones."""
    drain_s: float = 5.0
    """Seconds that open sessions have to end when the server stops, and that a client has to take the last events."""


class TooSlowError(Exception):
    """The client reads events more slowly than they come."""


class Inbox:
    """Audio that waits to be captioned: the newest `limit` samples. Dropped samples are counted."""

    def __init__(self, limit: int) -> None:
        self.closed = asyncio.Event()
        self._limit = limit
        self._ready = asyncio.Event()
        self._blocks: deque[Samples] = deque()
        self._waiting = self._lost = 0  # samples

    def push(self, samples: Samples) -> None:
        if not len(samples):
            return
        self._blocks.append(samples)
        self._waiting += len(samples)
        while (over := self._waiting - self._limit) > 0:
            first = self._blocks.popleft()
            if len(first) > over:
                self._blocks.appendleft(first[over:])
            self._lost += min(over, len(first))
            self._waiting -= min(over, len(first))
        self._ready.set()

    def close(self) -> None:
        self.closed.set()
        self._ready.set()

    async def take(self) -> tuple[int, Samples] | None:
        """Everything that waits, and how many samples before it were dropped; None when the inbox is closed and empty."""
        await self._ready.wait()
        if not self._blocks:
            return None
        taken = self._lost, np.concatenate(list(self._blocks))
        self._blocks.clear()
        self._waiting = self._lost = 0
        if not self.closed.is_set():
            self._ready.clear()
        return taken


class Outbox:
    """Events that wait to be sent, in order. A newer event of a segment replaces an update that waits; no other event is lost."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ready = asyncio.Event()
        self._events: deque[Event] = deque()
        self._closed = False

    def put(self, events: Iterable[Event]) -> None:
        """Raises TooSlowError when more than the limit wait."""
        for event in events:
            last = self._events[-1] if self._events else None
            if last and last.event == "updated" and last.segment == event.segment and event.event in ("updated", "segment_ended"):
                self._events.pop()
            self._events.append(event)
        if len(self._events) > self._limit:
            raise TooSlowError
        if self._events:
            self._ready.set()

    def close(self) -> None:
        self._closed = True
        self._ready.set()

    async def take(self) -> Event | None:
        """The oldest event; None when the outbox is closed and empty."""
        await self._ready.wait()
        event = self._events.popleft() if self._events else None
        if not self._events and not self._closed:
            self._ready.clear()
        return event


class Pace:
    """Holds a stream to `rate` seconds of audio a second after a burst. Knows no clock: the time is an argument."""

    def __init__(self, rate: float, burst_s: float) -> None:
        self._rate, self._ahead_s = rate, burst_s / rate
        self._due_s = -math.inf

    def rest_s(self, audio_s: float, now_s: float) -> float:
        """Seconds to rest at the time `now_s` after another `audio_s` seconds of audio."""
        self._due_s = max(self._due_s, now_s - self._ahead_s) + audio_s / self._rate
        return max(0.0, self._due_s - now_s)


class Session:
    """Captions the stream of one client; `run` it once. rate_hz: of the samples that the client sends."""

    def __init__(
        self, open_live: Callable[[], LiveCaptioner], worker: Executor, limits: Limits, rate_hz: int = SAMPLE_RATE_HZ
    ) -> None:
        self._open_live, self._worker, self._rate_hz = open_live, worker, rate_hz
        self._inbox = Inbox(round(limits.backlog_s * rate_hz))
        self._outbox = Outbox(limits.events)
        self._pace = Pace(limits.rate, limits.backlog_s)
        self._closing = SERVER_STOPS
        self._reader: asyncio.Task[None] | None = None
        self._expected: tuple[Phrase, ...] | None = None  # words that the captioner was not told yet

    def stop(self) -> None:
        """Take no more audio. What has come is still captioned, and its events are sent."""
        self._inbox.close()
        if self._reader:
            self._reader.cancel()

    async def run(self, frames: AsyncIterator[bytes | str], send: Callable[[str], Awaitable[None]]) -> Closing:
        """Caption until the client or the server stops or a limit is reached; returns which it was.

        When `frames` or `send` raises because the client is gone, the session ends with an ExceptionGroup of that.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reader = tasks.create_task(self._read(frames))
                tasks.create_task(self._caption())
                tasks.create_task(self._write(send))
        except* TooSlowError:
            self._closing = TOO_SLOW
        return self._closing

    async def _read(self, frames: AsyncIterator[bytes | str]) -> None:
        try:
            async for frame in frames:
                message = read_text(frame) if isinstance(frame, str) else read_samples(frame)
                if isinstance(message, Closing):
                    self._closing = message
                    break
                if isinstance(message, tuple):
                    self._expected = message
                else:
                    self._inbox.push(message)
        except RefusedError as refused:
            self._closing = refused.closing
        self._inbox.close()

    async def _caption(self) -> None:
        live, resampler = await self._work(self._open_live), Resampler(self._rate_hz)
        while taken := await self._inbox.take():
            gap_s, samples = taken[0] / self._rate_hz, taken[1]
            if self._expected is not None:
                await self._work(partial(live.captioner.expect, self._expected))
                self._expected = None
            self._outbox.put(await self._work(lambda: hear(live, resampler, gap_s, samples)))  # noqa: B023  (called at once)
            await self._rest(self._pace.rest_s(len(samples) / self._rate_hz, time.monotonic()))
        self._outbox.put(await self._work(lambda: [*live.feed(resampler.rest()), *live.flush()]))
        self._outbox.close()

    async def _write(self, send: Callable[[str], Awaitable[None]]) -> None:
        while event := await self._outbox.take():
            await send(write_event(event))

    async def _work(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    async def _rest(self, seconds: float) -> None:
        """Sleep, but no longer than audio can come."""
        try:
            await asyncio.wait_for(self._inbox.closed.wait(), seconds)
        except TimeoutError:
            return


def hear(live: LiveCaptioner, resampler: Resampler, gap_s: float, samples: Samples) -> list[Event]:
    """Feed samples that come after a gap of `gap_s` seconds."""
    gap = [*live.feed(resampler.rest()), *live.drop(gap_s)] if gap_s else []
    return [*gap, *live.feed(resampler(samples))]
