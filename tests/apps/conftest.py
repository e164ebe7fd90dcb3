"""The command as a person runs it, on the shipped bundle and the demo clips."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import unmask.apps.cli.main
from unmask import Captioner, LiveCaptioner, load_bundle
from unmask.apps.audio.voice_activity import Silero
from unmask.apps.cli.options import SHIPPED

CLIPS = Path(__file__).parents[2] / "apps" / "clips"
TRANSCRIPTS = {
    "lj-jail": "The inadequacy of the jail was noticed and reported upon again and again by the grand juries of the city of "
    "London",
    "austen-dashwood": "and Mr. John Dashwood had then leisure to consider how much there might be prudently in his power to do "
    "for them",
    "librispeech-533": "i mean he persisted do you feel as though you could go through with something rather unusual",
}


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


class Command:
    """Runs `unmask` inside this process."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *arguments: str | Path) -> Result:
        self._capfd.readouterr()
        code = unmask.apps.cli.main.main([str(argument) for argument in arguments])
        captured = self._capfd.readouterr()
        return Result(code, captured.out, captured.err)


@pytest.fixture(scope="session")
def shipped() -> Captioner:
    """The shipped captioner, loaded."""
    return Captioner(load_bundle(SHIPPED)).load()


@pytest.fixture(scope="session")
def open_live(shipped: Captioner) -> Callable[[], LiveCaptioner]:
    return lambda: LiveCaptioner(shipped, Silero())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own: settings that were tuned on this machine are not tested with."""
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    return Command(capfd)


@pytest.fixture
def clip() -> Path:
    return CLIPS / "lj-jail.flac"


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start `unmask` as a process of its own that can be interrupted, also where the tests run in the background and cannot."""
    line = [sys.executable, "-m", "unmask.apps.cli.main", *map(str, arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", preexec_fn=listen)


def listen() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
