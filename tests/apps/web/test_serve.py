"""`unmask serve` on a real socket with the shipped bundle: what clients get, and what those get who misbehave."""

import contextlib
import gc
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.apps.conftest import CLIPS, Command, start
from unmask import LiveCaptioner
from unmask.apps.audio.files import read_recording
from unmask.apps.cli.tasks.network import listen
from unmask.apps.web.access import Access
from unmask.apps.web.server import HEADERS, Server, make_app
from unmask.apps.web.session import Limits

Samples = NDArray[np.float32]
Message = dict[str, Any]
OPEN = Limits(backlog_s=30, rate=100)  # tests do not wait for the time that speech takes


@pytest.fixture(scope="module")
def speech() -> Samples:
    return read_recording(CLIPS / "lj-jail.flac")


@dataclass
class Running:
    server: Server
    port: int

    @property
    def sessions(self) -> int:
        return len(self.server._sessions)

    def connect(self, query: str = "", **headers: str) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}/captions{query}", additional_headers=headers, compression=None)


@contextlib.contextmanager
def running(open_live: Callable[[], LiveCaptioner], access: Access | None = None, limits: Limits = OPEN) -> Iterator[Running]:
    listener = listen("127.0.0.1", 0)
    server = Server(make_app(open_live, access, limits), limits)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield Running(server, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def served(open_live: Callable[[], LiveCaptioner]) -> Iterator[Running]:
    with running(open_live) as server:
        yield server


def wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def say(client: ClientConnection, samples: Samples, block: int = 1600) -> None:
    for first in range(0, len(samples), block):
        client.send(samples[first : first + block].astype("<f4").tobytes())


def rest(client: ClientConnection) -> tuple[list[Message], int, str]:
    """All messages until the server closes, its code and its reason."""
    messages = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(client.recv(timeout=10)))
    assert client.protocol.close_code
    return messages, client.protocol.close_code, client.protocol.close_reason or ""


def stop(client: ClientConnection) -> tuple[list[Message], int, str]:
    client.send('{"type": "stop"}')
    return rest(client)


def kinds(messages: list[Message]) -> list[str]:
    return [message["event"] for message in messages if message["event"] != "updated"]


def plain(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


# ---- captions


def test_speech_becomes_captions_and_stop_ends_them(served: Running, speech: Samples) -> None:
    with served.connect() as client:
        say(client, speech)
        messages, code, reason = stop(client)
    assert kinds(messages) == ["segment_started", "segment_ended", "closed"]
    assert (code, reason) == (1000, "stopped")
    assert messages[-1] == {"event": "closed", "code": 1000, "reason": "stopped"}
    last = messages[-2]
    assert {"inadequacy", "jail", "noticed", "grand", "london"} <= set(plain(last["stable"]))
    assert last["tentative"] == ""
    assert last["time_s"] == pytest.approx(len(speech) / 16000, abs=1e-3)
    stable = ""
    for message in messages[:-1]:
        assert message["stable"].startswith(stable)
        stable = message["stable"]


def test_blocks_of_any_length_are_taken_and_an_empty_stream_is_no_error(served: Running, speech: Samples) -> None:
    with served.connect() as client:
        say(client, speech[:8000], 801)
        client.send(b"")
        say(client, speech[8000:], 100_000)
        assert kinds(stop(client)[0]) == ["segment_started", "segment_ended", "closed"]
    with served.connect() as client:
        assert stop(client)[0] == [{"event": "closed", "code": 1000, "reason": "stopped"}]


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
def test_a_client_names_its_rate(served: Running, speech: Samples, rate_hz: int) -> None:
    with served.connect(f"?rate={rate_hz}") as client:
        say(client, soxr.resample(speech, 16000, rate_hz), rate_hz // 10)
        messages, code, _ = stop(client)
    last = messages[-2]
    assert code == 1000
    assert {"inadequacy", "jail", "london"} <= set(plain(last["stable"]))
    assert last["time_s"] == pytest.approx(len(speech) / 16000, abs=0.01)
    assert " ".join(line for cue in last["cues"] for line in cue["lines"]) == last["stable"].strip()
    assert all("cues" not in message for message in messages if message["event"] != "segment_ended")


def test_a_rate_out_of_bounds_is_refused(served: Running) -> None:
    for rate in ("0", "7999", "384001", "fast"):
        with served.connect(f"?rate={rate}") as client:
            messages, code, reason = rest(client)
        assert (code, messages[-1]["reason"]) == (1003, reason)
        assert "from 8000 to 384000" in reason


def test_clients_at_once_get_their_own_captions(served: Running) -> None:
    def caption(name: str) -> str:
        with served.connect() as client:
            say(client, read_recording(CLIPS / f"{name}.flac"))
            return " ".join(m["stable"] for m in stop(client)[0] if m["event"] == "segment_ended").lower()

    with ThreadPoolExecutor(3) as threads:
        jail, austen, libri = threads.map(caption, ("lj-jail", "austen-dashwood", "librispeech-533"))
    assert "jail" in jail
    assert "dashwood" in austen
    assert "unusual" in libri


# ---- clients that misbehave


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"abc", 1003),
        (np.array([0, np.nan], "<f4").tobytes(), 1003),
        (np.array([np.inf], "<f4").tobytes(), 1003),
        ("stop", 1003),
        ('{"type": "go"}', 1003),
        ("[" * 100_000, 1003),
        ("[1]", 1003),
        (bytes((1 << 20) + 4), 1009),
    ],
    ids=["odd", "nan", "inf", "text", "type", "deep", "list", "long"],
)
def test_garbage_ends_the_session_with_a_reason_and_nobody_elses(served: Running, speech: Samples, frame: Any, code: int) -> None:
    with served.connect() as other, served.connect() as client:
        say(other, speech[:16000])
        client.send(frame)
        messages, given, reason = rest(client)
        assert given == code
        if code == 1003:
            assert reason
            assert messages == [{"event": "closed", "code": code, "reason": reason}]
        assert kinds(stop(other)[0])[-1] == "closed"
    wait_for(lambda: served.sessions == 0)


