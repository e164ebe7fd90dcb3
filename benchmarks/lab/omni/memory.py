"""Memory of a process: sampled from outside while a command runs, and by itself while it opens a bundle. Linux only."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.system import system_fields
from unmask.text.denoiser import BackboneDenoiser

KINDS = ("VmRSS", "VmHWM", "RssAnon", "RssFile")


@dataclass(frozen=True)
class Memory:
    """MiB that a process holds: all of it now and at most so far, what is its own, and what is pages of files."""

    rss: float
    peak: float
    own: float
    files: float


@dataclass(frozen=True)
class Watched:
    """A command that ran to its end."""

    seconds: float
    cpu_s: float
    curve: tuple[tuple[float, Memory], ...]  # seconds since the start

    @property
    def peak(self) -> float:
        """MiB."""
        return max((memory.peak for _, memory in self.curve), default=0.0)

    def points(self, count: int) -> list[tuple[float, Memory]]:
        """At most so many points, evenly spread, the last one among them."""
        at = np.unique(np.linspace(0, len(self.curve) - 1, count).round().astype(int))
        return [self.curve[i] for i in at]


def memory(process: int | str = "self") -> Memory | None:
    """None when the process has ended."""
    fields = system_fields(Path(f"/proc/{process}/status"))
    if any(kind not in fields for kind in KINDS):
        return None
    return Memory(*(int(fields[kind].split()[0]) / 1024 for kind in KINDS))


def watch(command: Sequence[str], every_s: float = 0.5) -> Watched:
    """Run a command and look at its memory from time to time. Raises CalledProcessError when it fails."""
    import resource

    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    curve = []
    with subprocess.Popen(command, stdout=sys.stderr) as process:
        while process.poll() is None:
            if (now := memory(process.pid)) is not None:
                curve.append((time.perf_counter() - began, now))
            time.sleep(every_s)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Watched(time.perf_counter() - began, cpu_s, tuple(curve))


def opening(folder: str, engine: dict[str, Any], rows: int) -> Callable[[], list[tuple[str, float, float, dict[str, float]]]]:
    """The side of a process of its own (`unmask.benchmarks.measure.worker`): a function that verifies and opens a bundle and
    runs two passes over `rows` rows. It returns (what, seconds, seconds of a processor, fields of `Memory` after it) of each."""
    stages: list[tuple[str, float, float, dict[str, float]]] = []

    def stage(what: str, call: Callable[[], Any]) -> Any:
        began, cpu = time.perf_counter(), time.process_time()
        made, now = call(), memory()
        assert now is not None
        stages.append((what, time.perf_counter() - began, time.process_time() - cpu, asdict(now)))
        return made

    def run() -> list[tuple[str, float, float, dict[str, float]]]:
        bundle = stage("verify the files", lambda: load_bundle(folder))
        opened = Engine(bundle, EngineOptions(**engine))
        stage("open the window graph", lambda: opened.inputs("window"))
        stage("open the head of pictures", lambda: opened.inputs("head_image"))
        ids, at = np.arange(rows), np.arange(rows)
        allowed = (((bundle.manifest.vocabulary.ranges["image"]),),)
        denoiser = BackboneDenoiser(opened, rows)
        for name in ("first", "second"):
            stage(f"{name} pass over {rows} rows", lambda: denoiser.window(ids, at, at[1:], allowed))
        return stages

    return run
