"""The server behind a proxy, over TLS, by name and on all addresses: who is let in, and the addresses that are printed."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.apps.conftest import Command
from tests.apps.web.proxy import Proxy
from unmask import LiveCaptioner
from unmask.apps.cli.tasks.network import addresses, listen
from unmask.apps.web.access import Access, own_names, read_origin
from unmask.apps.web.server import Server, Tls, make_app
from unmask.apps.web.session import Limits
from unmask.errors import InputError

PUBLIC = "https://captions.example.org"


@contextmanager
def running(
    open_live: Callable[[], LiveCaptioner], access: Access, tls: Tls | None = None, host: str = "127.0.0.1"
) -> Iterator[int]:
    listener = listen(host, 0)
    server = Server(make_app(open_live, access), Limits(), tls)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


# ---- names


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://captions.example.org", "https://captions.example.org"),
        ("HTTPS://Captions.Example.org/", "https://captions.example.org"),
        ("https://example.org:443", "https://example.org"),
        ("http://example.org:80", "http://example.org"),
        ("http://example.org:8080", "http://example.org:8080"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_an_origin_is_what_browsers_send(text: str, origin: str) -> None:
    assert read_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    ["captions.example.org", "ftp://example.org", "https://example.org/captions", "https://", "https://x:port", "https://[", "*"],
)
def test_what_is_no_origin_is_refused(command: Command, text: str) -> None:
    with pytest.raises(InputError, match="is not of the form"):
        read_origin(text)
    told = command("serve", "--origin", text)
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)


def test_a_proxys_name_is_believed_and_no_other() -> None:
    access = Access(origins=(PUBLIC,))
    for host in ("captions.example.org", "captions.example.org:443", "127.0.0.1:8765", "localhost"):
        assert access.host_allowed(host)
        assert access.origin_allowed(PUBLIC, host)  # whether or not the proxy keeps the Host
    assert not access.host_allowed("example.org")
    for origin in ("https://evil.example", "http://captions.example.org", "https://captions.example.org.evil.example", "null"):
        assert not access.origin_allowed(origin, "127.0.0.1:8765")


def test_this_machines_own_names_are_accepted_where_it_listens_to_all() -> None:
    everywhere, alone = Access("0.0.0.0"), Access("127.0.0.1")
    for name in own_names():
        assert everywhere.host_allowed(f"{name}:8765")
        assert everywhere.host_allowed(f"{name.upper()}:8765")
    assert not everywhere.host_allowed("evil.example:8765")
    assert not alone.host_allowed(f"{socket.gethostname()}x:8765")


# ---- printed addresses


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "::1", "::"])
def test_the_first_address_that_is_printed_answers(open_live: Callable[[], LiveCaptioner], host: str) -> None:
    if ":" in host and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = listen(host, 0)
    except InputError:
        pytest.skip(f"{host} cannot be listened on here")
    access = Access(host)
    server = Server(make_app(open_live, access))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        for url in addresses(access, listener, tls=False)[:1]:
            assert httpx.get(url).status_code == 200
    finally:
        server.should_exit = True
        thread.join(10)


def test_tokens_are_escaped_in_printed_addresses() -> None:
    with listen("127.0.0.1", 0) as listener:
        (url,) = addresses(Access(token="a&b c+d%41#é"), listener, tls=True)
        port = listener.getsockname()[1]
        assert url == f"https://127.0.0.1:{port}/#token=a%26b%20c%2Bd%2541%23%C3%A9"
        assert addresses(Access(token="t", origins=(PUBLIC,)), listener, tls=False) == [f"{PUBLIC}/#token=t"]
        everywhere = addresses(Access("0.0.0.0"), listener, tls=False)
        assert everywhere == [f"http://127.0.0.1:{port}/", f"http://{socket.gethostname().lower()}:{port}/"]


# ---- a proxy


@pytest.mark.parametrize("keeps_host", [True, False])
def test_captions_come_through_a_proxy(open_live: Callable[[], LiveCaptioner], keeps_host: bool) -> None:
    with running(open_live, Access(origins=(PUBLIC,))) as port, Proxy(port, prefix="/live", keeps_host=keeps_host) as proxy:
        headers = {"Host": "captions.example.org"}
        assert httpx.get(f"http://127.0.0.1:{proxy.port}/live/", headers=headers).status_code == 200
        url = "ws://captions.example.org/live/captions"
        with socket.create_connection(("127.0.0.1", proxy.port)) as own, connect(url, sock=own, origin=PUBLIC) as client:
            client.send('{"type": "stop"}')
            assert "stopped" in client.recv(timeout=10)
        with (
            socket.create_connection(("127.0.0.1", proxy.port)) as own,
            pytest.raises(InvalidStatus, match="403"),
            connect(url, sock=own, origin="https://evil.example"),
        ):
            pass


def test_a_page_by_another_name_is_told_the_option(open_live: Callable[[], LiveCaptioner]) -> None:
    with running(open_live, Access()) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": "captions.example.org"})
    assert answer.status_code == 400
    assert "--origin" in answer.text


# ---- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "certificate.pem", folder / "key.pem"
    line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*line, *names, "-out", made[0], "-keyout", made[1]], check=True, capture_output=True)
    return made


def test_page_and_captions_come_over_tls(open_live: Callable[[], LiveCaptioner], certificate: tuple[Path, Path]) -> None:
    trusted = ssl.create_default_context(cafile=certificate[0])
    with running(open_live, Access(token="secret"), Tls(*certificate)) as port:
        assert httpx.get(f"https://127.0.0.1:{port}/", verify=trusted).status_code == 200
        url = f"wss://127.0.0.1:{port}/captions?token=secret"
        with connect(url, ssl=trusted, origin=f"https://127.0.0.1:{port}") as client:  # type: ignore[arg-type]
            client.send('{"type": "stop"}')
            assert "stopped" in client.recv(timeout=10)


def test_a_key_may_be_in_the_certificates_file(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(certificate[0].read_text() + certificate[1].read_text())
    assert Tls(both).key is None


@pytest.mark.slow
def test_what_is_no_certificate_is_one_line(command: Command, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    own, key = certificate
    secret = tmp_path / "secret.pem"
    subprocess.run(
        ["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", key, "-out", secret], check=True, capture_output=True
    )
    for line, said in (
        (("--certificate", tmp_path / "none.pem"), "none.pem: no such file"),
        (("--certificate", own), "not a certificate with its private key"),
        (("--certificate", key, "--key", key), "not a certificate with its private key"),
        (("--certificate", own, "--key", secret), "without a passphrase"),
        (("--key", key), "--key: read only with --certificate"),
    ):
        told = command("serve", "--port", "0", *line)
        assert (told.code, told.out, told.err.count("\n")) == (2, "", 1), told
        assert said in told.err
