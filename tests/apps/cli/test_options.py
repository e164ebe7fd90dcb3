"""One group of engine options for all commands that run graphs."""

from pathlib import Path

import pytest

from tests.apps.conftest import Command
from unmask import EngineOptions
from unmask.apps.cli.engines import EngineChoice
from unmask.errors import InputError


def test_what_is_given_replaces_what_is_stored() -> None:
    assert EngineChoice().options() == EngineOptions()
    stored = EngineOptions(threads=2, spinning=True, static=True)
    assert EngineChoice().options(stored) == stored
    assert EngineChoice(threads=1).options(stored) == EngineOptions(threads=1, spinning=True, static=True)


def test_every_option_of_the_group_is_one_of_the_engine() -> None:
    every = EngineChoice(engine="onnx", threads=3, provider="qnn:npu", strict=True, static=True)
    assert every.options() == EngineOptions(threads=3, engine="onnx", static=True, provider="qnn:npu", strict=True)
    with pytest.raises(InputError, match="threads is 0"):
        EngineChoice(threads=0).options()


@pytest.mark.parametrize("name", ["bench", "caption", "compare", "generate", "serve"])
def test_every_command_that_runs_graphs_has_the_group(command: Command, name: str) -> None:
    shown = command(name, "--help").out
    assert [
        option for option in ("--engine", "--threads", "--provider", "--strict", "--static", "--units") if option not in shown
    ] == []


def test_captions_with_a_provider_that_is_not_here(command: Command, clip: Path) -> None:
    told = command("caption", clip, "--provider", "abacus")
    assert (told.code, told.out) == (2, "")
    assert "no provider abacus" in told.err


def test_captions_with_an_engine_that_the_bundle_has_no_graphs_for(command: Command, clip: Path) -> None:
    told = command("caption", clip, "--static")
    assert told.code == 2
    assert "of fixed sizes for the engine onnx" in told.err
