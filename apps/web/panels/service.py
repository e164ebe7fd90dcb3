"""Panels in a browser: the page below /panels/, and its WebSocket /panels/stream. Needs the extra `unmask[serve]`.

Frames are JSON texts. The client sends

- {"request": text, "final": true}: a request, typed or heard; with false what is heard of one so far,
- events of A2UI v0.9: {"version": "v0.9", "action": ...}, which are answered by {"heard": the action's name},
- {"version": "v0.9", "change": {"path", "value"}}: what an input holds now, which A2UI itself never tells.

The server sends messages of A2UI v0.9, {"state": "showing" or "not understood", "said": a sentence or "", "passes": number}
after each request, and {"version": "v0.9", "error": {"code", "surfaceId", "message"}} for a frame that it cannot use, after which
all is as before. Each client has a screen of its own. Speech goes through /captions; what it hears comes back as requests.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from unmask.apps.ui.board import Board, Reply
from unmask.apps.ui.messages import SURFACE, VERSION
from unmask.apps.web.access import Access
from unmask.apps.web.files import file_routes
from unmask.errors import InputError, UnmaskError

LONGEST_FRAME = 10_000  # characters
WRONG_TOKEN, BUSY, TOO_LONG = 1008, 1013, 1009
NOT_UNDERSTOOD = ("cannot", "unclear")


class Panels:
    """The page, for `make_app`. open_board: an empty board for each client; boards may share a filler."""

    name, path = "panels", "panels/"

    def __init__(self, open_board: Callable[[], Board], access: Access, clients: int = 4) -> None:
        self._open, self._access, self._clients = open_board, access, clients
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="panels")  # fillers serve one thread
        self._connected = 0
        self.routes: list[BaseRoute] = [
            Route("/panels", lambda request: RedirectResponse("panels/")),
            WebSocketRoute("/panels/stream", self._serve),
            *file_routes("/panels/", files("unmask.apps.web.panels") / "page"),
        ]

    def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _serve(self, client: WebSocket) -> None:
        await client.accept()
        if not self._access.token_fits(client.query_params.get("token")):
            return await client.close(WRONG_TOKEN, "the token is missing or wrong")
        if self._connected >= self._clients:
            return await client.close(BUSY, "the server is full")
        self._connected += 1
        try:
            with contextlib.suppress(WebSocketDisconnect):
                await self._answer(client, self._open())
        finally:
            self._connected -= 1

    async def _answer(self, client: WebSocket, board: Board) -> None:
        while True:
            text = await client.receive_text()
            if len(text) > LONGEST_FRAME:
                return await client.close(TOO_LONG, "a frame is too long")
            try:
                for frame in await asyncio.get_running_loop().run_in_executor(self._worker, answered, board, text):
                    await client.send_text(json.dumps(frame, ensure_ascii=False))
            except UnmaskError as error:
                fault = {"code": "INVALID_EVENT", "surfaceId": SURFACE, "message": str(error)}
                await client.send_text(json.dumps({"version": VERSION, "error": fault}))


def answered(board: Board, text: str) -> list[dict[str, Any]]:
    """The frames that answer one of a client. Raises InputError for one that is not in the protocol."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"a frame is JSON ({type(error).__name__})") from error
    if isinstance(frame, dict) and isinstance(frame.get("request"), str):
        final = frame.get("final", True) is True
        reply = board.ask(frame["request"]) if final else board.preview(frame["request"])
        return [*reply.messages, *([state(reply)] if final else [])]
    action = board.take(frame)
    return [{"heard": action["name"]}] if action else []


def state(reply: Reply) -> dict[str, Any]:
    words = "not understood" if reply.kind in NOT_UNDERSTOOD else "showing"
    return {"state": words, "said": reply.said, "passes": reply.passes}
