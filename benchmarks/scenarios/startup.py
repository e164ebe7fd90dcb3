"""Start: for every sample a new process reads a bundle, opens its graphs and computes a first pass.

cold: the system is asked to drop the bundle's files from memory first, if it supports that. Imports are lazy so that they can be
timed.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unmask.benchmarks.scenarios.runner import Sample

Costs = dict[str, list[int]]


def start(folder: str, engine: dict[str, Any], recordings: list[str], costs: Costs) -> Callable[..., dict[str, Any]]:
    return lambda cold: measure(folder, engine, recordings, costs, cold).to_json()


def measure(folder: str, engine: dict[str, Any], recordings: list[str], costs: Costs, cold: bool) -> Sample:
    if cold:
        forget(Path(folder))
    times = [time.perf_counter()]
    from unmask.benchmarks.measure.machine import peak_rss_mib
    from unmask.benchmarks.scenarios.workload import opened

    times.append(time.perf_counter())
    subject = opened(folder, engine, recordings, costs)
    times.append(time.perf_counter())
    call = subject.step(16, 2)
    passes = []
    for _ in range(3):
        passes.append(call().seconds)
    first = times[-1] - times[0] + passes[0]
    spans = {
        "imports": times[1] - times[0],
        "read and open": times[2] - times[1],
        "first pass": passes[0],
        "third pass": passes[2],
    }
    more = {name: [seconds] for name, seconds in spans.items()}
    return Sample(first, 1, 16, rss_mib=peak_rss_mib(), more=more)


def can_forget() -> bool:
    return hasattr(os, "posix_fadvise")


def forget(folder: Path) -> None:
    """Ask the system to drop a folder's files from memory; files that another process maps stay."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
