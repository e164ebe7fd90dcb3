"""Drift against hand computations, scipy-free: distributions of two or three ids."""

import math

import numpy as np
import pytest

from unmask.quant.drift import drift, kl_rows, log_softmax


def logs(*rows: tuple[float, ...]) -> np.ndarray:
    return np.log(np.array(rows, np.float32))


def test_log_softmax_by_hand() -> None:
    out = log_softmax(np.array([[0.0, math.log(3)], [1e4, 1e4]], np.float32))
    np.testing.assert_allclose(np.exp(out), [[0.25, 0.75], [0.5, 0.5]], rtol=1e-5)


def test_kl_by_hand() -> None:
    a, b = logs((0.5, 0.5), (0.9, 0.1), (0.2, 0.8)), logs((0.25, 0.75), (0.9, 0.1), (0.8, 0.2))
    by_hand = [0.5 * math.log(2) + 0.5 * math.log(2 / 3), 0, 0.2 * math.log(1 / 4) + 0.8 * math.log(4)]
    np.testing.assert_allclose(kl_rows(a, b), by_hand, atol=1e-6)


def test_forbidden_ids_do_not_count() -> None:
    a, b = (log_softmax(np.array([[0.0, 0.0, -1e9]], np.float32) + noise) for noise in (0, np.array([0, 0, 5e8], np.float32)))
    np.testing.assert_allclose(kl_rows(a, b), [0], atol=1e-6)


def test_a_canvas_by_hand() -> None:
    """Five rows: B chooses otherwise in the last one. A's most confident row is 0, B's is row 1."""
    a = logs((0.9, 0.1), (0.8, 0.2), (0.3, 0.7), (0.6, 0.4), (0.55, 0.45))
    b = logs((0.85, 0.15), (0.95, 0.05), (0.3, 0.7), (0.6, 0.4), (0.45, 0.55))
    found = drift("window", 0.5, [(a, b)])
    assert (found.ratio, found.canvases, found.rows) == (0.5, 1, 5)
    assert found.argmax == pytest.approx(4 / 5)
    assert found.first == 0
    assert found.early == 0  # a quarter of five is one row
    assert found.kl == pytest.approx(float(kl_rows(a, b).mean()))


def test_canvases_are_weighted_by_rows_and_by_canvas() -> None:
    same, other = logs((0.9, 0.1), (0.2, 0.8)), logs((0.6, 0.4))
    turned = logs((0.4, 0.6))
    found = drift("window", 1.0, [(same, same), (other, turned)])
    assert found.argmax == pytest.approx(2 / 3)
    assert found.first == 1  # of one row the first is the first
    assert found.kl == pytest.approx((0 + 0 + 0.6 * math.log(1.5) + 0.4 * math.log(2 / 3)) / 3, rel=1e-5)
    assert found.kl_p95 == pytest.approx(0.9 * 0.2 * math.log(1.5), rel=1e-3)  # between the second and the third of three


def test_the_most_confident_quarter_is_an_overlap() -> None:
    best = np.linspace(0.6, 0.95, 8)
    a = logs(*((p, 1 - p) for p in best))
    b = logs(*((p, 1 - p) for p in np.roll(best, 1)))  # A's most confident are rows 7 and 6, B's rows 0 and 7
    assert drift("window", 1.0, [(a, b)]).early == pytest.approx(1 / 2)


def test_of_equal_rows_the_first_is_the_most_confident() -> None:
    a, b = logs((0.5, 0.5), (0.5, 0.5)), logs((0.5, 0.5), (0.4999, 0.5001))
    assert drift("window", 1.0, [(a, a)]).first == 1
    assert drift("window", 1.0, [(a, b)]).first == 0
