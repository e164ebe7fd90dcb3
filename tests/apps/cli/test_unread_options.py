"""Options that a mode does not read are refused there: nothing that is asked for is ignored, in any command."""

from pathlib import Path

import pytest

from tests.apps.conftest import Command
from unmask import EngineOptions, Schedule
from unmask.apps.cli.options import SHIPPED, CheckChoice, EngineChoice, ScheduleChoice
from unmask.errors import InputError


def refused(command: Command, *line: str | Path) -> str:
    told = command(*line)
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1), told
    return told.err


@pytest.mark.parametrize(
    ("stored", "given", "told"),
    [
        (Schedule(), {"factor": 2.0}, "--factor: read only with --rule factor"),
        (Schedule(), {"curve": "cosine"}, "--curve: read only with --rule quota"),
        (
            Schedule(),
            {"entropy_bound": 0.2, "window": "block"},
            "--window: read only with --reuse; --entropy-bound: read only with --rule entropy_bound",
        ),
        (Schedule(rule="quota", passes=3), {"threshold": 0.5}, "--threshold: read only with --rule threshold"),
    ],
)
def test_options_of_a_schedule_that_another_option_switches_off(stored: Schedule, given: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        ScheduleChoice(**given).over(stored)  # type: ignore[arg-type]


def test_options_of_checks_where_there_are_none() -> None:
    with pytest.raises(InputError, match="--verify-lookahead: read only with --verify"):
        CheckChoice(verify_lookahead=4).over(Schedule())
    with pytest.raises(InputError, match="--verify-accept-ratio: read only with --verify"):
        CheckChoice(verify=0, verify_accept_ratio=0.5).over(Schedule(verify=50))
    assert CheckChoice(verify_lookahead=4).over(Schedule(verify=9)) == Schedule(verify=9, verify_lookahead=4)


def test_options_that_are_read_together_are_taken() -> None:
    assert ScheduleChoice(rule="factor", factor=2.0).over(Schedule()) == Schedule(rule="factor", factor=2.0)
    assert ScheduleChoice(reuse=True, window="block").over(Schedule()) == Schedule(reuse=True, window="block")


def test_engine_options_of_another_engine() -> None:
    with pytest.raises(InputError, match="strict True belongs to the engine onnx; leave it out with litert"):
        EngineOptions(engine="litert", strict=True)
    with pytest.raises(InputError, match="--threads: coreml decides itself"):
        EngineChoice(engine="coreml", threads=2).options()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (("--longest", "64"), "--longest: read only with a --target of fixed sizes"),
        (("--deployment-target", "iOS17", "--target", "litert"), "--deployment-target: read only with --target coreml"),
        (
            ("--deployment-target", "iOS17", "--longest", "64"),
            "--longest: read only with a --target of fixed sizes; --deployment-target: read only",
        ),
    ],
)
def test_export(command: Command, tmp_path: Path, line: tuple[str, ...], told: str) -> None:
    assert told in refused(command, "export", tmp_path, "--out", tmp_path / "out", *line)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (("--block-size", "64"), "--block-size: read only with --to int8-weights or int4"),
        (("--seed", "3"), "--seed: read only with int8-static or --keep-bytes"),
        (("--calibrate", "a.wav", "--to", "int4"), "--audio: read only with int8-static"),
        (("--longest-s", "5"), "--longest-s: read only with a --target of fixed sizes"),
        (
            ("--activations", "u8", "--target", "onnx-static", "--to", "fp32"),
            "--activations: read only with --target onnx-static",
        ),
        (("--head", "int4", "--target", "litert"), "--head: not read with --target litert"),
        (("--deployment-target", "iOS17", "--target", "litert"), "--deployment-target: read only with --target coreml"),
    ],
)
def test_quantize(command: Command, tmp_path: Path, line: tuple[str, ...], told: str) -> None:
    assert told in refused(command, "quantize", SHIPPED, "--out", tmp_path / "out", *line)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (("bench", "--precision", "fp32"), "--precision: read only with --shape"),
        (("bench", "--minutes", "1"), "--minutes: read only with --scenario soak"),
        (("devices", "--provider", "cpu"), "--provider: counts the nodes of a bundle"),
        (("tune", SHIPPED, "--dry-run", "--json"), "--json: not read with --dry-run"),
        (("tune", SHIPPED, "--seed", "2"), "--seed: tuning masks nothing"),
        (("tune", SHIPPED, "--prompt", "x"), "--prompt: moonshine-tiny-en writes captions"),
        (("compare", SHIPPED, SHIPPED, "--length", "3"), "--length: moonshine-tiny-en writes captions"),
        (("compare", SHIPPED, SHIPPED, "--any-threads"), "--any-threads: only for reports"),
        (("compare", "a", "b", "--runs", "3", "--threads", "2"), "--threads, --runs: only for bundles"),
    ],
)
def test_measuring_commands(command: Command, line: tuple[str | Path, ...], told: str) -> None:
    assert told in refused(command, *line)


def test_recordings_for_a_bundle_that_writes_text(command: Command, backbones: dict[str, Path], clip: Path) -> None:
    assert "--audio: dream generates text" in refused(command, "compare", backbones["dream"], backbones["dream"], "--audio", clip)
    assert "--audio: none of these bundles captions" in refused(command, "bench", backbones["dream"], "--audio", clip)


def test_a_transcript_is_checked_and_fills_no_canvas(command: Command, fp32_bundle: Path, clip: Path, tmp_path: Path) -> None:
    caption = ("caption", clip, "--bundle", fp32_bundle, "--quiet", "--no-tuned")
    assert "--threshold" in refused(command, *caption, "--threshold", "0.5")
    few, all_at_once, draft = (command(*caption, *line) for line in (("--verify-lookahead", "2"), (), ("--verify", "0")))
    assert (few.code, all_at_once.code, draft.code) == (0, 0, 0), (few.err, draft.err)
    assert few.out == all_at_once.out
    told = refused(command, "quantize", fp32_bundle, "--target", "litert", "--longest-s", "99", "--out", tmp_path / "out")
    assert "--longest-s 99: tiny takes from 1 to 30 s" in told
