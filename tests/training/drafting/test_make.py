"""`make train-drafts`, as docs/training.md gives it: its commands are ones that the programs understand."""

import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import cyclopts

ROOT = Path(__file__).parents[3]


def test_the_documented_command_runs_programs_with_options_that_they_have() -> None:
    line = next(line for line in (ROOT / "docs/training.md").read_text().splitlines() if "make train-drafts" in line)
    arguments = [*shlex.split(line)[1:], "-n", "-o", ".venv/training"]
    printed = subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {}
    for command in (shlex.split(line) for line in printed.splitlines() if " -m " in line):
        name = command[command.index("-m") + 1]
        app = cyclopts.App(default_command=import_module(name).main, result_action="return_value")
        _, bound, _ = app.parse_args(command[command.index("-m") + 2 :], exit_on_error=False, print_error=False)
        found[name] = bound.args[0]
    prepare, train = found["unmask.training.drafting.prepare"], found["unmask.training.drafting.train"]
    assert prepare.data == Path("path/to/data")
    assert prepare.cache == train.cache
    assert (ROOT / train.start).exists()
    assert train.moonshine == prepare.moonshine == Path("path/to/tiny-en")
    assert train.minutes == 360
