"""`unmask bench`'s first form: raw samples, figures that follow from them, JSON and Markdown."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.apps.conftest import CLIPS, Command, command
from unmask.benchmarks.backbone import TRACES, Replayed
from unmask.benchmarks.fills import Fill, Report
from unmask.sampler import Numbers

__all__ = ["command"]


def test_figures_by_hand() -> None:
    fills = (Fill(2.0, (0.5, 1.5), 30, 10), Fill(3.0, (1.0, 1.0), 50, 6))
    figures = Report("m", {}, "machine", (0.0,), fills, 100.0).figures
    assert figures["step_p50_ms"] == 1000
    assert figures["step_p90_ms"] == pytest.approx(1350)  # of 500, 1000, 1000, 1500
    assert figures["steps_per_fill"] == 2
    assert figures["rows_per_token"] == 5
    assert figures["useful_tokens_per_s"] == pytest.approx(3.2)


def test_json_keeps_every_step_and_markdown_is_a_table(command: Command, backbones: dict[str, Path], tmp_path: Path) -> None:
    line = ("bench", backbones["dream"], "--length", "8", "--runs", "3", "--output", tmp_path / "r.json")
    result = command(*line)
    assert result.code == 0
    head, rule, row, *_ = result.out.splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["format"] == 1
    assert len(report["fills"]) == 3
    assert all(len(fill["steps_s"]) == 8 for fill in report["fills"])
    assert report["figures"]["step_p50_ms"] == pytest.approx(
        1000 * np.median([s for fill in report["fills"] for s in fill["steps_s"]]), abs=1e-3
    )
    assert f"{report['figures']['step_p50_ms']:.2f}" in row


def test_published_decoding_and_captions_can_be_measured(command: Command, backbones: dict[str, Path]) -> None:
    published = json.loads(command("bench", backbones["dream"], "--length", "6", "--runs", "1", "--reference", "--json").out)
    assert published["settings"]["decoding"] == "published"
    assert published["figures"]["rows_per_token"] >= 6
    captions = json.loads(command("bench", "--audio", CLIPS / "lj-jail.flac", "--runs", "1", "--json").out)
    assert captions["name"] == "caption-tiny-en"
    assert captions["figures"]["peak_rss_mib"] > 20


@pytest.mark.parametrize(
    ("options", "message"),
    [((), "give a recording with --audio"), (("--runs", "0"), "runs is 0"), (("--output", "nowhere/r.json"), "no such folder")],
)
def test_bad_options_are_one_line(command: Command, options: tuple[str, ...], message: str) -> None:
    result = command("bench", *options)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err


def test_a_task_without_text_cannot_be_measured(command: Command, omni: Path) -> None:
    assert "measure a task that takes a text alone" in command("bench", omni, "--task", "asr").err


@pytest.mark.parametrize("trace", TRACES.values())
def test_a_replayed_trace_makes_as_many_rows_sure_as_it_says(trace: tuple[int, ...]) -> None:
    class Any_:
        def reset(self) -> None: ...

        def window(self, ids: object, positions: object, wanted: np.ndarray, allowed: object) -> Numbers:
            count = len(wanted)
            return Numbers(np.zeros((count, 2), int), np.zeros((count, 2), np.float32), *np.ones((2, count), np.float32))

    assert sum(trace) == 32
    replayed, at = Replayed(Any_(), trace), np.arange(64, 96)
    for sure in trace:
        numbers = replayed.window(at, at, np.arange(len(at)), ())
        assert int((np.exp(numbers.logits[:, 0] - numbers.logsumexp) >= 0.9).sum()) == sure
        at = at[sure:]
