"""Comparing reports: what counts as a difference, gates, and the exit codes of `unmask compare`."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.apps.conftest import Command, command
from tests.benchmarks.report.reports import MACHINE, report, row
from unmask.benchmarks.compare.gates import Gates
from unmask.benchmarks.compare.reports import compare_reports, read_side
from unmask.benchmarks.report.record import Report, to_json
from unmask.errors import InputError

__all__ = ["command"]
SHIPPED = Path(__file__).parents[3] / "models" / "moonshine-tiny-en"


def noisy(median_ms: float, seed: int, **changes: object) -> Report:
    return report(row(*np.random.default_rng(seed).normal(median_ms, 0.05 * median_ms, 100), **changes))


def test_a_difference_is_found_and_noise_is_not() -> None:
    (same,) = compare_reports([noisy(10, 1)], [noisy(10, 2)]).differences
    assert same.verdict == "no clear difference"
    (slow,) = compare_reports([noisy(10, 1)], [noisy(15, 2)]).differences
    assert slow.verdict == "slower"
    assert slow.ratio.value == pytest.approx(1.5, abs=0.05)
    (fast,) = compare_reports([noisy(15, 1)], [noisy(10, 2)]).differences
    assert fast.verdict == "faster"
    (few,) = compare_reports([report(row(1, 2))], [report(row(3, 4))]).differences
    assert (few.verdict, few.ratio.value) == ("too few samples", pytest.approx(3.5 / 1.5))


def test_several_runs_a_side_are_compared_by_their_medians() -> None:
    a, b = [report(row(ms)) for ms in (10, 10.1, 9.9)], [report(row(ms)) for ms in (15, 15.1, 14.9)]
    found = compare_reports(a, b)
    assert found.differences[0].verdict == "slower"
    assert found.differences[0].ratio.value == pytest.approx(1.5, abs=0.01)
    assert "one run on each side" not in found.to_markdown()
    (wide,) = compare_reports([report(row(ms)) for ms in (10, 14)], [report(row(ms)) for ms in (12, 16)]).differences
    assert wide.verdict == "no clear difference"


def test_the_machines_own_ratio_is_shown() -> None:
    a, b = report(row(*range(1, 12))), report(row(*range(1, 12)))
    slow = replace(b, ceiling=tuple(replace(c, bytes_per_s=c.bytes_per_s / 2) for c in b.ceiling))
    assert (
        compare_reports([a], [slow]).machine
        == "float32 products a second: 1.00, int8 products a second: 1.00, reads a second: 0.50"
    )
    assert "reads a second: 0.50" in compare_reports([a], [slow]).to_markdown()
    other = replace(b, ceiling=tuple(replace(c, threads=64) for c in b.ceiling))
    assert compare_reports([a], [other]).machine is None
    assert "the machine itself" not in compare_reports([a], [other]).to_markdown()


def test_a_shift_that_all_rows_share_is_shown() -> None:
    cases = [f"{n} rows" for n in range(12)]
    a, b = (report(*(row(*np.linspace(1, 1.1, 20) * slower, case=case) for case in cases)) for slower in (10, 11))
    assert "over all rows: 1.10 (1.10 to 1.10)" in compare_reports([a], [b]).to_markdown()


def test_rows_of_one_side_are_named_and_delays_below_none_have_no_ratio() -> None:
    a = report(row(*range(1, 12)), row(1, case="16 rows"), row(-5, -6, case="live", measure="tentative"))
    found = compare_reports([a], [report(row(*range(1, 12)), row(-5, -6, case="live", measure="tentative"))])
    assert len(found.differences) == 1
    assert found.missing == ("step m 16 rows 1",)
    assert "not in every report: step m 16 rows 1" in found.to_markdown()
    with pytest.raises(InputError, match="no row in common"):
        compare_reports([report(row(1))], [report(row(1, subject="other"))])


def test_rows_of_other_threads_are_other_rows_unless_asked_otherwise() -> None:
    one, two = noisy(10, 1), noisy(6, 2, threads=2)
    with pytest.raises(InputError, match="no row in common"):
        compare_reports([one], [two])
    assert compare_reports([one], [two], same_threads=False).differences[0].verdict == "faster"
    with pytest.raises(InputError, match="several numbers of threads"):
        compare_reports([report(row(1), row(1, threads=2))], [two], same_threads=False)


def test_other_differences_are_listed() -> None:
    other = noisy(10, 2)
    other = report(*other.rows, machine=replace(MACHINE, cpu="Another"), version="0.2.0")
    text = compare_reports([noisy(10, 1)], [other]).to_markdown()
    assert "the sides differ in processor: A CPU -> Another" in text
    assert "the sides differ in unmask: 0.1.0 -> 0.2.0" in text
    fewer = replace(noisy(10, 2), machine=replace(MACHINE, cores=1), before=replace(other.before, power="battery"))
    text = compare_reports([replace(noisy(10, 1), machine=replace(MACHINE, cores=2))], [fewer]).to_markdown()
    assert "the sides differ in cores: 2 -> 1" in text
    assert re.search("the sides differ in power: .* -> battery", text)
    threads = report(*other.rows, subjects=(replace(other.subjects[0], engine={"threads": 2}),))
    text = compare_reports([noisy(10, 1)], [threads]).to_markdown()
    assert [line for line in text.splitlines() if "the sides differ" in line] == ["- the sides differ in threads of m: 1 -> 2"]
    assert "the sides differ" not in compare_reports([noisy(10, 1)], [noisy(10, 2)]).to_markdown()


def test_gates() -> None:
    slower = compare_reports([noisy(10, 1)], [noisy(15, 2)])
    assert slower.failures(Gates()) == []
    assert slower.failures(Gates(gate_time=1.7)) == []
    (line,) = slower.failures(Gates(gate_time=1.2))
    assert line.startswith("step, m, 8 rows, 1 thread: 1.")
    assert compare_reports([noisy(10, 1)], [noisy(10, 2)]).failures(Gates(gate_time=1.0)) == []
    few = compare_reports([report(row(1))], [report(row(9))])
    assert few.failures(Gates(gate_time=1.1)) == ["no row has enough samples"]
    missing = compare_reports([report(*noisy(10, 1).rows, row(1, case="x"))], [noisy(10, 2)])
    assert missing.failures(Gates(gate_time=1.5)) == ["step m x 1: not in every report"]


def test_gates_of_word_errors() -> None:
    found = compare_reports([noisy(10, 1, error_rate=0.10)], [noisy(10, 2, error_rate=0.13)])
    assert found.failures(Gates(gate_wer=0.035)) == []
    assert found.failures(Gates(gate_wer=0.02)) == ["step, m, 8 rows, 1 thread: 10.0 -> 13.0 % word error rate"]
    assert compare_reports([noisy(10, 1)], [noisy(10, 2)]).failures(Gates(gate_wer=1)) == ["no row has a word error rate"]


def test_the_command_compares_files_and_folders(command: Command, tmp_path: Path) -> None:
    for name, median, seed in (("a/1/report", 10, 1), ("a/2/report", 10.1, 2), ("b/1/report", 15, 3), ("b/2/report", 15.2, 4)):
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(parents=True)
        path.write_text(to_json(noisy(median, seed)), encoding="utf-8")
    one = command("compare", tmp_path / "a/1/report.json", tmp_path / "b/1/report.json")
    assert (one.code, one.err) == (0, "")
    as_json = json.loads(command("compare", tmp_path / "a", tmp_path / "b", "--json").out)
    assert (as_json["runs"], as_json["missed"], as_json["differences"][0]["label"]) == ([2, 2], [], "8 rows")
    assert "| slower |" in one.out
    assert "one run on each side" in one.out
    failed = command("compare", tmp_path / "a", tmp_path / "b", "--gate-time", "1.2")
    assert failed.code == 1
    assert "gate missed: step, m, 8 rows, 1 thread: 1.5" in failed.err
    assert command("compare", tmp_path / "a", tmp_path / "a/2", "--gate-time", "1.2").code == 0
    for line, message in (
        (("none.json",), "none.json"),
        ((tmp_path / "b", "--gate-time", "0.5"), "the gate time is 0.5"),
        ((tmp_path / "b", "--gate-time", "-1"), "a number from 0"),
        ((tmp_path / "b", "--gate-kl", "1"), "the gate kl needs two bundles"),
        ((SHIPPED,), "not a bundle"),
        ((tmp_path / "b", "--runs", "3"), "--runs: only for bundles"),
        ((tmp_path / "b", "--threads", "2"), "reports are compared as they are"),
        ((tmp_path / "b", "--prompt", "What?"), "reports are compared as they are"),
    ):
        result = command("compare", tmp_path / "a", *line)
        assert (result.code, result.out) == (2, "")
        assert message in result.err


def test_a_folder_without_reports_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a bundle, and no report.json in it; `unmask bench --output"):
        read_side(tmp_path)
