"""Trials of the commands that run: generate, serve, bench and compare, and what they leave outside."""

import atexit
import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.lab.trials.trial import CLIPS, COMMAND, Outcome, Trial, all_of, refused, unmask

ANSWER = ("--prompt", "Hi", "--length", "16")


@functools.cache
def made() -> Path:
    """A folder with the checkpoint `tiny`, random weights of Dream's family, and its bundle. One for all trials."""
    folder = Path(tempfile.mkdtemp(prefix="trials-"))
    atexit.register(shutil.rmtree, folder)
    line = [sys.executable, "-m", "unmask.benchmarks.scenarios.checkpoints", "tiny", "--family", "dream"]
    subprocess.run(line, cwd=folder, check=True, capture_output=True)
    config = folder / "tiny" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "max_position_embeddings": 131_072}))
    done = unmask("export", "tiny", "--out", "tiny.bundle", "--quiet", folder=folder)
    if done.code:
        raise RuntimeError(done.err)
    return folder


def ignored(_: Path) -> Outcome:
    def answer(*more: str) -> tuple[int, list[int]]:
        done = unmask("generate", "tiny.bundle", *ANSWER, "--reference", "--json", "--quiet", *more, folder=made())
        read = json.loads(done.out)
        return read["passes"], read["ids"]

    usual, few, drawn = answer(), answer("--steps", "4"), answer("--temperature", "5", "--seed", "7")
    ended = unmask("generate", "tiny.bundle", *ANSWER, "--reference", "--order", "margin", folder=made())
    right = (usual[0], few[0]) == (16, 4) and drawn[1] != usual[1] and ended.code == 2
    return Outcome(right, f"--steps 4 takes {few[0]} passes of {usual[0]}, --temperature acts; {ended.last_line}")


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[list[str]]:
    """The addresses that a server printed, while it runs."""
    line = [*COMMAND, "serve", *options]
    process = subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        printed = re.findall(r"https?://\S+", first)
        yield printed
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def status(url: str, host: str) -> int:
    """HTTP status of a page that is asked for by the name `host`."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def opens(url: str, origin: str) -> bool:
    """Whether a WebSocket opens for a page of `origin`."""
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    try:
        connect(url, additional_headers={"Origin": origin}).close()
    except InvalidStatus:
        return False
    return True


def behind_a_proxy(folder: Path) -> Outcome:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    name = "https://captions.example.org"
    with served(folder, "--port", port, "--origin", name, "--token", "t") as printed:
        page = status(f"http://127.0.0.1:{port}/", "captions.example.org")
        own, foreign = (opens(f"ws://127.0.0.1:{port}/captions", origin) for origin in (name, "https://evil.example"))
    right = (page, own, foreign, printed) == (200, True, False, [f"{name}/#token=t"])
    return Outcome(right, f"page {page}, WebSocket {own}, another site's {foreign}, printed {' '.join(printed)}")


def no_home(folder: Path) -> Outcome:
    line = ["unshare", "-U", "--map-user=12345", *COMMAND, "caption", "--quiet", str(CLIPS / "lj-jail.flac")]
    done = subprocess.run(line, cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    return Outcome(done.returncode == 0 and "inadequacy" in done.stdout, (done.stdout or done.stderr).strip()[-80:])


def encodings(_: Path) -> Outcome:
    def one(encoding: str) -> Outcome:
        own = {"PYTHONIOENCODING": encoding}
        plain = unmask("generate", "tiny.bundle", *ANSWER, folder=made(), environment=own)
        data = unmask("generate", "tiny.bundle", *ANSWER, "--json", folder=made(), environment=own)
        return Outcome((plain.code, data.code) == (0, 0) and bool(json.loads(data.out)), "written, JSON with escapes")

    return all_of(*(one(encoding) for encoding in ("cp1252", "latin-1", "ascii")))


def too_long(_: Path) -> Outcome:
    return refused(
        unmask("generate", "tiny.bundle", "--prompt", "Hi", "--length", "120000", folder=made()), "GiB of memory", "are free"
    )


def seeds(_: Path) -> Outcome:
    lines = (("generate", "tiny.bundle", *ANSWER, "--temperature", "1"), ("bench", "tiny.bundle", "--scenario", "step"))
    return all_of(*(refused(unmask(*line, "--seed", "-1", folder=made()), "seed is -1") for line in lines))


def dashes(_: Path) -> Outcome:
    text = unmask("generate", "tiny.bundle", "--prompt", "- list three colours", "--length", "8", folder=made())
    hint = refused(unmask("generate", "tiny.bundle", "--prompt", "-x", folder=made()), "--option=VALUE")
    return Outcome(text.code == 0 and hint.right, f"a bullet is text; {hint.now}")


def closed_pipes(_: Path) -> Outcome:
    def one(*line: str) -> Outcome:
        process = subprocess.Popen([*COMMAND, *line], cwd=made(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        return Outcome((process.wait(60), err) == (141, b""), f"quiet, code {process.returncode}")

    generate = ("generate", "tiny.bundle", *ANSWER, "--quiet")
    return all_of(*(one(*line) for line in (("inspect", "--json"), ("devices", "--json"), generate, ("--help",))))


def printed_addresses(folder: Path) -> Outcome:
    with served(folder, "--port", "0", "--host", "::", "--token", "a&b c+d%41") as printed:
        code = status(printed[0].partition("#")[0], "localhost")
    right = code == 200 and printed[0].endswith("#token=a%26b%20c%2Bd%2541")
    return Outcome(right, f"{re.sub(r':[0-9]+/', ':PORT/', printed[0])} answers {code}")


def bounds(folder: Path) -> Outcome:
    lines = (("--min-seconds", "inf"), ("--min-seconds", "nan"), ("--minutes", "nan", "--scenario", "soak"))
    told = all_of(*(refused(unmask("bench", *line, folder=folder), "is") for line in lines))
    quick = ("--scenario", "step", "--rounds", "1", "--min-seconds", "0", "--warmup", "0", "--quiet", "--output")
    for name, cores in (("two", "0,1"), ("one", "0")):
        line = ["taskset", "-c", cores, *COMMAND, "bench", str(made() / "tiny.bundle"), *quick, name]
        subprocess.run(line, cwd=folder, check=True, capture_output=True)
    seen = "differ in cores: 2 -> 1" in unmask("compare", "two", "one", folder=folder).out
    return Outcome(told.right and seen, f"{told.now}; cores are {'named' if seen else 'not named'} in `compare`")


def obs(_: Path) -> Outcome:
    page = (CLIPS.parents[1] / "docs/live.md").read_text(encoding="utf-8")
    return Outcome(
        "--use-fake-ui-for-media-stream" in page, "the documents name OBS's flag, and a way without it; not run in OBS"
    )


def offline(folder: Path) -> Outcome:
    if shutil.which("strace") is None:
        raise FileNotFoundError(2, "not found", "strace")
    home, log = folder / "home", folder / "calls"
    home.mkdir()
    trace = ["strace", "-f", "-qq", "-e", "trace=socket,connect,sendto", "-o", str(log)]
    own = {"PATH": os.environ["PATH"], "HOME": str(home)}
    subprocess.run(
        [*trace, *COMMAND, "caption", "--realtime", str(CLIPS / "lj-jail.flac")], env=own, capture_output=True, check=True
    )
    internet = log.read_text(errors="replace").count("AF_INET")
    left = len(list(home.rglob("*")))
    return Outcome((internet, left) == (0, 0), f"{internet} internet sockets, {left} files in the home folder")


TRIALS = (
    Trial("F1", "offline means offline", "no socket, no file", "apps/cli/test_offline.py", offline),
    Trial("R1", "options accepted and ignored", "they act, or are refused", "apps/cli/test_unread_options.py", ignored),
    Trial("R6", "behind a proxy", "the public name is believed", "apps/web/test_beyond_localhost.py", behind_a_proxy),
    Trial("R7", "no home folder", "captions run", "runtime/test_tuned_settings.py", no_home),
    Trial("R11", "text out in another encoding", "text, nothing lost in JSON", "apps/cli/test_values.py", encodings),
    Trial("R12", "longer than memory holds", "one line with the number", "apps/cli/test_generate.py", too_long),
    Trial("R16", "seed -1", "one line", "apps/cli/test_values.py::test_a_negative_seed_is_named", seeds),
    Trial("R17", "prompts that begin with a dash", "taken as text", "apps/cli/test_values.py", dashes),
    Trial("R18", "closed pipe", "quiet end", "apps/cli/test_values.py::test_who_reads_may_have_enough", closed_pipes),
    Trial("R19", "addresses printed", "the printed address works", "apps/web/test_beyond_localhost.py", printed_addresses),
    Trial("R22", "bounds and conditions of bench", "refused; cores named", "benchmarks/compare/test_report_compare.py", bounds),
    Trial("R23", "OBS overlay", "documented as it is", "apps/cli/test_docs.py", obs),
)
