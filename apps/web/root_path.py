"""Below which path a proxy serves this server, for proxies that leave the path as it is. Knows paths. Knows no route."""

from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """Routes are found with and without the path before them."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and scope["path"].startswith(f"{self._path}/"):
            scope = {**scope, "root_path": self._path}  # Starlette takes it off the path
        await self._app(scope, receive, send)
