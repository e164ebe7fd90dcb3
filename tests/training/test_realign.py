"""Realigning finds the best rising placement, held against brute force, and strays from the old one only for a reason."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unmask.training.realign import PHASES, REACH_FRAMES, best_centres

PER = 8


@given(seed=st.integers(0, 10_000), tokens=st.integers(1, 3), spare=st.integers(0, 3))
def test_best_centres_are_the_best_of_all(seed: int, tokens: int, spare: int) -> None:
    rng = np.random.default_rng(seed)
    points = tokens * PHASES + spare
    scores = rng.normal(0, 3, (tokens, points)).astype(np.float32)
    old = np.sort(rng.uniform(0, points * PER / PHASES, tokens))
    frames = np.arange(points) * PER / PHASES + PER / 2
    gain = scores - 0.5 * ((frames - old[:, None]) / REACH_FRAMES) ** 2

    def value(chosen: tuple[int, ...]) -> float:
        return float(sum(gain[i, at] for i, at in enumerate(chosen)))

    placements = (
        p for p in itertools.combinations(range(points), tokens) if all(b - a >= PHASES for a, b in itertools.pairwise(p))
    )
    found = tuple(int(np.flatnonzero(frames == centre)[0]) for centre in best_centres(scores, old, PER))
    assert all(b - a >= PHASES for a, b in itertools.pairwise(found))
    assert value(found) >= max(map(value, placements)) - 1e-4


def test_without_evidence_tokens_stay() -> None:
    old = np.array([12.0, 40.0, 60.0])
    np.testing.assert_array_equal(best_centres(np.zeros((3, 20), np.float32), old, PER), old)


def test_tokens_that_do_not_fit_stay() -> None:
    old = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(best_centres(np.zeros((3, 2), np.float32), old, PER), old)
