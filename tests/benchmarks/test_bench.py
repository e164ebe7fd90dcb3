"""`unmask bench` as a command: a run of every scenario end to end, its report, and what it refuses."""

import json
from pathlib import Path

import pytest

from tests.apps.conftest import CLIPS, Command, command
from unmask.benchmarks.report import write
from unmask.benchmarks.report.record import read_report, to_json
from unmask.benchmarks.scenarios.catalog import MeasuredBundle
from unmask.benchmarks.scenarios.run import with_distinct_names
from unmask.bundle.manifest import read_manifest
from unmask.engines.engine_options import EngineOptions

__all__ = ["command"]

QUICK = ("--rounds", "2", "--min-seconds", "0", "--warmup", "1", "--quiet")


@pytest.mark.slow
def test_a_run_leaves_its_samples_and_prints_them_as_tables(command: Command, backbones: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "one"
    result = command("bench", backbones["dream"], "--scenario", "step", "fill", *QUICK, "--output", folder)
    assert (result.code, result.err) == (0, "")
    assert result.out == (folder / "report.md").read_text(encoding="utf-8")
    report = read_report(folder / "report.json")
    assert {row.scenario for row in report.rows} == {"step", "fill"}
    assert all(len(row.samples_us) == row.taken == 2 for row in report.rows)
    assert to_json(report) == (folder / "report.json").read_text(encoding="utf-8")
    assert {path.name for path in (folder / "plots").iterdir()} == {"window.png", "step.png", "fill.png"}
    assert report.subjects[0].sha256
    assert str(tmp_path) not in to_json(report)  # a report is shown to others


def test_a_report_that_cannot_be_written_is_still_printed(
    command: Command, backbones: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "check_place", lambda folder: None)  # the disk is full only when all is measured
    (tmp_path / "report").write_text("a file")
    told = command("bench", backbones["dream"], "--scenario", "step", *QUICK, "--output", tmp_path / "report")
    assert told.code == 2
    assert told.out.startswith("# unmask bench: dream")
    assert told.err.count("\n") == 1
    assert "report cannot be written there (" in told.err


@pytest.mark.slow
def test_the_shipped_captioner_is_measured_unless_another_is_named(command: Command) -> None:
    result = command("bench", "--scenario", "fill", *QUICK, "--json", "--audio", CLIPS / "librispeech-533.flac")
    report = json.loads(result.out)
    whole = [row for row in report["rows"] if row["error_rate"] is not None]
    assert {row["subject"] for row in report["rows"]} == {"moonshine-tiny-en"}
    assert whole[-1]["case"].startswith("default")
    assert whole[-1]["error_rate"] < 0.3
    assert all(row["macs"] > 0 and row["tokens"] > 0 for row in report["rows"])
    assert report["ceiling"][0]["int8_macs_per_s"] > 0


@pytest.mark.slow
def test_progress_goes_to_stderr(command: Command, backbones: dict[str, Path]) -> None:
    result = command("bench", backbones["block"], "--scenario", "fill", "--rounds", "1", "--min-seconds", "0", "--warmup", "0")
    assert "measuring: fill: " in result.err
    assert result.out.startswith("# unmask bench: block")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rounds", "0"), "rounds is 0"),
        (("--minutes", "0"), "minutes is 0"),
        (("--output", __file__), "the report is a folder"),
        (("--shape", "nothing"), "no shape 'nothing'"),
        (("--scenario", "run"), "run"),
        (("--audio", "a/x.wav"), "x.wav"),
        (("nowhere",), "nowhere"),
        (("--output", f"{__file__}/report"), "the report is a folder, and this is a file"),
        (("--output", "/proc/report"), "/proc/report: cannot be written"),
    ],
)
def test_bad_options_are_one_line(command: Command, options: tuple[str, ...], message: str) -> None:
    result = command("bench", *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err


def test_a_backbone_has_nothing_to_caption(command: Command, backbones: dict[str, Path]) -> None:
    assert "nothing to measure" in command("bench", backbones["dream"], "--scenario", "caption").err


def test_bundles_of_one_name_are_distinguished_by_precision(fp32_bundle: Path, int8_bundle: Path) -> None:
    own = [MeasuredBundle("tiny", folder, read_manifest(folder), EngineOptions()) for folder in (fp32_bundle, int8_bundle)]
    assert [subject.name for subject in with_distinct_names(own)] == ["tiny fp32", "tiny int8"]
    assert [subject.name for subject in with_distinct_names(own[:1])] == ["tiny"]
