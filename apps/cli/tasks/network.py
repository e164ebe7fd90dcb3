"""Where the pages of `unmask serve` and `unmask studio` are found: options of the network, the socket, and the printed addresses.

Knows addresses and certificates. Knows no model. The server is `unmask.apps.web.server`, which is imported on use.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from cyclopts import Parameter

from unmask.apps.cli.options import MANY, changed, refuse_unread, require
from unmask.apps.web.access import Access, is_everywhere, is_loopback, own_names, read_origin, read_root_path
from unmask.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from unmask.apps.web.server import Page, Service, Sessions
    from unmask.apps.web.session import Limits
    from unmask.speech.live import LiveCaptioner


@Parameter(name="*")
@dataclass(frozen=True)
class NetworkOptions:
    """Where the server is found, and who may connect."""

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

    def access(self) -> Access:
        """Who may connect. Raises InputError for options that contradict each other, and without the packages of the server."""
        if self.certificate is None:
            refuse_unread(changed(self), {"key": "read only with --certificate"})
        read_root_path(self.root_path)
        require("starlette", "uvicorn", "websockets", "python_multipart", "prometheus_client", extra="serve")
        origins = tuple(map(read_origin, self.origin))
        alone = is_loopback(self.host) and not origins
        return Access(self.host, self.token or (None if alone else secrets.token_urlsafe()), origins)


def run_server(
    network: NetworkOptions,
    access: Access,
    open_live: Callable[[], LiveCaptioner] | None,
    limits: Limits,
    services: Callable[[Sessions], Sequence[Service]] = lambda _: (),
    pages: Sequence[Page] = (),
    opened: bool = False,
) -> None:
    """Serve until Ctrl-C. Prints the addresses on stderr. opened: the first page is opened in this machine's browser."""
    from unmask.apps.web.server import Server, Tls, make_app

    tls = Tls(network.certificate, network.key) if network.certificate else None
    with listen(network.host, network.port) as listener:
        root_path = read_root_path(network.root_path)
        app = make_app(open_live, access, limits, services, root_path, pages)
        known = [*([("captions", "")] if open_live else []), *((page.name, page.path) for page in pages)]
        for name, path in known:
            found = addresses(access, listener, tls is not None, root_path, path)
            print(f"unmask: {name} at {'  or  '.join(found)}  (Ctrl-C stops)", file=sys.stderr, flush=True)
        if opened:  # in a thread: a browser in the terminal would hold the server up
            threading.Thread(target=webbrowser.open, args=(found[0],), daemon=True).start()
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


def addresses(access: Access, listener: socket.socket, tls: bool, root_path: str = "", path: str = "") -> list[str]:
    """A page's URLs: of the proxy, or of this machine. The token is in the fragment, which browsers do not send."""
    hosts = [access.host]
    if is_everywhere(access.host):
        here = "::1" if listener.family == socket.AF_INET6 and not takes_ipv4(listener) else "127.0.0.1"
        hosts = [here, *own_names()[:1]]
    scheme, port = "https" if tls else "http", listener.getsockname()[1]
    places = access.origins or [f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}" for host in dict.fromkeys(hosts)]
    token = f"#token={quote(access.token, safe='')}" if access.token else ""
    return [f"{place}{root_path}/{path}{token}" for place in places]


def takes_ipv4(listener: socket.socket) -> bool:
    """Whether a listener on all IPv6 addresses takes IPv4 too."""
    return not listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
