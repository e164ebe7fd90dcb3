"""Our Wyoming server beside wyoming-faster-whisper, by wyoming-bench, which others wrote and which prints its own report.

    python -m benchmarks.lab.servers.wyoming DATA/test/librispeech --environment ENV --whisper WEIGHTS --count 20

ENV: a virtual environment with the packages wyoming-bench and wyoming-faster-whisper. WEIGHTS: a Whisper in CTranslate2's form.
Whole recordings to both servers in turn, then ours alone as people speak: the other does not stream.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import soundfile

from benchmarks.lab.program import run
from unmask.benchmarks.measure.machine import describe_machine
from unmask.errors import InputError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.corpus import read_corpus

OPENS_S = 120.0
LANGUAGE = ("--config", '{"language": "en"}')


@dataclass(frozen=True)
class WyomingOptions:
    environment: Path
    whisper: Path
    count: int = 20
    """Recordings."""
    delay_s: float = 0.064
    """Between chunks of 1,024 samples while it streams: 0.064 is the pace at which people speak."""
    beam: int = 1
    """Of the other server; its own default on most machines."""
    threads: int = 1
    """Of each server."""
    rounds: int = 1


def main(corpus: Path, /, *, options: Annotated[WyomingOptions, cyclopts.Parameter(name="*")]) -> None:
    bench, peer = (options.environment / "bin" / name for name in ("wyoming-bench", "wyoming-faster-whisper"))
    for program in (bench, peer):
        if not program.is_file():
            raise InputError(
                f"{program}: is missing; run {options.environment}/bin/pip install wyoming-bench wyoming-faster-whisper"
            )
    print(describe_machine(), f"{options.threads} threads", "", sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as held:
        written(corpus, options.count, Path(folder) / "corpus")
        ports = [held.enter_context(server(command)) for command in commands(peer, options, Path(folder))]
        servers = [f"127.0.0.1:{port}" for port in ports]
        measured = (bench, "stt", "--corpus", Path(folder) / "corpus", "--rounds", str(options.rounds), *LANGUAGE)
        subprocess.run((*measured, "--mode", "non_streaming", *servers), check=True)
        streamed = ("--mode", "streaming", "--chunk-delay", str(options.delay_s))
        subprocess.run((*measured, *streamed, servers[0]), check=True)


def written(corpus: Path, count: int, folder: Path) -> None:
    """Recordings as the benchmark reads them, spread over the corpus."""
    folder.mkdir()
    every = list(read_corpus(corpus))
    for utterance in every[:: max(1, len(every) // count)][:count]:
        name = Path(utterance.id).stem
        soundfile.write(folder / f"{name}.wav", utterance.samples, SAMPLE_RATE_HZ, subtype="PCM_16")
        (folder / f"{name}.txt").write_text(utterance.text + "\n", encoding="utf-8")


def commands(peer: Path, options: WyomingOptions, folder: Path) -> list[tuple[str | Path, ...]]:
    """The servers, without their addresses."""
    own = (sys.executable, "-m", "unmask.apps.cli.main", "wyoming", "--threads", str(options.threads))
    weights = ("--model", options.whisper, "--data-dir", folder, "--local-files-only", "--language", "en")
    cost = ("--compute-type", "int8", "--beam-size", str(options.beam), "--cpu-threads", str(options.threads))
    return [own, (peer, *weights, *cost, "--stt-library", "faster-whisper")]


@contextmanager
def server(command: Sequence[str | Path]) -> Iterator[int]:
    """Started at a free port, which is given once it listens."""
    port = free_port()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen([*command, "--uri", f"tcp://127.0.0.1:{port}"], stdout=told, stderr=told, env=environment)
        try:
            _wait(process, port, command)
            yield port
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _wait(process: "subprocess.Popen[bytes]", port: int, command: Sequence[str | Path]) -> None:
    deadline = time.monotonic() + OPENS_S
    while True:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise InputError(f"{' '.join(map(str, command))}: does not start; run it by hand to see why")
        time.sleep(0.2)


if __name__ == "__main__":
    run(main)
