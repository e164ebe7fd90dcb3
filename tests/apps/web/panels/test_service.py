"""The page of panels: what goes through its WebSocket, and what is told to a client that sends something else."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tests.apps.ui.test_board import Scripted, change
from unmask.apps.ui.board import Board
from unmask.apps.web.access import Access
from unmask.apps.web.panels.screens import LONGEST_FRAME
from unmask.apps.web.panels.service import Panels
from unmask.errors import BundleError


def client(access: Access | None = None, clients: int = 4) -> TestClient:
    page = Panels(lambda: Board(Scripted()), access or Access(), clients)  # type: ignore[arg-type]
    return TestClient(Starlette(routes=list(page.routes)))


@pytest.fixture
def ask() -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Sends a frame, and gives the frames up to the one that ends the answer."""
    with client().websocket_connect("/panels/stream") as socket:

        def asked(frame: Any) -> list[dict[str, Any]]:
            socket.send_text(frame if isinstance(frame, str) else json.dumps(frame))
            found = [socket.receive_json()]
            while not found[-1].keys() & {"state", "error", "heard", "expect"}:
                found.append(socket.receive_json())
            return found

        yield asked


def test_a_request_is_answered_by_messages_and_a_state(ask: Callable[..., list[dict[str, Any]]]) -> None:
    *messages, state = ask({"request": "volume"})
    assert [next(iter(m.keys() - {"version"})) for m in messages] == ["createSurface", "updateDataModel", "updateComponents"]
    assert state == {"state": "showing", "said": "", "passes": 1}
    (state,) = ask({"request": "book a flight"})
    assert state["state"] == "not understood"
    assert state["said"].startswith("I can only show panels")


def test_a_button_comes_back_as_an_action(ask: Callable[..., list[dict[str, Any]]]) -> None:
    ask({"request": "ok button"})
    action = {"name": "ok", "surfaceId": "main", "sourceComponentId": "ok", "timestamp": "2026-11-28T09:30:00Z", "context": {}}
    assert ask({"version": "v0.9", "action": action}) == [{"heard": "ok"}]


@pytest.mark.parametrize("frame", ["{", "[" * 5000, "7", '"volume"', '{"request": 7}', '{"version": "v0.9", "action": {}}'])
def test_a_broken_frame_is_told_and_nothing_is_lost(ask: Callable[..., list[dict[str, Any]]], frame: str) -> None:
    ask({"request": "volume"})
    (told,) = ask(frame)
    assert told["error"]["code"] == "INVALID_EVENT"
    assert told["error"]["message"]
    (message, _) = ask({"request": "volume seven"})
    assert message["updateDataModel"]["value"] == 7


def test_what_an_input_holds_is_kept(ask: Callable[..., list[dict[str, Any]]]) -> None:
    ask({"request": "volume"})
    (told,) = ask(change("/volume", "loud"))
    assert "cannot hold 'loud'" in told["error"]["message"]


def test_who_listens_is_told_what_may_be_said(ask: Callable[..., list[dict[str, Any]]]) -> None:
    (told,) = ask({"listen": True})
    assert {"slider", "minimum"} <= set(told["expect"])
    assert "Volume" not in told["expect"]
    ask({"request": "volume"})
    (again,) = ask({"listen": True})
    assert set(again["expect"]) - set(told["expect"]) == {"Volume"}


def test_half_a_request_shows_what_it_can() -> None:
    with client().websocket_connect("/panels/stream") as socket:
        socket.send_json({"request": "volume", "final": False})
        assert "createSurface" in socket.receive_json()
        assert "updateDataModel" in socket.receive_json()
        assert "updateComponents" in socket.receive_json()
        socket.send_json({"request": "book a flight"})
        assert "deleteSurface" in socket.receive_json()


def test_who_may_connect() -> None:
    access = Access("127.0.0.1", "secret")
    with client(access).websocket_connect("/panels/stream") as socket, pytest.raises(WebSocketDisconnect) as ended:
        socket.receive_text()
    assert ended.value.code == 1008
    with client(access).websocket_connect("/panels/stream?token=secret") as socket:
        socket.send_json({"request": "volume"})
        assert socket.receive_json()
    full = client(clients=1)
    with (
        full.websocket_connect("/panels/stream"),
        full.websocket_connect("/panels/stream") as second,
        pytest.raises(WebSocketDisconnect) as ended,
    ):
        second.receive_text()
    assert ended.value.code == 1013


def test_a_frame_has_a_longest_length() -> None:
    with client().websocket_connect("/panels/stream") as socket:
        socket.send_text(" " * (LONGEST_FRAME + 1))
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_text()
    assert ended.value.code == 1009


def test_frames_are_texts() -> None:
    with client().websocket_connect("/panels/stream") as socket:
        socket.send_bytes(b"\0\1")
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_text()
    assert (ended.value.code, ended.value.reason) == (1003, "frames are JSON texts")


def test_the_page_is_there() -> None:
    page = client()
    for name, kind in (
        ("", "text/html"),
        ("panels.js", "text/javascript"),
        ("surface.js", "text/javascript"),
        ("panels.css", "text/css"),
    ):
        answer = page.get(f"/panels/{name}")
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind)


def test_panels_that_cannot_be_opened_are_told() -> None:
    def broken() -> Board:
        raise BundleError("models/ui-tiny: weights.bin is not as bundle.json says; fetch it again")

    page = Panels(broken, Access())
    with (
        TestClient(Starlette(routes=list(page.routes))).websocket_connect("/panels/stream") as socket,
        pytest.raises(WebSocketDisconnect) as ended,
    ):
        socket.receive_text()
    assert (ended.value.code, ended.value.reason[:15]) == (1011, "models/ui-tiny:")


def test_at_a_pause_a_change_is_shown() -> None:
    with client().websocket_connect("/panels/stream") as socket:
        socket.send_json({"request": "volume"})
        assert [socket.receive_json() for _ in range(4)][-1]["state"] == "showing"
        socket.send_json({"request": "volume seven", "final": False, "paused": True})
        assert socket.receive_json()["updateDataModel"]["value"] == 7
        socket.send_json({"request": "volume seven"})
        assert socket.receive_json() == {"state": "showing", "said": "", "passes": 1}