def test_what_was_said_before_the_garbage_is_captioned(served: Running, speech: Samples) -> None:
    with served.connect() as client:
        say(client, speech)
        client.send(b"abc")
        messages, code, _ = rest(client)
    assert code == 1003
    assert "jail" in messages[-2]["stable"]


def test_a_client_that_vanishes_leaves_nothing_behind(open_live: Callable[[], LiveCaptioner], speech: Samples) -> None:
    opened = []

    def watched() -> LiveCaptioner:
        live = open_live()
        opened.append(weakref.ref(live))
        return live

    def left() -> int:
        gc.collect()
        return sum(live() is not None for live in opened)

    with running(watched) as server:
        for _ in range(3):
            with server.connect() as client:
                say(client, speech)
                client.recv(timeout=10)  # it is being captioned
                client.socket.shutdown(socket.SHUT_RDWR)  # no close frame
        wait_for(lambda: len(opened) == 3 and server.sessions == 0 and left() == 0)
        with server.connect() as client:
            say(client, speech)
            assert "jail" in stop(client)[0][-2]["stable"]


def test_of_twenty_clients_four_are_served_and_the_others_told(served: Running, speech: Samples) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(served.connect()) for _ in range(20)]
        wait_for(lambda: served.sessions == 4)
        for client in clients[4:]:
            assert rest(client)[1:] == (1013, "the server is full")
        for client in clients[:4]:
            say(client, speech[:32000])
        assert all("The inadequacy" in stop(client)[0][-2]["stable"] for client in clients[:4])
    wait_for(lambda: served.sessions == 0)


def test_audio_that_comes_too_fast_gives_way_and_is_counted(open_live: Callable[[], LiveCaptioner], speech: Samples) -> None:
    sent = np.tile(speech, 2)
    limits = Limits(backlog_s=2, rate=2)
    with running(open_live, limits=limits) as server, server.connect() as client:
        began = time.monotonic()
        for first in range(0, len(sent), 1600):  # ten times as fast as it is spoken
            say(client, sent[first : first + 1600])
            time.sleep(0.01)
        messages, code, _ = stop(client)
        took_s = time.monotonic() - began
    sent_s = len(sent) / 16000
    heard_s = sent_s - sum(m["dropped_s"] for m in messages if m["event"] == "dropped")
    assert code == 1000
    assert messages[-2]["time_s"] == pytest.approx(sent_s, abs=0.05)  # all is heard or counted
    bursts = 3  # the one allowed, one that was taken at once, and what waited at the end
    assert 0 < heard_s <= bursts * limits.backlog_s + limits.rate * took_s


# ---- who may talk


def test_a_foreign_origin_or_host_gets_no_socket(served: Running) -> None:
    mine = f"127.0.0.1:{served.port}"
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": f"http://localhost:{served.port}"}):
        with pytest.raises(InvalidStatus) as refused:
            served.connect(**headers)
        assert refused.value.response.status_code == 403
    for headers in ({"Origin": f"http://{mine}"}, {}):
        with served.connect(**headers) as client:
            assert stop(client)[1] == 1000


