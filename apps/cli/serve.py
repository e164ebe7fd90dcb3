"""`unmask serve`: live captions in a browser, for this machine unless another address is named.

Knows options, addresses and the model. The server itself is in `unmask.apps.web.server`, imported on use.
"""

import contextlib
import secrets
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from unmask.apps.audio.silero import Silero
from unmask.apps.cli.engines import EngineChoice
from unmask.apps.cli.shipped import SHIPPED
from unmask.apps.cli.tuned import TunedChoice, setting
from unmask.apps.web.access import Access, is_everywhere, is_loopback
from unmask.apps.web.session import Limits
from unmask.bundle.manifest import load_bundle
from unmask.errors import InputError
from unmask.speech.captioner import TASK, Captioner
from unmask.speech.live import LiveCaptioner, LiveOptions


@Parameter(name="*")
@dataclass(frozen=True)
class ServeOptions:
    """Options of `unmask serve`."""

    host: str = "127.0.0.1"
    """Address to listen on. Any but this machine's own needs a token, and browsers give the microphone to https alone there."""
    port: int = 8765
    """Port to listen on; 0 takes a free one."""
    token: str | None = None
    """What clients must show. Made up where one is needed and none is given."""
    clients: int = 4
    """Served at once; they take turns."""
    stability: float = 0.5
    """From 0, text becomes stable fast, to 1, calm."""
    bundle: Path = SHIPPED
    """Folder of the bundle."""


def serve(
    *,
    options: ServeOptions = ServeOptions(),
    engine: EngineChoice = EngineChoice(),  # noqa: B008  (frozen)
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Caption what a browser's microphone hears, on a page that this machine serves.

    Prints the page's address on stderr and runs until Ctrl-C; open captions are finished first. With ?overlay=1 the page is
    captions alone, for OBS. Programs can send audio too: docs of unmask.apps.web.server.
    """
    engine.options()  # tells now what contradicts itself
    limits = Limits(clients=options.clients)
    LiveOptions(options.stability)
    try:
        import websockets  # noqa: F401  (uvicorn speaks WebSocket with it)

        from unmask.apps.web.server import Server, make_app
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("starlette", "uvicorn", "websockets"):
            raise
        raise InputError(f"{error.name} is not installed; serving needs its extra: pip install 'unmask[serve]'") from error
    access = Access(options.host, options.token or (None if is_loopback(options.host) else secrets.token_urlsafe()))
    Silero()  # tells now what it lacks
    chosen = setting(load_bundle(options.bundle), TASK, engine, tuned)
    live_options = LiveOptions(options.stability, schedule=chosen.schedule)
    captioner = Captioner(chosen.bundle, chosen.engine).load()
    with listen(options.host, options.port) as listener:
        app = make_app(lambda: LiveCaptioner(captioner, Silero(), live_options), access, limits)
        print(f"unmask: captions at {address(access, listener.getsockname()[1])}  (Ctrl-C stops)", file=sys.stderr, flush=True)
        with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn when all is done
            Server(app, limits).run([listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InputError for an address that is not ours or a port that is taken."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot listen on {host}, port {port} ({error}); choose others: --host 127.0.0.1 --port 0") from error


def address(access: Access, port: int) -> str:
    """The page's URL; the token is in the fragment, which browsers do not send and servers do not log."""
    host = "127.0.0.1" if is_everywhere(access.host) else access.host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/" + (f"#token={access.token}" if access.token else "")
