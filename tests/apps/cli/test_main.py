"""The command itself: what it imports for which words, and the help of its subcommands."""

import json
import subprocess
import sys

import pytest

from tests.apps.conftest import Command
from unmask.apps.cli.main import COMMANDS, function_of

CODE = "import json, sys; from unmask.apps.cli.main import main; {}; json.dump(sorted(sys.modules), sys.stderr)"


def modules(run: str) -> set[str]:
    """Names of the modules that are imported in a new interpreter after `run`."""
    done = subprocess.run([sys.executable, "-c", CODE.format(run)], check=True, capture_output=True, text=True)
    return set(json.loads(done.stderr))


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_import_no_command(option: str) -> None:
    """Nor anything that runs a model: the parser, its printer, the errors, and the packages on the way to this file."""
    found = modules(f"main([{option!r}])")
    own = {name for name in found if name.startswith("unmask.")}
    assert own == {"unmask.apps", "unmask.apps.cli", "unmask.apps.cli.main", "unmask.errors"}
    assert not found & {"numpy", "tokenizers", "soundfile", "soxr", "torch", "onnx", "onnxruntime", "matplotlib"}


def test_a_command_imports_no_other() -> None:
    found = {name for name in modules("main(['inspect', '--help'])") if name.startswith("unmask.")}
    assert {name for name in found if name.startswith("unmask.apps.cli.")} == {
        f"unmask.apps.cli.{name}" for name in ("bundles", "bundles.inspect", "main", "options")
    }
    assert not any(name.startswith(("unmask.benchmarks", "unmask.quant", "unmask.export")) for name in found)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_first_sentence_of_each(name: str) -> None:
    function = function_of(name)
    assert " ".join(function.__doc__.split("\n\n")[0].split()) == COMMANDS[name]


def test_every_command_is_listed(command: Command) -> None:
    shown = command("--help").out
    assert [name for name in COMMANDS if f"{name} " not in shown] == []
    assert "Did you mean" in command("captoin").err
