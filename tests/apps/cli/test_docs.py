"""What the documentation says is so: its commands run, its tree and its links exist, its numbers' programs are here."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.apps.conftest import Command
from tests.conftest import Variants
from unmask.apps.cli.main import make_app

ROOT = Path(__file__).parents[3]
CARDS = ("models/moonshine-tiny-en/README.md", "models/omni-tiny/README.md", "apps/clips/README.md")
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *CARDS)]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    return [body for page in PAGES for kind, body in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def commands() -> list[str]:
    lines = [line.strip() for block in blocks("sh") for line in block.splitlines()]
    return sorted({line for line in lines if line and not line.startswith("#")})


UNMASK = [line for line in commands() if line.startswith("unmask ")]
QUICK = {
    line.split()[1]: line for line in UNMASK if not re.search(r"unmask (bench|export|tune|compare \.cache)|--realtime", line)
}.values()


@pytest.fixture(scope="module")
def tiny_models(
    checkpoints: dict[str, Path],
    backbones: dict[str, Path],
    variants: Variants,
    omni_files: Path,
    media: Path,
    voice_files: Path,
    voice: Path,
) -> None:
    """What the pages make with lines before others: on text models, and on Omni-Diffusion."""
    made = {
        "tiny-dream": checkpoints["dream"],
        "tiny-dream.bundle": backbones["dream"],
        "tiny-a2d": variants.checkpoint("a2d-qwen3"),
        "omni": omni_files,
        "omni/bundle": media,
        "voice/model": voice_files,
        "voice/bundle": voice,
    }
    for name, source in made.items():
        shutil.rmtree(ROOT / ".cache" / name, ignore_errors=True)
        shutil.copytree(source, ROOT / ".cache" / name)
    for picture in ("omni/bicycle.png", "owl.png", "picture.png"):  # the last two are of omni-tiny
        Image.new("RGB", (64, 48), "red").save(ROOT / ".cache" / picture)


@pytest.mark.parametrize("line", UNMASK)
def test_commands_are_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    make_app(words).parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("line", [pytest.param(line, marks=[pytest.mark.slow] * (line not in QUICK)) for line in UNMASK])
def test_commands_run_as_printed(command: Command, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each subcommand that neither measures, nor reads what a measurement wrote, nor waits, one runs in `make test`."""
    monkeypatch.chdir(ROOT)
    assert command(*shlex.split(line, comments=True)[1:]).code == 0


PROGRAMS = [line for line in commands() if line.startswith("python -m ")]


@pytest.mark.parametrize("line", [pytest.param(line, marks=[pytest.mark.convert] * ("coreml" in line)) for line in PROGRAMS])
def test_programs_exist_and_know_their_options(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: most of them import PyTorch, which takes seconds in one of their own."""
    words = shlex.split(line)
    monkeypatch.setattr(sys, "argv", [words[2], "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(words[2], run_name="__main__")
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert "Usage" in shown
    for option in (word for word in words if word.startswith("--")):
        assert option in shown


def test_every_command_is_of_a_kind_that_is_tested() -> None:
    known = ("unmask ", "python -m ", "make ", "git clone ", "cd ", "py -m ", ".venv\\Scripts\\")
    assert [line for line in commands() if not line.startswith(known)] == []


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("make ")])
def test_make_targets_exist(line: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in (word for word in line.split()[1:] if "=" not in word):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(code, "example", "exec"), {})


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        found = page.parent / target if target else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < 700


def test_the_tree_in_the_readme_is_the_tree_on_disk() -> None:
    (tree,) = (block for block in blocks("") if "runtime/" in block and "export/" in block)
    named = {line.split()[0].rstrip("/") for line in tree.splitlines() if line.strip()}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {name.split("/")[0] for name in listed if "/" in name}
    assert named == {folder for folder in folders if not folder.startswith(".")}
