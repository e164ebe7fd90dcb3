"""Offline means offline: the system calls of whole commands. No socket, and no file but what was asked for.

A native library opens sockets of its own, which Python does not see. CI is unset, since some libraries are quiet where it is set.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.apps.conftest import listen
from unmask.apps.cli.options import SHIPPED

CALLS = "socket,connect,sendto,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2"
TRACED = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", f"trace={CALLS}"]  # other calls do not stop: else all takes twice as long
CREATES = re.compile(r"(?:O_WRONLY|O_RDWR|O_CREAT|\bcreat\(|\bmkdir|\brename)")
HARMLESS = ("/dev/", "/proc/")

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")


def surroundings(home: Path) -> dict[str, str]:
    """Nothing of this machine's user, and nothing that asks libraries to keep quiet."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


def traced(tmp_path: Path, *line: str) -> list[str]:
    """System calls of a command that ends by itself, run with `tmp_path` as the home folder."""
    log = tmp_path / "calls"
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run([*TRACED, "-o", log, *line], env=surroundings(home), cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == [], "the home folder stays as it was"
    return log.read_text(errors="replace").splitlines()


def internet(calls: list[str]) -> list[str]:
    return [call for call in calls if "AF_INET" in call]


def written(calls: list[str]) -> list[str]:
    """Calls that make or change a file, those that failed aside."""
    found = [call for call in calls if CREATES.search(call) and "= -1" not in call and "O_DIRECTORY" not in call]
    return [call for call in found if not any(f'"{place}' in call for place in HARMLESS)]


def test_captions_of_a_file(tmp_path: Path, clip: Path) -> None:
    calls = traced(tmp_path, sys.executable, "-m", "unmask.apps.cli.main", "caption", "--quiet", str(clip))
    assert internet(calls) == []
    assert written(calls) == []


def test_the_python_api(tmp_path: Path) -> None:
    code = (
        "import sys, numpy; from unmask import open_model; "
        "samples = numpy.random.default_rng(0).standard_normal(32000).astype('float32') * 0.1; "
        "open_model(sys.argv[1]).load().run('caption', {'speech': samples})"
    )
    calls = traced(tmp_path, sys.executable, "-c", code, str(SHIPPED))
    assert internet(calls) == []
    assert written(calls) == []


@pytest.mark.slow
def test_live_captions_over_their_own_time(tmp_path: Path, clip: Path) -> None:
    """Libraries that report do so after some seconds."""
    calls = traced(tmp_path, sys.executable, "-m", "unmask.apps.cli.main", "caption", "--quiet", "--realtime", str(clip))
    assert internet(calls) == []
    assert written(calls) == []


@pytest.mark.slow
def test_the_server_opens_its_own_socket_alone(tmp_path: Path) -> None:
    home, log = tmp_path / "home", tmp_path / "calls"
    home.mkdir()
    line = [*TRACED, "-o", str(log), sys.executable, "-m", "unmask.apps.cli.main", "serve", "--port", "0"]
    server = subprocess.Popen(
        line,
        env=surroundings(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=listen,
        start_new_session=True,
    )
    assert server.stdout is not None
    first = server.stdout.readline()
    assert "http://" in first, first
    time.sleep(5)
    os.killpg(server.pid, signal.SIGINT)  # strace itself does not pass it on
    server.wait(timeout=120)
    calls = log.read_text(errors="replace").splitlines()
    assert [call for call in internet(calls) if "socket(" not in call] == [], "nothing is connected to"
    assert len([call for call in internet(calls) if "socket(" in call]) <= 2
    assert list(home.rglob("*")) == []


def outside(calls: list[str], *places: Path) -> list[str]:
    """Calls that write a file elsewhere than in `places`; relative paths are in the folder of the command."""
    return [call for call in written(calls) if '"/' in call and not any(f'"{place}' in call for place in places)]


BUNDLE, CHECKPOINT = "BUNDLE", "CHECKPOINT"
LINES = [
    ("generate", BUNDLE, "--prompt", "x", "--length", "8"),
    ("generate", BUNDLE, "--prompt", "x", "--length", "8", "--reference"),
    ("devices", BUNDLE),
    ("inspect", BUNDLE),
    ("quantize", BUNDLE, "--out", "made"),
    ("compare", BUNDLE, BUNDLE, "--runs", "1", "--length", "4"),
    ("tune", BUNDLE, "--rounds", "1", "--length", "4", "--plot", "picture.png"),
    ("bench", BUNDLE, "--scenario", "step", "--rounds", "1", "--min-seconds", "0", "--warmup", "0", "--output", "report"),
    ("export", CHECKPOINT, "--out", "made"),
    pytest.param(("export", CHECKPOINT, "--out", "made", "--target", "litert", "--longest", "32"), marks=pytest.mark.convert),
    pytest.param(("export", CHECKPOINT, "--out", "made", "--target", "coreml", "--longest", "32"), marks=pytest.mark.convert),
]


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES, ids=lambda line: "-".join(word.strip("-") for word in line[:6]))
def test_no_command_opens_a_socket_or_writes_elsewhere(
    tmp_path: Path, backbones: dict[str, Path], checkpoints: dict[str, Path], line: tuple[str, ...]
) -> None:
    """What was asked for, and the cache: libraries that convert and draw have folders and networks of their own."""
    words = [{BUNDLE: str(backbones["dream"]), CHECKPOINT: str(checkpoints["dream"])}.get(word, word) for word in line]
    home, work, temporary, log = (tmp_path / name for name in ("home", "work", "temporary", "calls"))
    for folder in (home, work, temporary):
        folder.mkdir()
    command = [*TRACED, "-o", str(log), sys.executable, "-m", "unmask.apps.cli.main", *words]
    own = {**surroundings(home), "TMPDIR": str(temporary)}
    done = subprocess.run(command, env=own, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    calls = log.read_text(errors="replace").splitlines()
    assert internet(calls) == []
    assert outside(calls, home / ".cache", work, temporary) == []
    assert {path.relative_to(home).parts[:2] for path in home.rglob("*") if path.is_file()} <= {(".cache", "unmask")}
    assert [path for path in temporary.rglob("*") if path.is_file()] == []


def test_the_trace_sees_what_it_should(tmp_path: Path) -> None:
    code = "import socket, sys; socket.socket(); open(sys.argv[1], 'w').close()"
    calls = traced(tmp_path, sys.executable, "-c", code, str(tmp_path / "made"))
    assert internet(calls)
    assert len(written(calls)) == 1
