"""Accuracy under parallelism against a computation by hand."""

import math

import pytest

from unmask.benchmarks.measure.aup import aup


def test_one_setting_counts_its_tokens_a_pass() -> None:
    assert aup([(1.0, 80.0)]) == 80
    assert aup([(2.5, 80.0)]) == 200


def test_worse_settings_weigh_less_and_much_worse_ones_nothing() -> None:
    weight = math.exp(-3 * (1 - 76 / 80))
    expected = 80 + (3 - 1) * (80 + 76 * weight) / 2
    assert aup([(3.0, 76.0), (1.0, 80.0)]) == pytest.approx(expected)
    assert aup([(3.0, 76.0), (1.0, 80.0), (9.0, 74.9)]) == pytest.approx(expected)


def test_another_model_may_be_the_best() -> None:
    weight = math.exp(-3 * (1 - 80 / 90))
    assert aup([(1.0, 80.0), (2.0, 80.0)], best=90) == pytest.approx(80 + 80 * weight)
    assert aup([(1.0, 80.0), (2.0, 80.0)], best=70) == pytest.approx(160), "no weight is above 1"


def test_nothing_right_is_nothing() -> None:
    assert aup([(1.0, 0.0), (2.0, 0.0)]) == 0
    with pytest.raises(ValueError, match="at least one"):
        aup([])
