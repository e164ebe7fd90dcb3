"""The clients that docs/endpoints.md and docs/realtime.md print, as they are printed, against a server."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.apps.conftest import CLIPS, TRANSCRIPTS
from tests.apps.web.endpoints.conftest import Served

ROOT = Path(__file__).parents[4]
NODE = shutil.which("node")


def printed(page: str, language: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    return str(code)


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_openais_client(served: Served) -> None:
    code = printed("endpoints.md", "py").replace("http://localhost:8765", served.url)
    *texts, first, last = run(sys.executable, "-c", code).splitlines()
    assert len(texts) == len(TRANSCRIPTS)
    assert "Dashwood" in texts[0]
    assert (first, last) == ("transcript.text.delta", "transcript.text.done")


def test_the_realtime_client_in_python(served: Served) -> None:
    clip = CLIPS / "lj-jail.flac"
    out = run(sys.executable, "-c", printed("realtime.md", "py"), f"ws://127.0.0.1:{served.port}/captions", clip)
    assert "inadequacy of the jail" in out


def has_sockets(*options: str) -> bool:
    line = [NODE or "", *options, "-e", "process.exit(typeof WebSocket === 'undefined' ? 1 : 0)"]
    return NODE is not None and subprocess.run(line, capture_output=True).returncode == 0


@pytest.mark.slow  # as long as it is spoken
def test_the_realtime_client_in_javascript(served: Served, tmp_path: Path) -> None:
    options = next((options for options in ([], ["--experimental-websocket"]) if has_sockets(*options)), None)
    if options is None:
        pytest.skip("no Node.js with WebSocket")
    samples, rate = soundfile.read(CLIPS / "lj-jail.flac", dtype="float32")
    (tmp_path / "samples.f32").write_bytes(samples.tobytes())
    (tmp_path / "client.mjs").write_text(printed("realtime.md", "js"), encoding="utf-8")
    (tmp_path / "main.mjs").write_text(
        f"""import {{ readFileSync }} from "node:fs";
import {{ caption }} from "./client.mjs";
const bytes = readFileSync("{(tmp_path / "samples.f32").as_posix()}");
const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const shown = [];
const closed = await caption("ws://127.0.0.1:{served.port}/captions", samples, {rate}, (stable) => shown.push(stable));
console.log(closed.code, shown.at(-1));
""",
        encoding="utf-8",
    )
    out = run(NODE or "", *options, tmp_path / "main.mjs")
    assert out.startswith("1000 ")
    assert "inadequacy of the jail" in out
