"""Files of a page, as routes: read once, with their media types. Knows names, and no page."""

from collections.abc import Awaitable, Callable
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
INDEX = "index.html"


def file_routes(prefix: str, folder: Traversable) -> list[Route]:
    """Routes of all files of a folder below a prefix that ends in a slash; the prefix itself is its index.html."""
    routes = [Route(f"{prefix}{file.name}", _file(file)) for file in folder.iterdir() if file.name.rpartition(".")[2] in TYPES]
    return [Route(prefix, _file(folder / INDEX)), *routes]


def _file(file: Traversable) -> Callable[[Request], Awaitable[Response]]:
    content = file.read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=TYPES[file.name.rpartition(".")[2]])

    return answer
