"""One client's captions: frames in, events out, and what happens when either side is too fast, too slow or gone.

Knows frames, events and limits. Knows no web framework and no model: it is given a function that opens a LiveCaptioner.

Three tasks work on a session. One reads frames into the inbox, one has the audio captioned in the server's only worker thread
(a captioner serves one thread at a time; sessions take turns), one writes events from the outbox.
"""

import asyncio
import json
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError
from unmask.speech.events import Event
from unmask.speech.live import LiveCaptioner
from unmask.speech.log_mel import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]
Result = TypeVar("Result")
TEXT_CHARACTERS = 100  # longer ones are not parsed: deep nesting would exhaust the stack


@dataclass(frozen=True)
class Limits:
    """What one server gives to its clients. Checked on construction; InputError names the limit."""

    clients: int = 4
    """Served at once."""
    message_bytes: int = 1 << 20
    """Of one frame: 16 seconds of audio."""
    backlog_s: float = 10.0
    """Audio of one client that may wait, and that may come in one burst; what is older gives way."""
    rate: float = 2.0
    """Seconds of audio that one client is given a hearing for in each second, bursts aside."""
    events: int = 64
    """Of one client that may wait to be sent; newer updates take the place of older ones before they are counted."""
    drain_s: float = 5.0
    """Time for the open sessions to end in when the server stops, and for a client to take the last events."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}; it must be above 0")


@dataclass(frozen=True)
class Closing:
    """Why a session ended: a WebSocket close code and a reason of at most 123 bytes."""

    code: int
    reason: str

    def json(self) -> str:
        return json.dumps({"event": "closed", "code": self.code, "reason": self.reason})


STOPPED = Closing(1000, "stopped")
SERVER_STOPS = Closing(1001, "the server stops")
TOO_SLOW = Closing(1013, "events were not read fast enough")


class RefusedError(Exception):
    """A frame that is none of the protocol."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.closing = Closing(1003, reason)


class TooSlowError(Exception):
    """The client reads more slowly than events come."""


def read_samples(frame: bytes) -> Samples:
    """(N,) float32 in [-1, 1] from little-endian float32; louder samples are clipped. Raises RefusedError."""
    if len(frame) % 4:
        raise RefusedError(f"a frame of {len(frame)} bytes is no row of 32 bit floats")
    samples: Samples = np.frombuffer(frame, "<f4")
    if not np.isfinite(samples).all():
        raise RefusedError("a frame holds samples that are not finite numbers")
    return samples.clip(-1, 1)


def read_stop(text: str) -> Closing:
    """The only message in text. Raises RefusedError for any other."""
    try:
        message = json.loads(text) if len(text) <= TEXT_CHARACTERS else None
    except ValueError:
        message = None
    if not isinstance(message, dict) or message.get("type") != "stop":
        raise RefusedError('text frames are {"type": "stop"}; audio comes in binary frames')
    return STOPPED


class Inbox:
    """Audio that waits to be heard: the newest `limit` samples. What had to give way is counted."""

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
        """All that waits, and how many samples before it were lost; None once all was taken and the inbox is closed."""
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
    """Events that wait to be sent, in order. An update gives way to a newer event of its segment; no other is ever lost."""

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
        """The oldest; None once all were taken and the outbox is closed."""
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
        """How long to rest after hearing so much audio."""
        self._due_s = max(self._due_s, now_s - self._ahead_s) + audio_s / self._rate
        return max(0.0, self._due_s - now_s)


class Session:
    """Captions the stream of one client; `run` it once."""

    def __init__(self, open_live: Callable[[], LiveCaptioner], worker: Executor, limits: Limits) -> None:
        self._open_live, self._worker = open_live, worker
        self._inbox = Inbox(round(limits.backlog_s * SAMPLE_RATE_HZ))
        self._outbox = Outbox(limits.events)
        self._pace = Pace(limits.rate, limits.backlog_s)
        self._closing = SERVER_STOPS
        self._reader: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Listen no longer; what was heard is still captioned and sent."""
        self._inbox.close()
        if self._reader:
            self._reader.cancel()

    async def run(self, frames: AsyncIterator[bytes | str], send: Callable[[str], Awaitable[None]]) -> Closing:
        """Caption until the client or the server stops, or a limit is reached; says which.

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
                if isinstance(frame, str):
                    self._closing = read_stop(frame)
                    break
                self._inbox.push(read_samples(frame))
        except RefusedError as refused:
            self._closing = refused.closing
        self._inbox.close()

    async def _caption(self) -> None:
        live = await self._work(self._open_live)
        while taken := await self._inbox.take():
            lost, samples = taken
            self._outbox.put(await self._work(lambda: hear(live, lost, samples)))  # noqa: B023  (called at once)
            await self._rest(self._pace.rest_s(len(samples) / SAMPLE_RATE_HZ, time.monotonic()))
        self._outbox.put(await self._work(live.flush))
        self._outbox.close()

    async def _write(self, send: Callable[[str], Awaitable[None]]) -> None:
        while event := await self._outbox.take():
            await send(event.json())

    async def _work(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    async def _rest(self, seconds: float) -> None:
        """Sleep, or until no more can come."""
        try:
            await asyncio.wait_for(self._inbox.closed.wait(), seconds)
        except TimeoutError:
            return


def hear(live: LiveCaptioner, lost: int, samples: Samples) -> list[Event]:
    """Feed samples behind a gap of `lost` ones."""
    gap = live.drop(lost / SAMPLE_RATE_HZ) if lost else []
    return [*gap, *live.feed(samples)]
