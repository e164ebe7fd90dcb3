"""`unmask batch`: time with one and with more workers, memory of each, and what is left when it is killed. Linux only.

    python -m benchmarks.lab.servers.batch DATA/test/librispeech --count 200 --workers 1 --workers 2 --kills 10

Each kill ends the run, or one of its workers in turn, after a random time; the run is started again until it ends by itself, and
its texts are compared with those of a run that nobody disturbed.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import soundfile

from benchmarks.lab.omni.memory import memory
from benchmarks.lab.program import run
from unmask.benchmarks.measure.machine import describe_machine
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.system import system_fields
from unmask.training.corpus import read_corpus

OPEN_MIB = 100.0  # a process with the model holds more
LONGEST_WAIT_S = (4.0, 30.0)  # before a kill, for one worker and for more: Ray needs some seconds to begin


@dataclass(frozen=True)
class BatchOptions:
    count: int = 200
    """Recordings."""
    workers: tuple[int, ...] = (1, 2)
    kills: int = 10
    rounds: int = 1
    """Of the timed runs, which take turns."""
    seed: int = 0


def main(corpus: Path, /, *, options: Annotated[BatchOptions, cyclopts.Parameter(name="*")] = BatchOptions()) -> None:
    print(describe_machine(), f"{options.count} recordings\n", sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        talks = Path(folder) / "talks"
        seconds = written(corpus, options.count, talks)
        print(
            "| workers | round | s | captioned in that time | most MiB of each process with the model |",
            "|---|---|---|---|---|",
            sep="\n",
        )
        for number in range(options.rounds):
            for workers in options.workers:
                out = Path(folder) / f"out-{workers}-{number}"
                began = time.monotonic()
                most = watched(started(talks, out, workers))
                took = time.monotonic() - began
                peaks = ", ".join(f"{value:.0f}" for value in most)
                print(f"| {workers} | {number + 1} | {took:.1f} | {seconds / took:.1f} times real time | {peaks} |", flush=True)
        whole = texts(Path(folder) / f"out-{options.workers[0]}-0")
        rng = np.random.default_rng(options.seed)
        for workers in options.workers:
            killed(talks, Path(folder) / f"killed-{workers}", workers, options.kills, whole, rng)


def written(corpus: Path, count: int, folder: Path) -> float:
    """Recordings as files; gives their seconds. A corpus with fewer is gone through again."""
    folder.mkdir()
    utterances, seconds = list(read_corpus(corpus)), 0.0
    for i in range(count):
        samples = utterances[i % len(utterances)].samples
        soundfile.write(folder / f"{i:04d}.flac", samples, SAMPLE_RATE_HZ)
        seconds += len(samples) / SAMPLE_RATE_HZ
    return seconds


def started(talks: Path, out: Path, workers: int) -> "subprocess.Popen[bytes]":
    command = (
        sys.executable,
        "-m",
        "unmask.apps.cli.main",
        "batch",
        talks,
        "--out",
        out,
        "--workers",
        str(workers),
        "--format",
        "txt",
    )
    return subprocess.Popen([*map(str, command), "--quiet"], start_new_session=True, stderr=subprocess.DEVNULL)


def watched(process: "subprocess.Popen[bytes]") -> list[float]:
    """Waits for the end; gives the most MiB of each process that opened the model."""
    most = dict[int, float]()
    while process.poll() is None:
        for pid in holders(process.pid):
            if (held := memory(str(pid))) is not None:
                most[pid] = max(most.get(pid, 0.0), held.rss)
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"unmask batch ended with {process.returncode}; run it by hand to see why")
    return sorted(most.values(), reverse=True)


def holders(pid: int) -> list[int]:
    """The process and its descendants, of these the ones that hold a model."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        fields = system_fields(path / "status")
        if "PPid" in fields:
            parents[int(path.name)] = int(fields["PPid"])
    family, new = {pid}, {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - family
        family |= new
    ours = [one for one in family if _is_worker(one, pid)]
    return [one for one in ours if (held := memory(str(one))) is not None and held.own > OPEN_MIB]


def _is_worker(pid: int, root: int) -> bool:
    """The run itself, or an actor of Ray, which says what it is in its title."""
    try:
        return pid == root or (Path("/proc") / str(pid) / "cmdline").read_bytes().startswith(b"ray::")
    except (FileNotFoundError, ProcessLookupError):
        return False


def killed(talks: Path, out: Path, workers: int, kills: int, whole: dict[str, str], rng: np.random.Generator) -> None:
    """Prints what was found after each kill, and at the end."""
    left, half, wrong = kills, 0, 0
    longest = LONGEST_WAIT_S[workers > 1]
    while left:
        process = started(talks, out, workers)
        time.sleep(rng.uniform(0.5, longest))
        victims = [pid for pid in holders(process.pid) if pid != process.pid] if left % 2 else []
        if victims:
            os.kill(victims[0], signal.SIGKILL)
            time.sleep(rng.uniform(0, longest / 4))
        else:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        left -= 1
        found = texts(out)
        half += sum(name.endswith(".part") for name in found)
        wrong += sum(text != whole[name] for name, text in found.items() if not name.endswith(".part"))
        if process.poll() is None:
            process.kill()
            process.wait()
    watched(started(talks, out, workers))
    end = texts(out)
    same = sum(end.get(name) == text for name, text in whole.items())
    print(
        f"\n{workers} workers, {kills} kills: {half} texts half written beside their places, {wrong} wrong ones in theirs; "
        f"at the end {same} of {len(whole)} as without a kill, {len(end.keys() - whole.keys())} files too many",
        flush=True,
    )


def texts(out: Path) -> dict[str, str]:
    return {path.relative_to(out).as_posix(): path.read_text(encoding="utf-8") for path in out.rglob("*") if path.is_file()}


if __name__ == "__main__":
    run(main)
