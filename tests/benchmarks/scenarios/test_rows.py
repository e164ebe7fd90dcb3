"""Rows of a report against hand computations on samples."""

from unmask.benchmarks.report.record import thinned
from unmask.benchmarks.scenarios.rows import error_rate, rows_of
from unmask.benchmarks.scenarios.runner import Case, Sample


def case(**changes: object) -> Case:
    return Case("caption", "m", "clip", "t:t", {}, **changes)


def test_a_row_of_samples_by_hand() -> None:
    samples = [Sample(0.25, 2, 30, 10, 100, 7, 50.04, "the cat"), Sample(0.75, 4, 50, 10, 300, 7, 60.06, "the bat")]
    (found,) = rows_of(case(reference="The cat.", audio_s=5.0), samples)
    assert found.samples_us == (250000, 750000)
    assert (found.passes, found.rows, found.tokens, found.macs, found.bytes) == (3, 40, 10, 200, 7)
    assert (found.rss_mib, found.error_rate, found.audio_s) == (60.1, 0.5, 5.0)


def test_what_ran_once_has_rows_of_its_measures_alone() -> None:
    sample = Sample(9.0, text="a", more={"stable": [0.5, 0.7], "final": []}, series={"backlog_s": [(0.0, 0.1)]})
    (found,) = rows_of(case(once=True), [sample])
    assert (found.measure, found.samples_us, found.series) == ("stable", (500000, 700000), {"backlog_s": ((0.0, 0.1),)})


def test_long_runs_are_thinned_evenly_and_say_how_many_there_were() -> None:
    assert thinned(list(range(101)), 3) == [0, 50, 100]
    (found,) = rows_of(case(), [Sample(float(i)) for i in range(2001)])
    assert (len(found.samples_us), found.taken) == (1000, 2001)
    assert found.samples_us[0] == 0
    assert found.samples_us[-1] == 2000_000_000


def test_error_rates_need_both_texts() -> None:
    assert error_rate(None, "a") is None
    assert error_rate("a b c d", "a b x") == 0.5
