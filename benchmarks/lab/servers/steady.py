"""Memory of `unmask serve` while it answers request after request: captions, pictures and speech. Linux only.

    python -m benchmarks.lab.servers.steady --minutes 60 --every-s 4

Prints resident memory each tenth of the time; a leak of a request shows as a slope.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Annotated

import cyclopts
import httpx

from benchmarks.lab.omni.memory import memory
from benchmarks.lab.program import run
from benchmarks.lab.servers.wyoming import free_port
from unmask.apps.audio.files import demo_clips
from unmask.apps.cli.options import SHIPPED_OMNI
from unmask.benchmarks.measure.machine import describe_machine

TEXTS = ("a big red car on the left on a white background", "three small cats at the top and a bee on the right on pink")
OPENS_S = 120.0
ROWS = 10


@dataclass(frozen=True)
class SteadyOptions:
    minutes: float = 60.0
    every_s: float = 4.0
    """From the start of a request to that of the next."""


def main(*, options: Annotated[SteadyOptions, cyclopts.Parameter(name="*")] = SteadyOptions()) -> None:
    port = free_port()
    command = ("-m", "unmask.apps.cli.main", "serve", "--port", str(port), "--token", "t", "--threads", "1")
    process = subprocess.Popen([sys.executable, *command, "--generator", str(SHIPPED_OMNI)], stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", headers={"Authorization": "Bearer t"}, timeout=60) as client:
            opened(client)
            asked(process.pid, client, options)
    finally:
        process.terminate()
        process.wait(30)


def opened(client: httpx.Client) -> None:
    """Waits until the server answers."""
    deadline = time.monotonic() + OPENS_S
    while True:
        try:
            client.get("/models").raise_for_status()
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise SystemExit("unmask serve does not start; run it by hand to see why") from None
            time.sleep(0.5)


def asked(pid: int, client: httpx.Client, options: SteadyOptions) -> None:
    recordings = [(clip.name, clip.read_bytes()) for clip in demo_clips()]
    print(describe_machine(), "\n| minutes | requests | MiB resident |\n|---|---|---|", sep="\n", flush=True)
    began, count = time.monotonic(), 0
    for row in range(ROWS + 1):
        until = began + 60 * options.minutes * row / ROWS
        while time.monotonic() < until or not count:
            started = time.monotonic()
            request(client, count, recordings)
            count += 1
            time.sleep(max(0.0, started + options.every_s - time.monotonic()))
        held = memory(str(pid))
        assert held is not None, "the server ended"
        print(f"| {(time.monotonic() - began) / 60:.0f} | {count} | {held.rss:.1f} |", flush=True)


def request(client: httpx.Client, number: int, recordings: list[tuple[str, bytes]]) -> None:
    """Of ten requests eight are recordings, one a picture and one speech. Raises HTTPStatusError for one that is refused."""
    text = TEXTS[number // 10 % len(TEXTS)]
    if number % 10 == 8:
        answer = client.post("/images/generations", json={"prompt": text})
    elif number % 10 == 9:
        answer = client.post("/audio/speech", json={"model": "omni-tiny", "input": text, "voice": "default"})
    else:
        name, data = recordings[number % len(recordings)]
        answer = client.post("/audio/transcriptions", files={"file": (name, data)}, data={"model": "moonshine-tiny-en"})
    answer.raise_for_status()


if __name__ == "__main__":
    run(main)
