"""Panels by server-sent events, on a real socket: a stream of frames, and frames that are sent to it."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from tests.apps.ui.test_board import Scripted
from unmask.apps.ui.board import Board
from unmask.apps.web.access import Access
from unmask.apps.web.panels.screens import LONGEST_FRAME
from unmask.apps.web.panels.service import Panels


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    page = Panels(lambda: Board(Scripted()), Access(token="secret"), clients=1)  # type: ignore[arg-type]
    app = Starlette(routes=list(page.routes))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/panels/", params={"token": "secret"}, timeout=20) as client:
        yield client
    server.should_exit = True
    thread.join(10)
    page.close()


def test_a_request_is_answered_in_the_stream(server: httpx.Client) -> None:
    with server.stream("GET", "events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in stream.iter_lines() if line)
        assert next(lines) == "event: screen"
        name = next(lines).removeprefix("data: ")

        def frame() -> Any:
            return json.loads(next(lines).removeprefix("data: "))

        assert server.post(f"events/{name}", json={"request": "volume"}).status_code == 202
        keys = [next(iter(frame().keys() - {"version"})) for _ in range(3)]
        assert keys == ["createSurface", "updateDataModel", "updateComponents"]
        assert frame() == {"state": "showing", "said": "", "passes": 1}
        assert server.post(f"events/{name}", content="{broken").status_code == 202
        assert frame()["error"]["code"] == "INVALID_EVENT"
        assert server.get("events").status_code == 503  # one client only
        assert server.post(f"events/{name}", content=" " * (LONGEST_FRAME + 1)).status_code == 413


def test_who_may_connect(server: httpx.Client) -> None:
    assert server.post("events/elsewhere", json={}).status_code == 404
    for ask in (server.get, server.post):
        assert ask("events/x" if ask == server.post else "events", params={"token": "wrong"}).status_code == 401
    assert server.get("events", headers={"Origin": "http://elsewhere.example"}).status_code == 403
