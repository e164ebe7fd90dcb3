"""Serves the Wyoming protocol until it is stopped, and announces itself in the local network if asked. Knows addresses."""

import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import urlsplit

from wyoming.server import AsyncServer

from unmask.apps.wyoming.description import describe
from unmask.apps.wyoming.handler import Clients, Handler
from unmask.apps.wyoming.models import Models
from unmask.errors import InputError

KIND = "_wyoming._tcp.local."
MULTICAST = "224.0.0.251"  # of zeroconf


def check_uri(uri: str, announced: bool) -> None:
    """Raises InputError for an address that cannot be served, or announced."""
    try:
        AsyncServer.from_uri(uri)
    except ValueError as error:
        raise InputError(f"--uri {uri}: {error}; one is tcp://127.0.0.1:10300") from error
    if announced and urlsplit(uri).scheme != "tcp":
        raise InputError(f"--announce: {uri} is not in a network; give a tcp:// address")


async def serve(uri: str, models: Models, clients: Clients, announce: str | None = None) -> None:
    """Until cancelled, or SIGTERM. announce: name in the local network. Raises InputError for an address that is taken."""
    session = models.generator[0] if models.generator else None
    speaks, answers = models.speaks, models.task("text") is not None
    info = describe(
        models.captioner.bundle.manifest, session.bundle.manifest if session else None, speaks, answers, models.voices
    )
    server = AsyncServer.from_uri(uri)
    async with announced(uri, announce) if announce is not None else contextlib.nullcontext():
        try:
            await server.run(partial(Handler, models, info, clients))
        except OSError as error:
            raise InputError(f"cannot listen on {uri} ({error}); choose another --uri") from error
        finally:
            await server.stop()


@contextlib.asynccontextmanager
async def announced(uri: str, name: str) -> AsyncIterator[None]:
    """Tell the local network where Home Assistant looks (zeroconf), until the context ends. Raises InputError if it cannot be."""
    from zeroconf import Error
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    place = urlsplit(uri)
    host = own_address() if place.hostname in ("0.0.0.0", "::", None) else str(place.hostname)
    try:
        addresses = [ipaddress.ip_address(socket.gethostbyname(host)).packed]
        info = AsyncServiceInfo(KIND, f"{name}.{KIND}", port=place.port, addresses=addresses)
        network = AsyncZeroconf()
        await network.async_register_service(info)
    except (OSError, Error) as error:
        raise InputError(f"--announce {name}: the local network cannot be told ({error}); leave it out") from error
    try:
        yield
    finally:
        await network.async_unregister_all_services()
        await network.async_close()


def own_address() -> str:
    """The address from which this machine speaks to its network; nothing is sent. Raises OSError without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((MULTICAST, 1))
        return str(probe.getsockname()[0])
