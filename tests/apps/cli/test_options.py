"""One group of engine options for all commands that run graphs."""

import dataclasses
from pathlib import Path

import pytest

from tests.apps.conftest import Command
from unmask import EngineOptions, LiveOptions, Schedule
from unmask.apps.cli.options import CheckChoice, EngineChoice, LiveChoice, ScheduleChoice
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


def test_every_field_of_a_schedule_is_an_option_and_none_is_given_by_itself() -> None:
    names = {field.name for field in dataclasses.fields(Schedule)}
    filling, checking = ({field.name for field in dataclasses.fields(kind)} for kind in (ScheduleChoice, CheckChoice))
    assert filling | checking == names - {"draft_min_confidence"}  # no command has drafts
    assert filling & checking == {"budget_ms"}
    stored = Schedule(rule="quota", passes=3, block=4)
    assert ScheduleChoice().over(stored) == stored
    assert ScheduleChoice(passes=2, reuse=False).over(stored) == dataclasses.replace(stored, passes=2)
    assert LiveChoice(update_s=1.0).over(LiveOptions(stability=0.1)) == LiveOptions(0.1, 1.0)


def test_help_is_what_the_field_says(command: Command) -> None:
    shown = " ".join(command("caption", "--help").out.split())
    for words in ("--verify-accept-ratio", "--budget-ms", "--update-s", "[default: 0.35]"):
        assert words in shown


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
