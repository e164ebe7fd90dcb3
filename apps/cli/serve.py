"""`unmask serve`: live captions in a browser, for this machine unless another address is named.

Knows options, addresses and the model. The server is `unmask.apps.web.server`, which is imported on use.
"""

import contextlib
import secrets
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from cyclopts import Parameter

from unmask.apps.audio.voice_activity import Silero
from unmask.apps.cli.options import SHIPPED, EngineChoice, LiveChoice, ScheduleChoice, TunedChoice, setting
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
    """Address to listen on. Addresses that other machines can reach need a token, and there browsers allow the microphone only
    over https."""
    port: int = 8765
    """Port to listen on; 0 picks a free one."""
    token: str | None = None
    """Secret that clients must send. If one is needed and none is given, a random one is made and printed."""
    clients: int = 4
    """Clients served at once; they take turns."""
    bundle: Path = SHIPPED
    """Folder of the bundle."""


def serve(
    *,
    options: ServeOptions = ServeOptions(),
    schedule: ScheduleChoice = ScheduleChoice(),  # noqa: B008  (frozen)
    live: LiveChoice = LiveChoice(),  # noqa: B008
    engine: EngineChoice = EngineChoice(),  # noqa: B008
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Serve a web page with live captions of the browser's microphone.

    Prints the page's address on stderr and runs until Ctrl-C; open segments are finished first. With ?overlay=1 the page shows
    nothing but captions, for OBS. Programs can connect too: docs/live.md describes the protocol.
    """
    engine.options()  # refuses options that contradict each other before anything is opened
    limits = Limits(clients=options.clients)
    live_options = live.over(LiveOptions())
    try:
        import websockets  # noqa: F401  (uvicorn uses it)

        from unmask.apps.web.server import Server, make_app
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("starlette", "uvicorn", "websockets"):
            raise
        raise InputError(f"{error.name} is not installed; this needs an extra: pip install 'unmask[serve]'") from error
    access = Access(options.host, options.token or (None if is_loopback(options.host) else secrets.token_urlsafe()))
    Silero()  # raises now if its package is missing
    chosen = setting(load_bundle(options.bundle), TASK, engine, tuned)
    live_options = replace(live_options, schedule=schedule.of(chosen))
    captioner = Captioner(chosen.bundle, chosen.engine).load()
    with listen(options.host, options.port) as listener:
        app = make_app(lambda: LiveCaptioner(captioner, Silero(), live_options), access, limits)
        print(f"unmask: captions at {address(access, listener.getsockname()[1])}  (Ctrl-C stops)", file=sys.stderr, flush=True)
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after its shutdown
            Server(app, limits).run([listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InputError for an address of another machine or a port that is in use."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot listen on {host}, port {port} ({error}); try --host 127.0.0.1 --port 0") from error


def address(access: Access, port: int) -> str:
    """The page's URL; the token is in the fragment, which browsers do not send and servers do not log."""
    host = "127.0.0.1" if is_everywhere(access.host) else access.host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/" + (f"#token={access.token}" if access.token else "")
