"""`make train-omni`, as docs/omni-tiny.md gives it: its commands are ones that the programs understand."""

import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import cyclopts
import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("more", [(), ("DEVICE=cuda", "OMNI_START=some.safetensors")])
def test_the_documented_command_runs_programs_with_options_that_they_have(tmp_path: Path, more: tuple[str, ...]) -> None:
    lines = (ROOT / "docs/omni-tiny.md").read_text().splitlines()
    line = next(line for line in lines if line.startswith("make train-omni"))
    arguments = [*shlex.split(line)[1:], f"OMNI={tmp_path}", *more, "-n", "-o", ".venv/training"]
    printed = subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {}
    for command in (shlex.split(line.rpartition("||")[2]) for line in printed.splitlines() if " -m " in line):
        name = command[command.index("-m") + 1]
        app = cyclopts.App(default_command=import_module(name).main, result_action="return_value")
        _, bound, _ = app.parse_args(command[command.index("-m") + 2 :], exit_on_error=False, print_error=False)
        found[name] = bound.args[0]
    assert found["unmask.training.codecs.stickers"] == tmp_path / "codec"
    assert found["unmask.training.codecs.speech"] == tmp_path / "speech"
    learned = found["unmask.training.codecs.context"]
    assert (learned.codec, learned.out) == (tmp_path / "speech", tmp_path / "speech" / "context")
    train = found["unmask.training.omni.train"]
    assert (train.out, train.codec) == (tmp_path / "run", tmp_path / "codec" / "squares.safetensors")
    assert train.speech == tmp_path / "speech"
    assert (train.minutes, train.device, train.workers > 0) == (600, "cuda" if more else "cpu", bool(more))
    assert train.start == (Path("some.safetensors") if more else None)
