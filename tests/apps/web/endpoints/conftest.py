"""A server with endpoints on a real socket, and OpenAI's own client."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from unmask import Captioner, LiveCaptioner
from unmask.apps.cli.tasks.network import listen
from unmask.apps.web.access import Access
from unmask.apps.web.endpoints.service import EndpointLimits, Endpoints
from unmask.apps.web.server import Server, Tls, make_app
from unmask.apps.web.session import Limits
from unmask.session import Session
from unmask.speech.captioner import TASK


@dataclass
class Served:
    port: int
    endpoints: Endpoints
    sessions: Any
    path: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def client(self, key: str = "any", **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, **options)


Serve = Callable[..., contextlib.AbstractContextManager[Served]]


@pytest.fixture(scope="session")
def serve(shipped: Captioner, open_live: Callable[[], LiveCaptioner]) -> Serve:
    @contextlib.contextmanager
    def served(
        access: Access | None = None,
        limits: EndpointLimits | None = None,
        generator: tuple[Session, Any] | None = None,
        metrics: bool = False,
        tls: Tls | None = None,
        root_path: str = "",
        voices: Any = None,
    ) -> Iterator[Served]:
        made = []

        def services(sessions: Any) -> list[Endpoints]:
            count = (lambda: len(sessions)) if metrics else None
            schedule = shipped.bundle.schedule(TASK)
            own = access or Access()
            given = shipped, schedule, sessions.worker, own, limits
            made.append(Endpoints(*given, generator=generator, live_clients=count, voices=voices))
            return made

        listener, own = listen("127.0.0.1", 0), Limits(backlog_s=30, rate=100)
        server = Server(make_app(open_live, access, own, services, root_path), own, tls)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            end = time.monotonic() + 60
            while not server.started:
                assert time.monotonic() < end
                time.sleep(0.01)
            yield Served(listener.getsockname()[1], made[0], server._sessions)
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()

    return served


@pytest.fixture(scope="module")
def served(serve: Serve) -> Iterator[Served]:
    with serve() as server:
        yield server
