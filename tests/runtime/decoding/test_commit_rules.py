"""Orders and commit rules against numbers computed by hand and slow, literal versions of their sources."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding import commit_rules as policy


def floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


# Three rows: (0.7, 0.2, 0.1), (0.6, 0.4, 0) and (0.8, 0.1, 0.1).
BEST, SECOND = floats(0.7, 0.6, 0.8), floats(0.2, 0.4, 0.1)
ENTROPY = floats(0.8018, 0.6730, 0.6390)


@pytest.mark.parametrize(
    ("order", "scores", "surest_first"),
    [
        ("probability", [0.7, 0.6, 0.8], [2, 0, 1]),
        ("margin", [0.5, 0.2, 0.7], [2, 0, 1]),
        ("negative_entropy", [-0.8018, -0.6730, -0.6390], [2, 1, 0]),
    ],
)
def test_orders(order: str, scores: list[float], surest_first: list[int]) -> None:
    found = policy.MEASURED[order](BEST, SECOND, ENTROPY)
    np.testing.assert_allclose(found, scores, atol=1e-6)
    assert np.argsort(-found).tolist() == surest_first


def shares(masked: int, passes: int) -> list[int]:
    out = []
    for left in range(passes, 0, -1):
        out.append(policy.quota(masked, left))
        masked -= out[-1]
    return out


@pytest.mark.parametrize(
    ("masked", "passes", "expected"),
    [
        (10, 4, [3, 3, 2, 2]),
        (8, 4, [2, 2, 2, 2]),
        (7, 3, [3, 2, 2]),
        (3, 5, [1, 1, 1, 0, 0]),
        (5, 1, [5]),
        (0, 2, [0, 0]),
    ],
)
def test_quota_by_hand(masked: int, passes: int, expected: list[int]) -> None:
    assert shares(masked, passes) == expected


@given(masked=st.integers(0, 500), passes=st.integers(1, 64))
def test_quota_is_lladas_table(masked: int, passes: int) -> None:
    base, more = divmod(masked, passes)
    assert shares(masked, passes) == [base + 1] * more + [base] * (passes - more)


def test_quota_without_passes_left_takes_all() -> None:
    assert policy.quota(6, 0) == 6


@pytest.mark.parametrize(
    ("probabilities", "limit", "expected"),
    [
        ([0.95, 0.9, 0.5], 0.9, 2),
        ([0.875, 0.5], 0.875, 1),
        ([0.5, 0.4], 0.9, 1),
        ([0.99, 0.98], 0.5, 2),
        ([], 0.5, 0),
    ],
)
def test_threshold(probabilities: list[float], limit: float, expected: int) -> None:
    assert policy.threshold(floats(*probabilities), float(np.float32(limit))) == expected


@pytest.mark.parametrize(
    ("probabilities", "limit", "expected"),
    [
        ([0.75, 0.75, 0.75], 1.0, 2),  # 2/4, 3/4, 4/4
        ([0.75, 0.5, 1.0], 1.0, 1),  # 2/4, 3/2: the certain third row comes after the failure
        ([0.25, 0.25], 1.0, 1),  # 6/4 fails at once; one is taken nevertheless
        ([1.0, 1.0, 1.0], 0.125, 3),
        ([], 1.0, 0),
    ],
)
def test_factor_by_hand(probabilities: list[float], limit: float, expected: int) -> None:
    assert policy.factor(floats(*probabilities), limit) == expected


@given(
    steps=st.lists(st.integers(0, 256), max_size=30),  # 256ths and 64ths, so that both sides calculate exactly
    limit=st.integers(1, 512).map(lambda n: n / 64),
)
def test_factor_is_the_longest_run_from_the_top(steps: list[int], limit: float) -> None:
    falling = sorted((n / 256 for n in steps), reverse=True)
    longest = 0
    for n, p in enumerate(falling, start=1):
        if not (n + 1) * (1 - p) < limit:
            break
        longest = n
    assert policy.factor(floats(*falling), limit) == (max(1, longest) if falling else 0)


@pytest.mark.parametrize(
    ("masked", "remaining_s", "pass_s", "expected"),
    [
        (10, 1.0, 0.25, 2),  # four more fit: 10 over 5
        (10, 1.1, 0.25, 2),
        (10, 0.75, 0.25, 3),  # three more: 10 over 4
        (10, 0.25, 0.25, 5),
        (10, 0.2, 0.25, 10),
        (10, 0.0, 0.25, 10),
        (10, -3.0, 0.25, 10),
        (10, 100.0, 0.25, 1),
        (10, 1.0, 0.0, 1),
        (0, 1.0, 0.25, 0),
    ],
)
def test_deadline_by_hand(masked: int, remaining_s: float, pass_s: float, expected: int) -> None:
    assert policy.deadline(masked, remaining_s, pass_s) == expected


@given(masked=st.integers(1, 300), fitting=st.integers(0, 50))
def test_deadline_takes_no_more_than_it_must(masked: int, fitting: int) -> None:
    count = policy.deadline(masked, fitting * 0.5, 0.5)
    assert count * (fitting + 1) >= masked
    assert (count - 1) * (fitting + 1) < masked
    left, passes = masked - count, 0
    while left:
        passes += 1
        left -= policy.deadline(left, (fitting - passes) * 0.5, 0.5)
    assert passes <= fitting
