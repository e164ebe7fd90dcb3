"""Text beside llama.cpp: what its program is given and prints, what is compared, and what is refused.

If UNMASK_LLAMA_DIFFUSION_CLI names the real program, it is compared with ours on the same weights.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from benchmarks.lab.peers import diffusion_cli
from benchmarks.lab.peers.diffusion_cli import TRIES, absent, answers, finished, version
from benchmarks.lab.peers.text import Answered, main, table
from benchmarks.lab.peers.text_ways import EVERY, SINGLE, TRIMMED, ours
from tests.benchmarks.lab.programs import Program, program
from unmask.benchmarks.report.record import read_report
from unmask.benchmarks.scenarios.runner import Case, Sample
from unmask.errors import InputError

__all__ = ["program"]
REAL = os.environ.get("UNMASK_LLAMA_DIFFUSION_CLI")
# A log of llama.cpp 0c1e570, shortened: progress, then time and text, each after a prefix.
SAID = (
    "0.00.014.080 I diffusion_params: - steps u32 = 32\n"
    "0.00.084.080 I \rdiffusion step: 31/32 [====] 96%0.00.086.249 I \n"
    "total time: 75.90ms, time per step: 2.37ms, sampling time per step: 0.03ms\n"
    "0.00.086.287 I \nfirst line\nsecond line\n"
)
FAKE = """#!{python}
import json, pathlib, sys
if "--version" in sys.argv:
    sys.stderr.write("version: 1.2.3 (build 4, commit abc)\\nbuilt with GNU\\n")
    sys.exit()
