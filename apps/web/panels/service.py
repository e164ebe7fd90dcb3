"""Panels in a browser: the page below /panels/, its WebSocket /panels/stream, and the same as server-sent events.

Needs the extra `unmask[serve]`. Frames are JSON texts. The client sends

- {"request": text, "final": true}: a request, typed or heard; with false what is heard of one so far, and with "paused": true
  beside it that the speaker pauses there,
- {"listen": true} before somebody speaks, which is answered by {"expect": words}: what /captions is told of the next request,
- events of A2UI v0.9: {"version": "v0.9", "action": ...}, which are answered by {"heard": the action's name},
- {"version": "v0.9", "change": {"path", "value"}}: what an input holds now, which A2UI itself never tells.

The server sends messages of A2UI v0.9, {"state": "showing" or "not understood", "said": a sentence or "", "passes": number}
after each request, and {"version": "v0.9", "error": {"code", "surfaceId", "message"}} for a frame that it cannot use, after which
all is as before. Each client has a screen of its own. Speech goes through /captions; what it hears comes back as requests.

Without WebSockets: GET /panels/events is a stream of server-sent events, whose first one, `screen`, has a name; the other frames
are sent by POST to /panels/events/NAME.
"""

import contextlib
from collections.abc import Callable
from importlib.resources import files

from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from unmask.apps.ui.board import Board
from unmask.apps.web.access import Access
from unmask.apps.web.files import file_routes
from unmask.apps.web.panels.events import EventStreams
from unmask.apps.web.panels.screens import LONGEST_FRAME, Screens, written
from unmask.apps.web.queue import FullError
from unmask.apps.web.sockets import frames
from unmask.errors import UnmaskError

WRONG_TOKEN, BUSY, TOO_LONG, WRONG_KIND, BROKEN = 1008, 1013, 1009, 1003, 1011
LONGEST_REASON = 120  # bytes of a closing frame's reason


class Panels:
    """The page, for `make_app`. open_board: an empty board for each client; boards may share a filler."""

    name, path = "panels", "panels/"

    def __init__(self, open_board: Callable[[], Board], access: Access, clients: int = 4) -> None:
        self._access, self._screens = access, Screens(open_board, clients)
        events = EventStreams(self._screens, access)
        self.routes: list[BaseRoute] = [
            Route("/panels", lambda request: RedirectResponse("panels/")),
            WebSocketRoute("/panels/stream", self._serve),
            Route("/panels/events", events.stream),
            Route("/panels/events/{screen}", events.take, methods=["POST"]),
            *file_routes("/panels/", files("unmask.apps.web.panels") / "page"),
        ]

    def close(self) -> None:
        self._screens.close()

    async def _serve(self, client: WebSocket) -> None:
        await client.accept()
        if not self._access.token_fits(client.query_params.get("token")):
            return await client.close(WRONG_TOKEN, "the token is missing or wrong")
        try:
            async with self._screens.opened() as board:
                with contextlib.suppress(WebSocketDisconnect):
                    await self._answer(client, board)
        except FullError:
            await client.close(BUSY, "the server is full")
        except UnmaskError as error:
            await client.close(BROKEN, str(error).encode()[:LONGEST_REASON].decode(errors="ignore"))

    async def _answer(self, client: WebSocket, board: Board) -> None:
        async for text in frames(client):
            if isinstance(text, bytes):
                return await client.close(WRONG_KIND, "frames are JSON texts")
            if len(text) > LONGEST_FRAME:
                return await client.close(TOO_LONG, "a frame is too long")
            for frame in await self._screens.answer(board, text):
                await client.send_text(written(frame))
