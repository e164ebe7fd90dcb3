"""The table of trials: each names a test that exists."""

from pathlib import Path

import pytest

pytest.importorskip("srt")

from benchmarks.lab.trials.__main__ import TRIALS

TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("named", sorted({trial.test for trial in TRIALS}))
def test_the_test_that_holds_a_trial_exists(named: str) -> None:
    file, _, function = named.partition("::")
    text = (TESTS / file).read_text(encoding="utf-8")
    assert not function or f"def {function.partition('[')[0]}(" in text


def test_no_trial_is_there_twice() -> None:
    cases = [(trial.number, trial.kind) for trial in TRIALS]
    assert len(cases) == len(set(cases))
