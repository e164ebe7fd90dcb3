"""Values as people write them, and output as pipes and terminals take it: for every command."""

import dataclasses
import inspect
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from PIL import Image

from tests.apps.conftest import Command
from unmask.apps.cli.main import BROKEN_PIPE, COMMANDS, as_values, function_of
from unmask.apps.cli.options import SHIPPED

LINE = [sys.executable, "-m", "unmask.apps.cli.main"]


def options(kind: type) -> list[tuple[str, str]]:
    """(command, option) of every option of a kind, in all commands."""
    found = []
    for name in COMMANDS:
        hints = get_type_hints(function_of(name))
        for record in (hint for hint in hints.values() if dataclasses.is_dataclass(hint)):
            fields: dict[str, Any] = get_type_hints(record)
            own = [
                field.name for field in dataclasses.fields(record) if kind in (fields[field.name], *get_args(fields[field.name]))
            ]
            found += [(name, f"--{option.replace('_', '-')}") for option in own]
    return found


def required(record: type) -> list[str]:
    """Names of the fields of a record of options that have no default."""
    fields = dataclasses.fields(record) if dataclasses.is_dataclass(record) else ()
    return [field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING]


def refused(command: Command, name: str, option: str, value: str) -> str:
    """What the command says to a value, which must be one line that names the option."""
    function = function_of(name)
    known = list(inspect.signature(function).parameters.values())
    places = [p for p in known if p.kind is inspect.Parameter.POSITIONAL_ONLY and p.default is p.empty]
    needed = [f"--{field}=nowhere" for p in known if p.default is p.empty for field in required(get_type_hints(function)[p.name])]
    told = command(name, *("nowhere" for _ in places), *needed, f"{option}={value}")
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1), told
    assert option.strip("-").replace("-", " ") in told.err.replace("-", " ").replace("_", " "), told.err
    return told.err


@pytest.mark.parametrize(("name", "option"), options(float))
def test_no_option_takes_infinity_or_no_number(command: Command, name: str, option: str) -> None:
    for value in ("inf", "-inf", "nan"):
        refused(command, name, option, value)


@pytest.mark.parametrize(("name", "option"), options(int))
def test_no_option_takes_numbers_that_no_array_takes(command: Command, name: str, option: str) -> None:
    for value in (1 << 70, -(1 << 70)):
        refused(command, name, option, str(value))


@pytest.mark.parametrize("line", [("bench",), ("compare", "a", "b"), ("tune", "x")])
def test_a_negative_seed_is_named(command: Command, line: tuple[str, ...]) -> None:
    told = command(*line, "--seed", "-1")
    assert (told.code, told.out, told.err) == (2, "", "unmask: seed is -1; it must be 0 or above\n")


def test_more_threads_than_any_machine_has(command: Command) -> None:
    told = command("bench", "--threads", "100000")
    assert (told.code, told.err) == (2, "unmask: threads is 100000; at least 1 is needed, and at most 1024 are made\n")


# ---- values that begin with a dash


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["--prompt", "- list three colours"], ["--prompt=- list three colours"]),
        (["--prompt", "--- a b", "--length", "8"], ["--prompt=--- a b", "--length", "8"]),
        (["--prompt", "a", "- b", "--quiet"], ["--prompt", "a", "--prompt=- b", "--quiet"]),
        (["--prompt=-x y"], ["--prompt=-x y"]),
        (["--name", "-a\tb"], ["--name=-a\tb"]),
        (["caption", "-"], ["caption", "./-"]),
        (["-h"], ["-h"]),
        (["- no option before"], ["- no option before"]),
    ],
)
def test_a_text_is_no_option(words: list[str], read: list[str]) -> None:
    assert as_values(words) == read


def test_prompts_with_bullets_are_taken(command: Command, backbones: dict[str, Path]) -> None:
    def answer(*prompt: str) -> list[int]:
        line = ("generate", backbones["dream"], *prompt, "--length", "8", "--json", "--quiet")
        ids: list[int] = json.loads(command(*line).out)["ids"]
        return ids

    assert answer("--prompt", "- list three colours") == answer("--prompt=- list three colours") != answer("--prompt", "list")


