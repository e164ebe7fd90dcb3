"""Who may connect to `unmask serve`: which Host and Origin headers are accepted, and the token.

Knows names and addresses. Knows no web framework.

A page on the internet can point its own name at 127.0.0.1 (DNS rebinding) and can open WebSockets to any address. So the Host
header must be a name that only this server has, and the Origin that browsers send must be the page that this server gave out.
"""

import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Access:
    """host: the address that the server is bound to. token: the secret that clients must send, if any."""

    host: str = "127.0.0.1"
    token: str | None = None

    def host_allowed(self, header: str | None) -> bool:
        """Whether a Host header, without its port, names this server.

        For a server bound to all addresses every numeric address is accepted: nobody can point those elsewhere.
        """
        name = _host_name(f"//{header or ''}")
        return name in (*LOOPBACK, self.host.lower()) or (is_everywhere(self.host) and _address(name) is not None)

    def origin_allowed(self, origin: str | None, host: str | None) -> bool:
        """Whether an Origin header is the page at the Host header. Clients other than browsers send no Origin."""
        if origin is None:
            return True
        scheme, _, place = origin.lower().partition("://")
        return scheme in ("http", "https") and place == (host or "").lower()

    def token_fits(self, given: str | None) -> bool:
        """Whether the token is right. Takes the same time for all wrong tokens of one length."""
        return self.token is None or secrets.compare_digest((given or "").encode(), self.token.encode())


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
