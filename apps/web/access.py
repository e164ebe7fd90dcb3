"""Who may connect to `unmask serve`: which Host and Origin headers are accepted, and the token.

Knows names and addresses. Knows no web framework, and asks no name server.

A page on the internet can point its own name at 127.0.0.1 (DNS rebinding) and can open WebSockets to any address. So the Host
header must be a name that only this server has, and the Origin that browsers send must be the page that this server gave out.
"""

import ipaddress
import secrets
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from unmask.errors import InputError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
PORTS = {"http": 80, "https": 443}  # which browsers leave out of an origin


@dataclass(frozen=True)
class Access:
    """Who may connect."""

    host: str = "127.0.0.1"
    """Address that the server is bound to."""
    token: str | None = None
    """Secret that clients must send, if any."""
    origins: tuple[str, ...] = ()
    """Further addresses of the page, as `read_origin` gives them: the public ones of a proxy in front of this server."""

    def host_allowed(self, header: str | None) -> bool:
        """Whether a Host header, without its port, names this server.

        For a server bound to all addresses this machine's own names are accepted, and every numeric address: nobody can point
        those elsewhere.
        """
        name = _host_name(f"//{header or ''}")
        if name in (*LOOPBACK, self.host.lower(), *map(_host_name, self.origins)):
            return True
        return is_everywhere(self.host) and (_address(name) is not None or name in own_names())

    def origin_allowed(self, origin: str | None, host: str | None) -> bool:
        """Whether an Origin header is the page at the Host header, or one of `origins`. Only browsers send an Origin."""
        if origin is None or origin.lower() in self.origins:
            return True
        scheme, _, place = origin.lower().partition("://")
        return scheme in PORTS and place == (host or "").lower()

    def token_fits(self, given: str | None) -> bool:
        """Whether the token is right. Takes the same time for all wrong tokens of one length."""
        return self.token is None or secrets.compare_digest((given or "").encode(), self.token.encode())


def read_origin(text: str) -> str:
    """An origin as browsers send it: https://captions.example.org, lowercase, in ASCII, without a port that is the usual one.

    Raises InputError for anything else, such as an address with a path.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:  # a port that is none, an open bracket, a label that is too long
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in PORTS or not host or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise InputError(f"origin {text!r} is not of the form https://captions.example.org, with a port if it has its own")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in (None, PORTS[parts.scheme]) else "")


def read_root_path(text: str) -> str:
    """/live of /live or /live/; empty for /. Raises InputError for what is no path."""
    path = text.rstrip("/")
    if path and (not path.startswith("/") or "//" in path or not path.isascii() or any(mark in path for mark in "?#% \\")):
        raise InputError(f"--root-path {text!r} is not a path such as /captions")
    return path


def own_names() -> tuple[str, ...]:
    """This machine's name, and as its neighbors find it; nothing is looked up."""
    name = socket.gethostname().lower()
    return (name, f"{name.partition('.')[0]}.local") if name else ()


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach a server bound to `host`."""
    address = _address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def is_everywhere(host: str) -> bool:
    """Whether `host` means all addresses of the machine."""
    address = _address(host)
    return address is not None and address.is_unspecified


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # an open bracket
        return ""
