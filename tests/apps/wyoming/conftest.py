"""A service on a real socket, in the event loop of the client that talks to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import numpy as np
import pytest
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, Eventable

from unmask import Captioner
from unmask.apps.wyoming.handler import Clients
from unmask.apps.wyoming.models import Models
from unmask.apps.wyoming.service import serve
from unmask.speech.live import LiveOptions

Talk = Callable[["Place"], Awaitable[Any]]


class Place:
    """Where a service is reached."""

    def __init__(self, port: int) -> None:
        self.port = port

    def client(self) -> AsyncTcpClient:
        return AsyncTcpClient("127.0.0.1", self.port)

    async def ask(self, *records: Eventable, until: str) -> list[Event]:
        """All events that the service sends, up to the first of a type."""
        async with self.client() as client:
            for record in records:
                await client.write_event(record.event())
            return [event async for event in answers(client, until)]


async def answers(client: AsyncTcpClient, until: str) -> AsyncIterator[Event]:
    while (event := await asyncio.wait_for(client.read_event(), 60)) is not None:
        yield event
        if event.type in (until, "error"):
            return


def spoken(samples: np.ndarray, rate: int = 16_000, width: int = 2, asked: Transcribe | None = None) -> Iterable[Eventable]:
    """An utterance as a satellite sends it. samples: (N,) or (N, channels) in [-1, 1]."""
    channels = samples.shape[1] if samples.ndim == 2 else 1
    scale, kind = (32767, "<i2") if width == 2 else (2**31 - 1024, "<i4")
    data = (samples.astype(np.float64) * scale).astype(kind).tobytes()
    step = 1024 * width * channels
    if asked:
        yield asked
    yield AudioStart(rate, width, channels)
    for start in range(0, len(data), step):
        yield AudioChunk(rate, width, channels, data[start : start + step])
    yield AudioStop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def served(shipped: Captioner) -> Callable[..., Any]:
    """Runs a service while a coroutine talks to it, and returns what that returns."""

    def run(talk: Talk, models: Models | None = None, clients: int = 8) -> Any:
        async def main() -> Any:
            place = Place(free_port())
            own = models or Models(shipped, LiveOptions())
            task = asyncio.create_task(serve(f"tcp://127.0.0.1:{place.port}", own, Clients(clients)))
            for _ in range(1000):
                try:
                    (await asyncio.open_connection("127.0.0.1", place.port))[1].close()
                    break
                except ConnectionError:
                    await asyncio.sleep(0.01)
            try:
                return await talk(place)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        return asyncio.run(main())

    return run
