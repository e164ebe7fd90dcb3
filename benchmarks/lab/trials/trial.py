"""What a trial is: a user's case, how it is made, what that user rightly expects, and what happens now."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The checkout: trials run the command that is installed and the clips that are shipped."""
CLIPS = ROOT / "apps/clips"
COMMAND = [sys.executable, "-m", "unmask.apps.cli.main"]


@dataclass(frozen=True)
class Outcome:
    """What a trial showed."""

    right: bool
    now: str
    """What happens now, in a few words for a table's cell."""


@dataclass(frozen=True)
class Trial:
    """One user's case."""

    number: str
    """"F3" for recordings and captions, "R12" for checkpoints, servers and benchmarks, "C1" for a model that people have."""
    kind: str
    expected: str
    test: str
    """The test that holds it: a file below tests/ and its function, `apps/audio/test_files.py::test_name`."""
    run: Callable[[Path], Outcome]
    """Given an empty folder of its own, makes the inputs and runs the case."""


@dataclass(frozen=True)
class Run:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line on stderr: what a user reads."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""

    @property
    def traceback(self) -> bool:
        """Whether Python's traceback reached the user."""
        return "Traceback (most recent call last)" in self.err


def unmask(
    *arguments: str | Path, folder: Path, stdin: bytes = b"", environment: dict[str, str] | None = None, seconds: float = 600
) -> Run:
    """Runs the `unmask` command in `folder`, as a user's shell would; `environment` is added to this process's."""
    command = [*COMMAND, *map(os.fspath, arguments)]
    done = subprocess.run(
        command,
        cwd=folder,
        input=stdin,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    return Run(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def refused(run: Run, *words: str) -> Outcome:
    """Right for one line on stderr with these words, exit code 2 and nothing on stdout."""
    right = run.code == 2 and not run.out and run.err.count("\n") == 1 and all(word in run.err for word in words)
    return Outcome(right, f"{run.last_line.removeprefix('unmask: ')} ({run.code})")


def all_of(*outcomes: Outcome) -> Outcome:
    """Right if all are; what happens now is said of those that are wrong, or of the last."""
    wrong = "; ".join(one.now for one in outcomes if not one.right)
    return Outcome(not wrong, wrong or outcomes[-1].now)
