"""Every figure of a report against a hand computation, on samples of a fake engine."""

import pytest

from tests.benchmarks.report.reports import report, row
from unmask.benchmarks.report.figures import figures, parallelism
from unmask.benchmarks.report.markdown import to_markdown
from unmask.benchmarks.report.record import Row
from unmask.benchmarks.report.tables import number


def test_percentiles_and_interval_of_eleven_samples() -> None:
    found = figures(row(*range(1, 12)), report())
    assert (found.n, found.p50_ms, found.p90_ms, found.p99_ms) == (11, 6, 10, None)
    assert (found.low_ms, found.high_ms) == (2, 10)  # 1 - 2 * (1 + 11) / 2048 = 98.8 %; one further in 93.5 %


def test_p99_needs_five_hundred_samples() -> None:
    assert figures(row(*range(499)), report()).p99_ms is None
    assert figures(row(*range(501)), report()).p99_ms == pytest.approx(495)


def test_shares_of_the_ceiling() -> None:
    half_s = row(500, macs=4e8, bytes=1e9)
    found = figures(half_s, report())
    assert found.compute_share == pytest.approx(0.2)  # 0.8 of 4 G products a second
    assert found.memory_share == pytest.approx(0.2)  # 2 of 10 GB/s
    for precision in ("fp32", "fp16"):
        assert figures(half_s, report(precision=precision)).compute_share == pytest.approx(0.8)
    elsewhere = figures(half_s, report(on_cpu=False))
    assert (elsewhere.compute_share, elsewhere.memory_share) == (None, None)
    assert figures(row(500, threads=2, macs=4e8), report()).compute_share is None  # no ceiling of two threads


def test_the_roofline_is_the_slower_of_products_and_reads() -> None:
    assert figures(row(500, macs=4e8, bytes=1e9), report()).of_roofline == pytest.approx(5)  # 0.1 s each
    assert figures(row(500, macs=16e8, bytes=1e9), report()).of_roofline == pytest.approx(1.25)
    assert figures(row(500, bytes=1e9), report()).of_roofline is None


def test_rows_per_token_and_tokens_a_second() -> None:
    found = figures(row(100, 200, 300, rows=60, tokens=20, passes=8), report())
    assert found.rows_per_token == 3
    assert found.tokens_per_pass == 2.5
    assert found.tokens_per_s == pytest.approx(100)


def test_real_time_factor_of_a_recording_and_of_a_live_run() -> None:
    assert figures(row(500, audio_s=10.0), report()).real_time_factor == pytest.approx(0.05)
    live = row(300, measure="stable", audio_s=10.0, series={"busy_s": ((10.2, 2.5),)})
    assert figures(live, report()).real_time_factor == pytest.approx(0.25)
    assert figures(row(300, measure="final", audio_s=10.0), report()).real_time_factor is None  # delays are no computing


def test_aup_is_of_the_fills_of_one_length_whose_words_are_known() -> None:
    def filled(case: str, passes: float, **more: float) -> Row:
        return row(100, scenario="fill", case=case, tokens=20, passes=passes, **more)

    rows = [filled("token by token, 2 s", 20, error_rate=0.0), filled("default, 2 s", 5, error_rate=0.0), filled("a, 5 s", 2)]
    (found,) = parallelism(report(*rows))
    assert (found.length, found.settings, found.aup) == ("2 s", 2, pytest.approx(100 + 3 * 100))
    text = to_markdown(report(*rows))
    assert "## AUP" in text
    assert "| m | 1 | 2 s | 2 | 400 |" in text


# ---- Markdown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0.00"),
        (12345.6, "12346"),
        (123.4, "123"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.1234, "0.123"),
        (0.0123, "0.0123"),
        (-0.5, "-0.500"),
    ],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_markdown_has_a_table_a_scenario_without_empty_columns() -> None:
    text = to_markdown(report(row(*range(1, 12), macs=1e6), row(100, scenario="fill", case="default", rows=30, tokens=10)))
    lines = text.splitlines()
    assert "| case | n | p50 ms (95 %) | p90 ms | % of compute |" in lines
    assert "| 8 rows | 11 | 6.00 (2.00 to 10.0) | 10.0 | 4.2 |" in lines
    assert "| case | n | p50 ms (95 %) | p90 ms | rows per token | useful tokens/s |" in lines
    assert "| default | 1 | 100 | 100 | 3.00 | 100 |" in lines
    assert "| m | 1 | A CPU, 1 | 6.00 (10.0) | 100 (100) | 100 |  |  |  | 0 |" in lines
    assert "unknown: governor, power, temperature_c, energy" in text
    head, rule = lines[lines.index("| 8 rows | 11 | 6.00 (2.00 to 10.0) | 10.0 | 4.2 |") - 2 :][:2]
    assert head.count("|") == rule.count("|")
