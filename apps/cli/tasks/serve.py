"""`unmask serve`: live captions in a browser, for this machine unless another address is named.

Knows options, addresses and the model. The server is `unmask.apps.web.server`, which is imported on use.
"""

import contextlib
import secrets
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from cyclopts import Parameter

from unmask.apps.audio.voice_activity import Silero
from unmask.apps.captions.word_list import read_word_list
from unmask.apps.cli.generators import opened_generator
from unmask.apps.cli.named_models import Name, open_named
from unmask.apps.cli.options import (
    FLAG,
    MANY,
    SHIPPED,
    CheckChoice,
    EngineChoice,
    LiveChoice,
    TunedChoice,
    changed,
    refuse_unread,
    require,
    setting,
)
from unmask.apps.web.access import Access, is_everywhere, is_loopback, own_names, read_origin, read_root_path
from unmask.apps.web.session import Limits
from unmask.errors import InputError
from unmask.speech.captioner import TASK, Captioner
from unmask.speech.live import LiveCaptioner, LiveOptions


@Parameter(name="*")
@dataclass(frozen=True)
class ServeOptions:
    """Options of `unmask serve`."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 or :: for all of this machine's. Addresses that other machines can reach need a token, and
    there browsers allow the microphone only over https."""
    port: int = 8765
    """Port to listen on; 0 picks a free one."""
    token: str | None = None
    """Secret that clients must send. If one is needed and none is given, a random one is made and printed."""
    origin: Annotated[tuple[str, ...], MANY] = ()
    """Address of the page where a proxy in front of this server serves it, as in https://captions.example.org. Needs a token."""
    root_path: str = ""
    """Path below which a proxy serves all of it and which it leaves in addresses, such as /captions."""
    certificate: Annotated[Path | None, Parameter(name=("--certificate", "--tls-cert"))] = None
    """Certificate file in PEM form: the page is served over https."""
    key: Annotated[Path | None, Parameter(name=("--key", "--tls-key"))] = None
    """The certificate's private key, if it is in a file of its own."""
    clients: int = 4
    """Live captions at once; they take turns."""
    requests: int = 16
    """Requests to the endpoints below /v1 that may be read, wait or be computed at once."""
    metrics: Annotated[bool, FLAG] = False
    """Serve figures for Prometheus at /metrics."""
    generator: Path | None = None
    """Folder of a bundle that generates: it draws for /v1/images/generations and speaks for /v1/audio/speech, where it can."""
    words: Path | None = None
    """Text file of names and other words that may be said, as for `unmask caption`."""
    model: Name = "tiny"
    """tiny: the captioner that ships. base: Moonshine base, as for `unmask caption`."""
    bundle: Path = SHIPPED
    """Folder of a bundle, instead of a model's name."""


def serve(
    *,
    options: ServeOptions = ServeOptions(),
    schedule: CheckChoice = CheckChoice(),  # noqa: B008  (frozen)
    live: LiveChoice = LiveChoice(),  # noqa: B008
    engine: EngineChoice = EngineChoice(),  # noqa: B008
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Serve a web page with live captions of the browser's microphone.

    Prints the page's address on stderr and runs until Ctrl-C; open segments are finished first. With ?overlay=1 the page shows
    nothing but captions, for OBS. Programs send recordings to /v1/audio/transcriptions, as to OpenAI's API, or stream to the
    WebSocket /captions: docs/endpoints.md, docs/realtime.md.
    """
    engine.options()  # refuses options that contradict each other before anything is opened
    limits, origins = Limits(clients=options.clients), tuple(map(read_origin, options.origin))
    if options.certificate is None:
        refuse_unread(changed(options), {"key": "read only with --certificate"})
    live_options = live.over(LiveOptions())
    root_path = read_root_path(options.root_path)
    require("starlette", "uvicorn", "websockets", "python_multipart", "prometheus_client", extra="serve")
    from unmask.apps.web.endpoints.service import EndpointLimits, Endpoints
    from unmask.apps.web.server import Server, Sessions, Tls, make_app

    tls = Tls(options.certificate, options.key) if options.certificate else None
    alone = is_loopback(options.host) and not origins
    access = Access(options.host, options.token or (None if alone else secrets.token_urlsafe()), origins)
    endpoint_limits = EndpointLimits(options.requests)
    Silero()  # raises now if its package is missing
    chosen = setting(open_named(options.model, options.bundle), TASK, engine, tuned)
    checks = schedule.over(chosen.schedule)
    words = read_word_list(options.words) if options.words else ()
    captioner = Captioner(chosen.bundle, chosen.engine, words=words).load()
    generator = opened_generator(options.generator, engine) if options.generator else None

    def services(sessions: Sessions) -> list[Endpoints]:
        live_clients = sessions.__len__ if options.metrics else None
        return [Endpoints(captioner, checks, sessions.worker, access, endpoint_limits, generator, live_clients)]

    with listen(options.host, options.port) as listener:
        live_options = replace(live_options, schedule=checks)
        app = make_app(lambda: LiveCaptioner(captioner, Silero(), live_options), access, limits, services, root_path)
        found = addresses(access, listener, tls is not None, root_path)
        print(f"unmask: captions at {'  or  '.join(found)}  (Ctrl-C stops)", file=sys.stderr, flush=True)
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after its shutdown
            Server(app, limits, tls).run([listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InputError for an address of another machine or a port that is in use."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        both = is_everywhere(host) and family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot listen on {host}, port {port} ({error}); try --host 127.0.0.1 --port 0") from error


def addresses(access: Access, listener: socket.socket, tls: bool, root_path: str = "") -> list[str]:
    """The page's URLs: of the proxy, or of this machine. The token is in the fragment, which browsers do not send."""
    hosts = [access.host]
    if is_everywhere(access.host):
        here = "::1" if listener.family == socket.AF_INET6 and not takes_ipv4(listener) else "127.0.0.1"
        hosts = [here, *own_names()[:1]]
    scheme, port = "https" if tls else "http", listener.getsockname()[1]
    places = access.origins or [f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}" for host in dict.fromkeys(hosts)]
    token = f"#token={quote(access.token, safe='')}" if access.token else ""
    return [f"{place}{root_path}/{token}" for place in places]


def takes_ipv4(listener: socket.socket) -> bool:
    """Whether a listener on all IPv6 addresses takes IPv4 too."""
    return not listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
