"""Who is served: a bounded number of requests or clients, which take turns by the piece. Knows no request and no model."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from types import TracebackType
from typing import TypeVar

from unmask.errors import InputError

Result = TypeVar("Result")


class FullError(Exception):
    """As many wait or are served as the queue allows."""


class Queue:
    """Requests that are read, wait or are computed, or clients that are connected: at most `most` of them."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise InputError(f"requests is {most}; it must be above 0")
        self._most, self.open = most, 0


class Place:
    """A request's place in a queue, while its context is open. Raises FullError on entering if there is none."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._asked_s = self._begun_s = 0.0

    def __enter__(self) -> "Place":
        if self._queue.open >= self._queue._most:
            raise FullError
        self.ahead, self._queue.open = self._queue.open, self._queue.open + 1
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._queue.open -= 1

    def headers(self) -> dict[str, str]:
        """How many requests were ahead, and how long this one waited for the model to begin."""
        return {"Unmask-Queue-Ahead": str(self.ahead), "Unmask-Queue-Seconds": f"{self._begun_s - self._asked_s:.3f}"}

    async def work(self, worker: Executor, call: Callable[[], Result]) -> Result:
        """Call in the model's thread, after what others asked before."""

        def begun() -> Result:
            self._begun_s = self._begun_s or time.monotonic()
            return call()

        self._asked_s = self._asked_s or time.monotonic()
        return await asyncio.get_running_loop().run_in_executor(worker, begun)
