"""llama.cpp's `llama-diffusion-cli` as a system: its command line, what it prints, its own clock.

The program is started for each answer and opens the weights each time; the time that it prints starts after that. Knows one
program and GGUF files. Knows no other system and no report.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unmask.benchmarks.scenarios.runner import Sample
from unmask.errors import InputError

NAME = "llama-diffusion-cli"
CONFIDENCE = "4"  # its algorithm; Dream's maskgit_plus
PREFIX = re.compile(r"^\d+\.\d\d\.\d{3}\.\d{3} [A-Z] ", re.MULTILINE)  # of what it logs: minutes.seconds.ms.us and the level
FINISHED = re.compile(r"^total time: ([\d.]+)ms[^\n]*\n\n(.*)\n", re.MULTILINE | re.DOTALL)
TRIES = 5  # its log is written by a thread that it does not wait for: sometimes the end is lost (ggml-org/llama.cpp#22142)
VERSION = re.compile(r"version: (.+)")


def absent(program: Path | None, weights: tuple[Path, ...]) -> str | None:
    """Why it cannot be measured; None if it can. Raises InputError for a program or file that is given and does not exist."""
    if program is None and not weights:
        return "not given; name the program with --llama-diffusion-cli and the same weights with --gguf"
    if program is None:
        raise InputError(f"--gguf {weights[0]} needs the program that reads it; name it with --llama-diffusion-cli")
    if not weights:
        raise InputError(f"--llama-diffusion-cli {program} needs weights in its form; name a GGUF file with --gguf")
    if shutil.which(program) is None:
        raise InputError(f"{program}: no such program; build the target {NAME} of llama.cpp, or name where it is")
    for path in weights:
        if not path.is_file():
            raise InputError(f"{path}: no such file; --gguf takes the bundle's own weights as GGUF")
    return None


def version(program: Path) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = VERSION.search(done.stdout + done.stderr)
    return found[1].strip() if found else "of unknown version"


def arguments(weights: str, threads: int, prompt: str, canvas: int, steps: int) -> list[str]:
    """Greedy, by the published schedule, on the CPU. canvas: positions, including the prompt's with its chat marks.

    A temperature of 0 samples as 1 does in that program; only top-k 1 is greedy. Then all positions have equal confidence, and
    the first ones are committed first.
    """
    count, wide = str(threads), str(canvas)
    model = {"-m": weights, "-p": prompt, "-t": count, "-tb": count, "-ub": wide, "-b": wide, "-c": wide, "--device": "none"}
    greedy = {"--temp": "0", "--top-k": "1", "--top-p": "1"}
    schedule = {"--diffusion-eps": "0.001", "--diffusion-algorithm": CONFIDENCE, "--diffusion-steps": str(steps)}
    return ["--no-escape", *(word for pair in {**model, **greedy, **schedule}.items() for word in pair)]


def finished(said: str, code: int) -> tuple[float, str]:
    """Seconds and text of a log without prefixes. Raises InputError with its last line if the program did not finish."""
    found = FINISHED.search(said)
    if code or found is None:
        last = [line.strip() for line in said.splitlines() if line.strip()]
        raise InputError(f"{NAME} ended with code {code} and no text; the last it said: {last[-1] if last else 'nothing'}")
    return float(found[1]) / 1000, found[2]


def answers(program: str, weights: str, threads: int, prompt: str, canvas: int, steps: int) -> Callable[[], dict[str, Any]]:
    """A target: runs the program once for each call."""
    command = [program, *arguments(weights, threads, prompt, canvas, steps)]

    def call() -> dict[str, Any]:
        for _ in range(TRIES):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            said = PREFIX.sub("", (done.stdout + done.stderr).decode(errors="replace"))
            if done.returncode or FINISHED.search(said):
                break
        seconds, text = finished(said, done.returncode)
        return Sample(seconds, steps, steps * canvas, rss_mib=children_rss_mib(), text=text.strip()).to_json()

    return call


def children_rss_mib() -> float:
    """Largest peak memory of the processes that this one started; 0 if the system does not say."""
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
