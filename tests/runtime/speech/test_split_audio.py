"""Cuts of long recordings: segments cover everything in order, fit the encoder, and end at quiet points."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.speech.split_audio import quiet_parts

RATE = 16_000


def noise(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def quiet_cuts(samples: NDArray[np.float32], longest_s: float, block: int = 1 << 30) -> list[tuple[int, int]]:
    """Half-open ranges of the parts, whose samples must be those of the recording."""
    blocks = (samples[start : start + block] for start in range(0, len(samples), block))
    parts = list(quiet_parts(blocks, longest_s))
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), samples)
    return [(start, start + len(part)) for start, part in parts]


@settings(max_examples=60)
@given(
    count=st.integers(0, 8 * RATE),
    longest_s=st.floats(0.4, 6.0),
    seed=st.integers(0, 2**32 - 1),
    silent=st.booleans(),
)
def test_covers_everything_in_order(count: int, longest_s: float, seed: int, silent: bool) -> None:
    samples = np.zeros(count, np.float32) if silent else noise(count / RATE, seed)
    cuts = quiet_cuts(samples, longest_s)
    assert cuts[0][0] == 0
    assert cuts[-1][1] == len(samples)
    assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(cuts))
    assert all(stop - start <= longest_s * RATE for start, stop in cuts)
    assert all(stop - start >= int(longest_s * RATE) // 2 for start, stop in cuts[:-1])
    assert all(start < stop for start, stop in cuts) or not count
    assert quiet_cuts(samples, longest_s, block=1000) == cuts  # whatever the blocks that it comes in


@settings(max_examples=40)
@given(gap_s=st.floats(2.1, 3.5), length_s=st.floats(0.25, 0.45), seed=st.integers(0, 2**32 - 1))
def test_cuts_within_the_quiet_gap(gap_s: float, length_s: float, seed: int) -> None:
    samples = noise(6.0, seed)
    begin, end = round(gap_s * RATE), round((gap_s + length_s) * RATE)
    samples[begin:end] *= 1e-3
    (_, cut), *_ = quiet_cuts(samples, 4.0)
    assert begin < cut < end


def test_the_middle_of_the_quietest_stretch() -> None:
    samples = noise(5.0)
    samples[40_000:43_200] = 0  # exactly 0.2 s
    assert quiet_cuts(samples, 4.0) == [(0, 41_600), (41_600, 80_000)]


def test_quiet_in_the_first_half_does_not_cut() -> None:
    samples = noise(5.0)
    samples[: 2 * RATE] = 0
    (_, cut), *_ = quiet_cuts(samples, 4.0)
    assert cut >= 2 * RATE


def test_what_fits_stays_whole() -> None:
    assert quiet_cuts(noise(4.0), 4.0) == [(0, 4 * RATE)]
    assert len(quiet_cuts(noise(4.001), 4.0)) == 2
