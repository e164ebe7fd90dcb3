"""Panels by server-sent events, for screens without WebSockets: what comes is a stream, what a screen says is a POST."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from unmask.apps.ui.board import Board
from unmask.apps.web.access import Access
from unmask.apps.web.panels.screens import LONGEST_FRAME, Frame, Screens, written
from unmask.apps.web.queue import FullError
from unmask.errors import UnmaskError

ALIVE_S = 15.0  # after so much silence a comment is sent, so that a client that is gone is noticed
WAITING = 1000  # frames that a client may be behind


class EventStreams:
    def __init__(self, screens: Screens, access: Access) -> None:
        self._screens, self._access = screens, access
        self._open: dict[str, tuple[Board, asyncio.Queue[Frame]]] = {}

    async def stream(self, request: Request) -> Response:
        """GET events: first an event `screen` with the screen's name, then the frames of that screen as they come."""
        if refusal := self._refusal(request):
            return refusal
        held = contextlib.AsyncExitStack()
        try:
            board = await held.enter_async_context(self._screens.opened())
        except FullError:
            return PlainTextResponse("the server is full", 503)
        except UnmaskError as error:
            return PlainTextResponse(str(error), 503)
        return StreamingResponse(self._frames(board, held), media_type="text/event-stream")

    async def _frames(self, board: Board, held: contextlib.AsyncExitStack) -> AsyncIterator[str]:
        name, frames = secrets.token_urlsafe(12), asyncio.Queue[Frame](WAITING)
        self._open[name] = board, frames
        try:
            yield f"event: screen\ndata: {name}\n\n"
            while True:
                try:
                    frame = await asyncio.wait_for(frames.get(), ALIVE_S)
                except TimeoutError:
                    yield ": still here\n\n"
                else:
                    yield f"data: {written(frame)}\n\n"
        finally:
            del self._open[name]
            await held.aclose()

    async def take(self, request: Request) -> Response:
        """POST events/NAME: a frame of that screen, which the stream answers."""
        if refusal := self._refusal(request):
            return refusal
        found = self._open.get(request.path_params["screen"])
        if found is None:
            return PlainTextResponse("there is no such screen; open panels/events first", 404)
        board, frames = found
        if int(request.headers.get("content-length") or LONGEST_FRAME + 1) > LONGEST_FRAME:
            return PlainTextResponse("a frame is too long", 413)
        body = (await request.body()).decode(errors="replace")
        try:
            for frame in await self._screens.answer(board, body):
                frames.put_nowait(frame)
        except asyncio.QueueFull:
            return PlainTextResponse("the stream is not read", 503)
        return Response(status_code=202)

    def _refusal(self, request: Request) -> Response | None:
        if not self._access.origin_allowed(request.headers.get("origin"), request.headers.get("host")):
            return PlainTextResponse("this page was not given out by this server", 403)
        if not self._access.token_fits(request.query_params.get("token")):
            return PlainTextResponse("the token is missing or wrong", 401)
        return None
