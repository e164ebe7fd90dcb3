"""A studio on a real socket, with a tiny any-to-any model of random weights."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from unmask import Session, open_model
from unmask.apps.cli.options import SHIPPED
from unmask.apps.cli.tasks.network import listen
from unmask.apps.modalities.heard import Listener
from unmask.apps.web.access import Access
from unmask.apps.web.server import Server, make_app
from unmask.apps.web.studio.runs import Runs, StudioLimits
from unmask.apps.web.studio.service import Studio


@dataclass
class Running:
    port: int
    runs: Runs
    client: httpx.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/studio/"


@contextlib.contextmanager
def running(
    session: Session, access: Access | None = None, limits: StudioLimits | None = None, listener: Listener | None = None
) -> Iterator[Running]:
    access = access or Access()
    studio = Studio(session, access, limits, listener)
    listener = listen("127.0.0.1", 0)
    server = Server(make_app(None, access, pages=[studio]))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    port = listener.getsockname()[1]
    try:
        wait_for(lambda: server.started)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/studio/", timeout=60, trust_env=False) as client:
            yield Running(port, studio.runs, client)
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def session(media: Path) -> Session:
    return open_model(media).load()


@pytest.fixture(scope="module")
def served(session: Session) -> Iterator[Running]:
    with running(session, listener=Listener(SHIPPED)) as server:
        yield server
