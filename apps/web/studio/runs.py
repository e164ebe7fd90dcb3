"""Runs of the studio, one after another on one model: who waits, whose turn it is, and what is computed in the one thread.

A run whose client leaves is cancelled: its coroutine is, and no further pass begins. Knows sessions and queues. Knows no web
framework.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from unmask.apps.web.limits import AboveZero
from unmask.apps.web.queue import Place, Queue
from unmask.apps.web.studio import shown
from unmask.apps.web.studio.asked import Asked
from unmask.apps.web.studio.shown import Json
from unmask.session import Session

Result = TypeVar("Result")


@dataclass(frozen=True)
class StudioLimits(AboveZero):
    """What the studio gives to its clients. Checked on construction; InputError names the limit."""

    waiting: int = 16
    """Requests that may be computed or wait at once, of all clients."""
    body_bytes: int = 16 << 20
    """Bytes of one request: a picture, or a minute of sound."""


class Runs:
    """All work on one session. Runs take turns in the order in which they came; what is shown of them is made between passes."""

    def __init__(self, session: Session, limits: StudioLimits, worker: Executor | None = None) -> None:
        """worker: the one thread that uses the session. None: an own one."""
        self.session, self.queue = session, Queue(limits.waiting)
        self._turn, self._worker = asyncio.Lock(), worker or ThreadPoolExecutor(1, thread_name_prefix="studio")

    def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def place(self) -> Place:
        """A place among those who wait. Raises FullError on entering if there is none."""
        return Place(self.queue)

    async def work(self, work: Callable[[], Result]) -> Result:
        """Call in the model's thread, after what was asked before."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    async def run(self, asked: Asked) -> AsyncIterator[Json]:
        """Events of one run: queued if others are before it, started, a step after each pass, done. Raises UnmaskError."""
        if self._turn.locked():
            yield {"event": "queued"}
        async with self._turn:
            session, generator = self.session, self.session.generator
            assert generator is not None
            request = await self.work(lambda: session.request(asked.task, asked.inputs, asked.options))
            notes = await self.work(lambda: session.doubts(asked.task, asked.inputs))
            yield shown.started(generator, request, notes)
            began, rows, passes = time.perf_counter(), 0, 0
            steps, ids = generator.steps(request, asked.options.schedule), request.canvas.ids
            while (now := await self.work(lambda: next(steps, None))) is not None:
                ids, rows, passes = now.ids, rows + now.rows, now.number
                yield shown.step(generator, request, now)
            yield shown.done(generator.read(request, ids, passes, rows, time.perf_counter() - began))