seen = pathlib.Path(__file__).with_suffix(".seen")
seen.write_text((seen.read_text() if seen.exists() else "") + json.dumps(sys.argv[1:]) + "\\n")
{does}
"""


def fake_program(folder: Path, does: str) -> Path:
    """An executable that stands in for llama-diffusion-cli, and keeps what it was told in a file."""
    path = folder / "llama-diffusion-cli"
    path.write_text(FAKE.format(python=sys.executable, does=does))
    path.chmod(0o755)
    return path


def told(path: Path) -> list[dict[str, str]]:
    lines = path.with_suffix(".seen").read_text().splitlines()
    words = [[word for word in json.loads(line) if word != "--no-escape"] for line in lines]
    return [dict(zip(line[::2], line[1::2], strict=True)) for line in words]


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    (tmp_path / "weights.gguf").write_bytes(b"GGUF")
    return tmp_path / "weights.gguf"


# ---- the program


def test_time_and_text_are_read_from_its_log(tmp_path: Path) -> None:
    call = answers(str(fake_program(tmp_path, f"sys.stderr.write({SAID!r})")), "w.gguf", 2, "Why?", 96, 32)
    sample = Sample.from_json(call())
    assert (round(sample.seconds, 9), sample.text, sample.passes, sample.rows) == (0.0759, "first line\nsecond line", 32, 32 * 96)
    assert sample.rss_mib > 1
    (given,) = told(tmp_path / "llama-diffusion-cli")
    assert (given["-m"], given["-p"], given["-t"], given["-ub"]) == ("w.gguf", "Why?", "2", "96")
    assert (given["--diffusion-steps"], given["--top-k"], given["--device"]) == ("32", "1", "none")


def test_a_log_without_prefixes_is_read_too() -> None:
    assert finished(diffusion_cli.PREFIX.sub("", SAID), 0) == finished(
        "total time: 75.90ms, more\n\nfirst line\nsecond line\n", 0
    )


def test_an_end_of_the_log_that_is_lost_is_asked_for_again(tmp_path: Path) -> None:
    often = f"sys.stderr.write({SAID!r} if len(seen.read_text().splitlines()) > 2 else 'diffusion step: 30/32')"
    path = fake_program(tmp_path, often)
    assert answers(str(path), "w.gguf", 1, "Why?", 96, 32)()["text"] == "first line\nsecond line"
    assert len(told(path)) == 3


def test_a_program_that_never_tells_is_given_up(tmp_path: Path) -> None:
    path = fake_program(tmp_path, "sys.stderr.write('step: 3\\n')")
    with pytest.raises(InputError, match="ended with code 0 and no text; the last it said: step: 3"):
        answers(str(path), "w.gguf", 1, "Why?", 96, 32)()
    assert len(told(path)) == TRIES


def test_a_program_that_fails_is_quoted_and_not_asked_again(tmp_path: Path) -> None:
    path = fake_program(tmp_path, "sys.stderr.write('0.00.003.719 E failed to load model\\n'); sys.exit(1)")
    with pytest.raises(InputError, match="ended with code 1 and no text; the last it said: failed to load model"):
        answers(str(path), "w.gguf", 1, "Why?", 96, 32)()
    assert len(told(path)) == 1


def test_its_version_is_told(tmp_path: Path) -> None:
    assert version(fake_program(tmp_path, "")) == "1.2.3 (build 4, commit abc)"


def test_what_is_missing_is_named(tmp_path: Path, gguf: Path) -> None:
    path = fake_program(tmp_path, "")
    assert absent(path, (gguf,)) is None
    assert "--llama-diffusion-cli" in str(absent(None, ()))
    for given, message in (
        ((None, (gguf,)), "name it with --llama-diffusion-cli"),
        ((path, ()), "name a GGUF file with --gguf"),
        ((tmp_path / "none", (gguf,)), "none: no such program; build the target llama-diffusion-cli"),
        ((path, (tmp_path / "none.gguf",)), "none.gguf: no such file"),
    ):
        with pytest.raises(InputError, match=message):
            absent(*given)


# ---- ours, and the table


def test_the_three_ways_cost_what_they_should(backbones: dict[str, Path]) -> None:
    wanted = {"prompt": "Why?", "length": 8, "steps": 4}
    every, single, own = (Sample.from_json(ours(str(backbones["dream"]), 1, wanted, way)()) for way in (EVERY, SINGLE, TRIMMED))
    canvas = every.rows // every.passes
    assert (every.passes, every.rows) == (4, 4 * canvas)
    assert single.rows == canvas - 8 + single.passes - 1
    assert own.rows < 8 * canvas
    quota = Sample.from_json(ours(str(backbones["dream"]), 1, wanted, TRIMMED, passes=2)())
    assert (quota.passes, quota.rows < own.rows) == (2, True)


def answered(name: str, seconds: tuple[float, ...], text: str) -> Answered:
    case = Case("peers", "tiny", name, "unmask.benchmarks.measure.worker:echo", {})
    return Answered(case, [Sample(s, 4, 40, rss_mib=10, text=text) for s in seconds])


def test_times_are_compared_round_by_round_and_texts_with_the_published_ones() -> None:
    systems = [answered(TRIMMED, (1, 2, 30), "a"), answered(EVERY, (2, 4, 300), "b"), answered("w.gguf", (4, 4, 30), "b")]
    rows = table(systems).rows
    assert [row[0] for row in rows] == ["tiny, own decoding", "tiny, every row in every pass", "tiny, w.gguf"]
    assert [row[2].partition(",")[0] for row in rows] == ["", "0.50", "0.50"]  # 0.5, 0.5, 0.1; 0.25, 0.5, 1
    assert [row[5] for row in rows] == ["another", "", "the same"]


# ---- the command


def run(program: Program, *arguments: str | Path) -> tuple[int, str, str]:
    result = program(main, *arguments, "--length", "6", "--rounds", "1", "--min-seconds", "0", "--quiet")
    return result.code, result.out, result.err


@pytest.mark.slow
def test_a_run_says_why_the_program_is_left_out(program: Program, backbones: dict[str, Path], tmp_path: Path) -> None:
    code, out, err = run(program, backbones["dream"], "--output", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out == (tmp_path / "out" / "peers.md").read_text(encoding="utf-8")
    assert "- llama-diffusion-cli: not given; name the program with" in out
    assert {row.scenario for row in read_report(tmp_path / "out" / "report.json").rows} == {"peers"}
    assert list(json.loads((tmp_path / "out" / "texts.json").read_text())) == [
        f"dream, {way}" for way in (TRIMMED, SINGLE, EVERY)
    ]


@pytest.mark.slow
def test_the_program_is_measured_beside_ours(program: Program, backbones: dict[str, Path], tmp_path: Path, gguf: Path) -> None:
    path = fake_program(tmp_path, f"sys.stderr.write({SAID!r})")
    code, out, _ = run(program, backbones["dream"], "--llama-diffusion-cli", path, "--gguf", gguf, "--output", tmp_path / "out")
    assert code == 0
    assert "| llama-diffusion-cli, weights.gguf | 75.9 (75.9) |" in out
    assert "llama-diffusion-cli 1.2.3 (build 4, commit abc)" in out
    assert str(tmp_path) not in (tmp_path / "out" / "report.json").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", "7"), "steps is 7; an answer of 6 positions takes 1 to 6"),
        (("--steps", "0"), "steps is 0"),
        (("--passes", "3", "7"), "passes is 7"),
        (("--threads", "0"), "threads is 0"),
        (("--gguf", "nowhere"), "name it with --llama-diffusion-cli"),
        (("--llama-diffusion-cli", "nowhere", "--gguf", __file__), "nowhere: no such program"),
        (("--output", __file__), "the report is a folder"),
        (("--prompt", ""), "there is nothing to answer"),
    ],
)
def test_bad_options_are_one_line(program: Program, backbones: dict[str, Path], options: tuple[str, ...], message: str) -> None:
    code, out, err = run(program, backbones["dream"], *options)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err


@pytest.mark.parametrize("family", ["llada", "block"])
def test_other_families_are_refused(program: Program, backbones: dict[str, Path], family: str) -> None:
    code, _, err = run(program, backbones[family])
    assert code == 1
    assert f"family '{family}'" in err


# ---- the real program


@pytest.mark.skipif(not (REAL and shutil.which(REAL)), reason="UNMASK_LLAMA_DIFFUSION_CLI names no program")
@pytest.mark.parametrize(("prompt", "length", "steps"), [("Why is the sky blue?", 32, 32), (r"a\nb", 50, 50), ("Hallo", 96, 24)])
def test_llama_cpp_writes_what_the_published_decoding_writes(
    checkpoints: dict[str, Path], backbones: dict[str, Path], tmp_path: Path, prompt: str, length: int, steps: int
) -> None:
    from benchmarks.lab.peers.to_gguf import to_gguf
    from unmask.bundle.manifest import load_bundle
    from unmask.text.generator import Generator

    weights = to_gguf(checkpoints["dream"], tmp_path / "dream.gguf")
    canvas = len(Generator(load_bundle(backbones["dream"])).request("chat", {"text": prompt}, length).canvas.ids)
    theirs = answers(str(REAL), str(weights), 1, prompt, canvas, steps)()
    own = ours(str(backbones["dream"]), 1, {"prompt": prompt, "length": length, "steps": steps}, EVERY)()
    assert theirs["text"] == own["text"]
    assert len(own["text"]) > length // 4
