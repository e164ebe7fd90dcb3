"""Clients that come in crowds, misbehave, or are not meant: each is answered as it should be, and the server goes on."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import openai
import pytest
from websockets.sync.client import connect

from tests.apps.conftest import CLIPS
from tests.apps.web.endpoints.conftest import Serve, Served
from tests.apps.web.proxy import Proxy
from unmask.apps.web.access import Access, read_root_path
from unmask.apps.web.endpoints.body import BodyLimits
from unmask.apps.web.endpoints.service import EndpointLimits
from unmask.apps.web.server import Tls
from unmask.errors import InputError

CLIP = CLIPS / "librispeech-533.flac"
SAID = "I mean he persisted. Do you feel as though you could go through with something rather unusual?"
URL = "/v1/audio/transcriptions"


def said(served: Served, key: str = "any") -> str:
    return served.client(key).audio.transcriptions.create(model="whisper-1", file=CLIP).text


def post(served: Served, content: bytes = b"", **headers: str) -> httpx.Response:
    return httpx.post(served.url + URL, content=content, headers=headers)


@pytest.mark.slow
def test_thirty_clients_at_once_are_served_or_told_to_come_again(serve: Serve) -> None:
    with serve(limits=EndpointLimits(requests=8)) as served:

        def ask(_: int) -> tuple[object, ...]:
            try:
                return (said(served),)
            except openai.InternalServerError as refused:
                return refused.status_code, refused.code, refused.response.headers["retry-after"]

        with ThreadPoolExecutor(30) as threads:
            answers = list(threads.map(ask, range(30)))
        assert set(answers) <= {(SAID,), (503, "server_full", "2")}
        assert answers.count((SAID,)) >= 8
        assert served.endpoints._queue.open == 0


def test_live_captions_go_on_while_recordings_are_captioned(serve: Serve) -> None:
    with serve() as served, ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(said, served) for _ in range(4)]
        with connect(f"ws://127.0.0.1:{served.port}/captions") as live:
            live.send(bytes(64_000))
            live.send('{"type": "stop"}')
            assert json.loads(live.recv(timeout=30))["event"] == "closed"
        assert [one.result() for one in waiting] == [SAID] * 4


def test_a_body_that_is_too_large_is_refused_before_it_has_come(serve: Serve) -> None:
    with serve(limits=EndpointLimits(body=BodyLimits(upload_bytes=1 << 20))) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            head = f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            client.sendall(f"{head}Content-Length: {2 << 30}\r\n\r\n".encode())
            assert client.recv(4096).startswith(b"HTTP/1.1 413")
            with contextlib.suppress(OSError):  # the server hangs up on who goes on
                for _ in range(200):
                    client.sendall(bytes(1 << 20))
                raise AssertionError("two hundred MiB were taken")

        def endless() -> object:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
            for _ in range(64):
                yield bytes(1 << 16)

        answer = httpx.post(served.url + URL, content=endless(), headers={"content-type": "multipart/form-data; boundary=x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "file_too_large")
        assert said(served) == SAID


def test_a_body_that_does_not_come_gives_its_place_back(serve: Serve) -> None:
    with serve(limits=EndpointLimits(requests=1, body=BodyLimits(idle_s=0.5))) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            head = f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            client.sendall(f"{head}Content-Length: 1000\r\n\r\n--x".encode())
            assert client.recv(4096).startswith(b"HTTP/1.1 408")
        assert said(served) == SAID


def test_a_client_that_leaves_or_reads_nothing_gives_its_place_back(serve: Serve) -> None:
    with serve(limits=EndpointLimits(requests=2)) as served:
        for stream in ("true", "false"):
            form = {"model": (None, "whisper-1"), "stream": (None, stream), "file": ("a.flac", CLIP.read_bytes())}
            request = httpx.Request("POST", served.url + URL, files=form)
            with socket.create_connection(("127.0.0.1", served.port)) as client:
                lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
                client.sendall(f"POST {URL} HTTP/1.1\r\n{lines}\r\n".encode() + request.read())
                time.sleep(0.1)
        end = time.monotonic() + 30
        while served.endpoints._queue.open:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert said(served) == SAID


@pytest.mark.parametrize("content", [b"hello", b"\x16\x03\x01\x02\x00", b"GET /v1/models HTTP/1.1\r\n\r\n" * 3, b"\r\n" * 9])
def test_one_that_sends_text_disturbs_nobody(served: Served, content: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(content)
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            client.recv(4096)
    assert said(served) == SAID


def test_the_token_is_the_key(serve: Serve) -> None:
    with serve(Access(token="s3cret")) as served:
        assert said(served, "s3cret") == SAID
        for key in ("s3cre", "s3cret2", "any"):
            with pytest.raises(openai.AuthenticationError) as refused:
                said(served, key)
            assert refused.value.code == "invalid_api_key"
        assert httpx.get(f"{served.url}/v1/models").status_code == 401


def test_pages_of_others_and_other_names_of_this_machine_are_refused(served: Served) -> None:
    own = f"http://127.0.0.1:{served.port}"
    for origin, status in (("https://evil.example", 403), ("null", 403), (own, 415)):
        assert post(served, Origin=origin).status_code == status
    assert post(served, Host="evil.example").status_code == 400
    assert httpx.get(f"{served.url}/v1/models", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("prefix", ["", "/live"], ids=["kept", "stripped"])
def test_below_the_path_of_a_proxy(serve: Serve, prefix: str) -> None:
    """A proxy that takes the path away, and one that leaves it."""
    with serve(root_path=read_root_path("/live/")) as served, Proxy(served.port, prefix, keeps_host=False) as proxy:
        below = replace(served, port=proxy.port, path="/live")
        answer = httpx.get(f"{below.url}/v1/models")
        assert answer.json()["data"][0]["id"] == "moonshine-tiny-en"
        assert "captions.js" in httpx.get(f"{below.url}/").text
        assert httpx.get(f"{below.url}/captions.js").status_code == 200
        with connect(f"ws://127.0.0.1:{proxy.port}/live/captions") as live:
            live.send('{"type": "stop"}')
            assert json.loads(live.recv(timeout=30))["event"] == "closed"


@pytest.mark.parametrize("text", ["live", "https://example.org/live", "/a//b", "/a b", "/a?b"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a path such as"):
        read_root_path(text)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_over_tls(serve: Serve, tmp_path: Path) -> None:
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    files = ("-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem")
    line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    subprocess.run([*line, *names, *files], check=True, capture_output=True)
    with serve(tls=Tls(tmp_path / "cert.pem", tmp_path / "key.pem")) as served:
        import ssl

        trusted = httpx.Client(verify=ssl.create_default_context(cafile=tmp_path / "cert.pem"))
        client = openai.OpenAI(base_url=f"https://localhost:{served.port}/v1", api_key="any", http_client=trusted)
        assert client.audio.transcriptions.create(model="whisper-1", file=CLIP).text == SAID