@pytest.mark.parametrize(
    "line", [("generate", "x", "--prompt", "-x"), ("serve", "--token", "-a1"), ("export", "x", "--name", "-n")]
)
def test_a_value_that_looks_like_an_option_is_told_how_to_be_written(command: Command, line: tuple[str, ...]) -> None:
    told = command(*line)
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert f"{line[-2]} requires an argument. A value that begins with a dash is written --option=VALUE." in told.err


# ---- pipes that close, and output in another encoding


@pytest.mark.parametrize(
    "line", [("--help",), ("--version",), ("inspect",), ("inspect", "--json"), ("devices",), ("devices", "--json")]
)
def test_who_reads_may_have_enough(line: tuple[str, ...]) -> None:
    process = subprocess.Popen([*LINE, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings())
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == BROKEN_PIPE


def test_what_native_libraries_print_goes_to_stderr() -> None:
    """As Qualcomm's does, which would break JSON."""
    program = "import os; from unmask.apps.cli.main import main, run; import unmask.apps.cli.main as m; "
    program += "m.main = lambda: (os.write(1, b'# LIBNATIVE'), main())[1]; run()"
    line = [sys.executable, "-c", program, "devices", "--json"]
    done = subprocess.run(line, capture_output=True, env=surroundings(), timeout=60)
    assert done.returncode == 0
    assert json.loads(done.stdout)["machine"]
    assert done.stderr == b"# LIBNATIVE"


@pytest.mark.parametrize("line", [("export",), ("quantize",), ("inspect",), ("quantize", SHIPPED, "--out")])
def test_links_in_a_circle_are_told(command: Command, tmp_path: Path, line: tuple[str | Path, ...]) -> None:
    (tmp_path / "loop").symlink_to("loop")
    told = command(*line, tmp_path / "loop")
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(closed: str) -> None:
    line = f"{shlex.join([*LINE, 'ui', '--quiet', '--text', '-', 'a slider for the volume'])} {closed}"
    done = subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, env=surroundings(), timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == (0 if ">&-" in closed.replace("2>&-", "") else 3)


@pytest.mark.parametrize("line", [("generate", "--prompt"), ("speak",), ("rank", "--image", "x.png", "--prompt", "a cat")])
def test_a_text_that_is_no_utf8_is_told(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: Any) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "x.png")
    monkeypatch.chdir(tmp_path)
    told = command(*line, "a \udcff owl", *(["--output", "x.wav"] if line == ("speak",) else []))
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert "the input text has bytes or halves of characters that are no UTF-8" in told.err
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def answer(bundle: Path, encoding: str, *more: str) -> bytes:
    line = [*LINE, "generate", str(bundle), "--prompt", "x", "--length", "16", "--quiet", *more]
    done = subprocess.run(line, env=surroundings(PYTHONIOENCODING=encoding), capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.fixture(scope="module")
def answered(backbones: dict[str, Path]) -> str:
    """The text where every letter can be written."""
    text: str = json.loads(answer(backbones["dream"], "utf-8", "--json"))["text"]
    assert not text.isascii(), "else this would show nothing"
    return text


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "cp932"])
def test_json_loses_no_letter_in_any_encoding(backbones: dict[str, Path], answered: str, encoding: str) -> None:
    assert json.loads(answer(backbones["dream"], encoding, "--json").decode(encoding))["text"] == answered
    assert "?" in answer(backbones["dream"], encoding).decode(encoding)


def test_tables_are_drawn_in_any_encoding() -> None:
    done = subprocess.run([*LINE, "inspect"], env=surroundings(PYTHONIOENCODING="ascii"), capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"moonshine-tiny-en" in done.stdout


def surroundings(**more: str) -> dict[str, str]:
    return {name: value for name, value in {**os.environ, **more}.items() if name != "PYTHONUNBUFFERED"}
