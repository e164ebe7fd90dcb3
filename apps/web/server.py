"""The web server of `unmask serve`: pages, the headers that protect them, and the WebSocket `/captions`.

Knows HTTP and WebSockets. Knows no model: a function opens one for each session, and other pages bring their routes. Needs the
extra `unmask[serve]`.
`unmask.apps.web.protocol` describes what goes through the WebSocket.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketClose, WebSocketDisconnect

from unmask.apps.web.access import Access
from unmask.apps.web.files import file_routes
from unmask.apps.web.protocol import SERVER_STOPS, Closing, RefusedError, read_rate
from unmask.apps.web.root_path import RootPath
from unmask.apps.web.session import Limits, Session
from unmask.apps.web.sockets import frames
from unmask.errors import InputError
from unmask.speech.live import LiveCaptioner

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
OTHER_NAME = "This server has another name; use the address it printed, or start it with --origin and this page's address."
WRONG_TOKEN = Closing(1008, "the token is missing or wrong")
BUSY = Closing(1013, "the server is full")


class Service(Protocol):
    """What is served beside the page of captions."""

    @property
    def routes(self) -> Sequence[BaseRoute]: ...


class Page(Service, Protocol):
    """A page beside that of captions."""

    name: str
    """What people call it."""
    path: str
    """Its address without the first slash."""

    def close(self) -> None:
        """The server has stopped."""
        ...


def make_app(
    open_live: Callable[[], LiveCaptioner] | None,
    access: Access | None = None,
    limits: Limits | None = None,
    services: Callable[["Sessions"], Sequence[Service]] = lambda _: (),
    root_path: str = "",
    pages: Sequence[Page] = (),
) -> Starlette:
    """The application. Its `state.sessions` must be drained before it stops, as `Server` does.

    open_live: called in the worker thread for each session; the live captioners that it returns may share one captioner. None:
    without captions, and / leads to the first of the other pages. services: made of the sessions, whose worker thread is the one
    that uses that captioner. root_path: below which a proxy serves all of it, as `read_root_path` gives it.
    """
    access = access or Access()
    sessions = Sessions(open_live, access, limits or Limits()) if open_live else None

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        if sessions is not None:
            sessions.close()
        for page in pages:
            page.close()

    own: list[BaseRoute] = [*file_routes("/", files("unmask.apps.web") / "page")]
    if sessions is None:
        own[0] = Route("/", lambda request: RedirectResponse(pages[0].path))
    else:
        own += [route for service in services(sessions) for route in service.routes]
        own.append(WebSocketRoute("/captions", sessions.serve))
    routes = [*own, *(route for page in pages for route in page.routes)]
    middleware = [Middleware(Guard, access=access), Middleware(RootPath, path=root_path)]
    app = Starlette(routes=routes, middleware=middleware, lifespan=lifespan)
    app.state.sessions = sessions
    return app


class Guard:
    """Refuses foreign Host and Origin headers before anything else, and sets HEADERS on every response."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        allowed, host = self._access.host_allowed(headers.get("host")), headers.get("host")

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] == "http":
            answer = self._app if allowed else PlainTextResponse(OTHER_NAME, 400)
            return await answer(scope, receive, send_guarded)
        if not allowed or not self._access.origin_allowed(headers.get("origin"), host):
            return await WebSocketClose()(scope, receive, send)  # before it is accepted, so the client gets a 403
        return await self._app(scope, receive, send)


class Sessions:
    """All sessions of one server, and the one worker thread that captions for them."""

    def __init__(self, open_live: Callable[[], LiveCaptioner], access: Access, limits: Limits) -> None:
        self.worker = ThreadPoolExecutor(1, thread_name_prefix="captions")
        self._open_live, self._access, self._limits = open_live, access, limits
        self._open: dict[Session, asyncio.Task[None] | None] = {}
        self._draining = False

    def close(self) -> None:
        self.worker.shutdown(wait=False, cancel_futures=True)

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, client: WebSocket) -> None:
        """Answer one client from its handshake to its end."""
        try:
            await client.accept()
            if refusal := self._refusal(client):
                await self._close(client, refusal)
            else:
                await self._caption(client)
        except* WebSocketDisconnect:
            pass  # the client is gone, and its session with it

    def _refusal(self, client: WebSocket) -> Closing | None:
        if not self._access.token_fits(client.query_params.get("token")):
            return WRONG_TOKEN
        if self._draining:
            return SERVER_STOPS
        return BUSY if len(self) >= self._limits.clients else None

    async def _caption(self, client: WebSocket) -> None:
        try:
            rate_hz = read_rate(client.query_params.get("rate"))
        except RefusedError as refused:
            return await self._close(client, refused.closing)
        session = Session(self._open_live, self.worker, self._limits, rate_hz)
        self._open[session] = asyncio.current_task()
        try:
            await self._close(client, await session.run(frames(client), client.send_text))
        finally:
            del self._open[session]

    async def _close(self, client: WebSocket, closing: Closing) -> None:
        with contextlib.suppress(TimeoutError):  # the server does not wait for a client that does not read
            async with asyncio.timeout(self._limits.drain_s):
                await client.send_text(closing.json())
                await client.close(closing.code, closing.reason)

    async def drain(self) -> None:
        """Take no new clients and let the open sessions finish, for `drain_s` at most."""
        self._draining = True
        for session in self._open:
            session.stop()
        tasks = [task for task in self._open.values() if task]
        if tasks:
            await asyncio.wait(tasks, timeout=self._limits.drain_s)


@dataclass(frozen=True)
class Tls:
    """Files in PEM form that make the server speak https. Checked on construction; raises InputError that names the file."""

    certificate: Path
    """The certificate, and after it those of its authority."""
    key: Path | None = None
    """The private key, without a passphrase; None if it is in the certificate's file."""

    def __post_init__(self) -> None:
        for path in (self.certificate, self.key):
            if path is not None and not path.is_file():
                raise InputError(f"{path}: no such file; a certificate and its key are files in PEM form")
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.certificate, self.key, lambda: "")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            named = " and ".join(str(path) for path in (self.certificate, self.key) if path)
            raise InputError(f"{named}: not a certificate with its private key, without a passphrase ({error})") from error


class Server(uvicorn.Server):
    """Serves an application of `make_app`. On SIGINT, SIGTERM or `should_exit` it drains sessions, then closes connections."""

    def __init__(self, app: Starlette, limits: Limits | None = None, tls: Tls | None = None) -> None:
        limits = limits or Limits()
        self._sessions: Sessions | None = app.state.sessions
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # who sends a broken form is told, and nobody else
        config = uvicorn.Config(
            app,
            ws="websockets-sansio",
            ws_max_size=limits.message_bytes,
            ws_per_message_deflate=False,  # audio does not compress
            log_level="warning",
            access_log=False,  # would print tokens
            server_header=False,
            timeout_graceful_shutdown=1,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._sessions is not None:
            await self._sessions.drain()
        await super().shutdown(sockets)