def test_a_name_pointed_at_this_machine_gets_no_page_and_no_socket(served: Running) -> None:
    evil = {"Host": f"evil.example:{served.port}"}
    assert httpx.get(f"http://127.0.0.1:{served.port}/", headers=evil).status_code == 400
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "A" * 22 + "==",
    }
    for host, status in ((evil["Host"], 403), ("localhost", 101)):
        with httpx.stream("GET", f"http://127.0.0.1:{served.port}/captions", headers={**upgrade, "Host": host}) as answer:
            assert answer.status_code == status
    wait_for(lambda: served.sessions == 0)


def test_a_token_is_needed_where_one_is_set(open_live: Callable[[], LiveCaptioner]) -> None:
    with running(open_live, Access(token="s€cret")) as server:
        for query in ("", "?token=", "?token=s", "?token=s%E2%82%ACcret2", "?token=%FF"):
            with server.connect(query) as client:
                assert rest(client)[1:] == (1008, "the token is missing or wrong")
        with server.connect("?token=s%E2%82%ACcret") as client:
            assert stop(client)[1] == 1000


def test_the_page_is_ours_alone(served: Running) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}") as http:
        page = http.get("/")
        assert page.headers["content-type"].startswith("text/html")
        for name, value in HEADERS.items():
            assert page.headers[name] == value
        named = re.findall(r'(?:href|src)="([^"]+)"', page.text)
        assert len(named) >= 3
        for name in named:
            assert "//" not in name
            assert http.get(f"/{name}").status_code == 200
        for path in ("/../pyproject.toml", "/%2e%2e/web.py", "/web.py", "/page/index.html", "//etc/passwd", "/absent"):
            assert http.get(path).status_code == 404
        assert http.post("/").status_code == 405


# ---- the end


def test_a_server_that_stops_finishes_open_captions(open_live: Callable[[], LiveCaptioner], speech: Samples) -> None:
    with running(open_live) as server, server.connect() as talking, server.connect() as silent:
        say(talking, speech[: 5 * 16000])
        while json.loads(talking.recv(timeout=10))["event"] != "updated":
            pass
        server.server.should_exit = True
        messages, code, reason = rest(talking)
        assert (code, reason) == (1001, "the server is stopping")
        assert kinds(messages) == ["segment_ended", "closed"]
        assert "jail" in messages[-2]["stable"]
        assert rest(silent)[1] == 1001


def test_the_command_prints_a_line_for_each_page_and_ends_cleanly() -> None:
    process = start("serve", "--port", "0", "--host", "0.0.0.0")
    try:
        assert process.stderr
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/#token=([\w-]{20,})", line)
        assert found, line
        port, token = found.groups()
        assert f"http://127.0.0.1:{port}/panels/#token={token}" in process.stderr.readline()
        for page in ("", "panels/"):
            assert httpx.get(f"http://127.0.0.1:{port}/{page}").status_code == 200
        with connect(f"ws://127.0.0.1:{port}/captions?token={token}") as client:
            client.send(bytes(64000))
            process.send_signal(signal.SIGINT)
            assert rest(client)[1] == 1001
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0
    finally:
        if process.poll() is None:
            process.kill()


def test_a_taken_port_is_said_in_one_line(command: Command, fp32_bundle: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        result = command("serve", "--bundle", fp32_bundle, "--port", str(taken.getsockname()[1]))
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "--port 0" in result.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--host", "203.0.113.9"), "cannot listen on 203.0.113.9"),
        (("--port", "70000"), "70000"),
        (("--clients", "0"), "clients is 0"),
        (("--threads", "0"), "threads is 0"),
        (("--stability", "2"), "stability"),
        (("--bundle", "absent"), "absent"),
        (("--requests", "0"), "requests is 0"),
        (("--root-path", "live"), "is not a path such as"),
        (("--generator", "models/moonshine-tiny-en"), "this bundle captions"),
    ],
)
def test_options_that_cannot_be(command: Command, fp32_bundle: Path, options: tuple[str, ...], reason: str) -> None:
    result = command("serve", *(() if "--bundle" in options else ("--bundle", fp32_bundle)), *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert reason in result.err


def test_a_missing_package_names_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['starlette'] = None; from unmask.apps.cli.main import run; sys.argv = ['unmask', 'serve']; run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install 'unmask[serve]'" in done.stderr
