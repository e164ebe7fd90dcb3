"""Comparing reports: ratios and intervals by hand, what counts as a difference, gates, and the command's exit codes."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.apps.conftest import Command, command
from tests.benchmarks.report.reports import MACHINE, report, row
from unmask.benchmarks.report.compare import Gates, between_runs, compare, read_side
from unmask.benchmarks.report.record import Report
from unmask.benchmarks.report.write import to_json
from unmask.errors import InputError

__all__ = ["command"]


def noisy(median_ms: float, seed: int, **changes: object) -> Report:
    return report(row(*np.random.default_rng(seed).normal(median_ms, 0.05 * median_ms, 100), **changes))


def test_a_difference_is_told_and_noise_is_not() -> None:
    (same,) = compare([noisy(10, 1)], [noisy(10, 2)]).differences
    assert same.verdict == "no clear difference"
    (slow,) = compare([noisy(10, 1)], [noisy(15, 2)]).differences
    assert slow.verdict == "slower"
    assert slow.ratio.value == pytest.approx(1.5, abs=0.05)
    (fast,) = compare([noisy(15, 1)], [noisy(10, 2)]).differences
    assert fast.verdict == "faster"
    (few,) = compare([report(row(1, 2))], [report(row(3, 4))]).differences
    assert (few.verdict, few.ratio.value) == ("too few samples to tell", pytest.approx(3.5 / 1.5))


def test_runs_by_hand() -> None:
    found = between_runs([1.0, math.e], [math.e, math.e**2])  # logarithms 0, 1 and 1, 2
    assert found.value == pytest.approx(math.e)
    assert found.interval is not None
    reach = 4.303 * math.sqrt(0.5)  # pooled variance (0.5 + 0.5) / 2, times 1/2 + 1/2, two degrees of freedom
    assert math.log(found.interval.high) == pytest.approx(1 + reach)
    assert math.log(found.interval.low) == pytest.approx(1 - reach)


def test_several_runs_a_side_are_compared_by_their_medians() -> None:
    a, b = [report(row(ms)) for ms in (10, 10.1, 9.9)], [report(row(ms)) for ms in (15, 15.1, 14.9)]
    found = compare(a, b)
    assert found.differences[0].verdict == "slower"
    assert found.differences[0].ratio.value == pytest.approx(1.5, abs=0.01)
    assert "one run a side" not in found.to_markdown()
    (wide,) = compare([report(row(ms)) for ms in (10, 14)], [report(row(ms)) for ms in (12, 16)]).differences
    assert wide.verdict == "no clear difference"


def test_what_the_machine_itself_did_is_told() -> None:
    a, b = report(row(*range(1, 12))), report(row(*range(1, 12)))
    slow = replace(b, ceiling=tuple({**c, "bytes_per_s": c["bytes_per_s"] / 2} for c in b.ceiling))
    assert compare([a], [slow]).machine == "float32 products a second: 1.00, int8 products a second: 1.00, reads a second: 0.50"
    assert "reads a second: 0.50" in compare([a], [slow]).to_markdown()
    other = replace(b, ceiling=tuple({**c, "threads": 64} for c in b.ceiling))
    assert compare([a], [other]).machine is None
    assert "the machine itself" not in compare([a], [other]).to_markdown()


def test_a_shift_that_all_rows_share_is_told() -> None:
    cases = [f"{n} rows" for n in range(12)]
    a, b = (report(*(row(*np.linspace(1, 1.1, 20) * slower, case=case) for case in cases)) for slower in (10, 11))
    assert "all rows together: 1.10 (quartiles 1.10 to 1.10)" in compare([a], [b]).to_markdown()


def test_rows_of_one_side_are_named_and_delays_below_none_have_no_ratio() -> None:
    a = report(row(*range(1, 12)), row(1, case="16 rows"), row(-5, -6, case="live", measure="tentative"))
    found = compare([a], [report(row(*range(1, 12)), row(-5, -6, case="live", measure="tentative"))])
    assert len(found.differences) == 1
    assert found.missing == ("step m 16 rows 1",)
    assert "not in every report: step m 16 rows 1" in found.to_markdown()
    with pytest.raises(InputError, match="no row in common"):
        compare([report(row(1))], [report(row(1, subject="other"))])


def test_threads_tell_rows_apart_unless_asked_otherwise() -> None:
    one, two = noisy(10, 1), noisy(6, 2, threads=2)
    with pytest.raises(InputError, match="no row in common"):
        compare([one], [two])
    assert compare([one], [two], same_threads=False).differences[0].verdict == "faster"
    with pytest.raises(InputError, match="several numbers of threads"):
        compare([report(row(1), row(1, threads=2))], [two], same_threads=False)


def test_what_else_differs_is_said() -> None:
    other = noisy(10, 2)
    other = report(*other.rows, machine={**MACHINE, "cpu": "Another"}, version="0.2.0")
    text = compare([noisy(10, 1)], [other]).to_markdown()
    assert "the sides differ in processor: A CPU -> Another" in text
    assert "the sides differ in unmask: 0.1.0 -> 0.2.0" in text
    assert "the sides differ" not in compare([noisy(10, 1)], [noisy(10, 2)]).to_markdown()


def test_gates() -> None:
    slower = compare([noisy(10, 1)], [noisy(15, 2)])
    assert slower.failures(Gates()) == []
    assert slower.failures(Gates(gate=1.7)) == []
    (line,) = slower.failures(Gates(gate=1.2))
    assert line.startswith("step, m, 8 rows, 1 thread: 1.")
    assert compare([noisy(10, 1)], [noisy(10, 2)]).failures(Gates(gate=1.0)) == []
    few = compare([report(row(1))], [report(row(9))])
    assert few.failures(Gates(gate=1.1)) == ["no row has enough samples to tell"]
    missing = compare([report(*noisy(10, 1).rows, row(1, case="x"))], [noisy(10, 2)])
    assert missing.failures(Gates(gate=1.5)) == ["step m x 1: not in every report"]


def test_gates_of_word_errors() -> None:
    found = compare([noisy(10, 1, error_rate=0.10)], [noisy(10, 2, error_rate=0.13)])
    assert found.failures(Gates(gate_wer=3.5)) == []
    assert found.failures(Gates(gate_wer=2.0)) == ["step, m, 8 rows, 1 thread: 10.0 -> 13.0 % word errors"]
    assert compare([noisy(10, 1)], [noisy(10, 2)]).failures(Gates(gate_wer=1)) == ["no row has word errors"]


def test_the_command_compares_files_and_folders(command: Command, tmp_path: Path) -> None:
    for name, median, seed in (("a/1/report", 10, 1), ("a/2/report", 10.1, 2), ("b/1/report", 15, 3), ("b/2/report", 15.2, 4)):
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(parents=True)
        path.write_text(to_json(noisy(median, seed)), encoding="utf-8")
    one = command("bench", "compare", tmp_path / "a/1/report.json", tmp_path / "b/1/report.json")
    assert (one.code, one.err) == (0, "")
    assert "| slower |" in one.out
    assert "one run a side" in one.out
    failed = command("bench", "compare", tmp_path / "a", tmp_path / "b", "--gate", "1.2")
    assert failed.code == 1
    assert "gate missed: step, m, 8 rows, 1 thread: 1.5" in failed.err
    assert command("bench", "compare", tmp_path / "a", tmp_path / "a/2", "--gate", "1.2").code == 0
    for line, message in (
        (("none.json",), "none.json"),
        ((tmp_path / "b", "--gate", "0.5"), "gate is 0.5"),
    ):
        result = command("bench", "compare", tmp_path / "a", *line)
        assert (result.code, result.out) == (2, "")
        assert message in result.err


def test_a_folder_without_reports_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no report.json in it; `unmask bench --output"):
        read_side(tmp_path)
