"""When the sound of an answer begins: at once where a machine is fast, and late enough to have no pause where it is slow."""

from collections.abc import Iterator

import numpy as np
import pytest

from unmask.apps.modalities.spoken import without_pauses

RATE = 22_050
LENGTHS = (2, 3, 4, 5, 5)  # seconds


def heard(pace: float) -> tuple[list[float], float]:
    """When each part is passed on, and seconds of pauses. pace: seconds that a second of sound takes to make."""
    now, begins, pauses, ends = 0.0, list[float](), 0.0, 0.0

    def parts() -> Iterator[np.ndarray]:
        nonlocal now
        for length in LENGTHS:
            now += pace * length
            yield np.ones(length * RATE, np.float32)

    for part in without_pauses(parts(), [int(end) * RATE for end in np.cumsum(LENGTHS)], lambda: now):
        begins.append(now)
        pauses += max(0.0, now - ends) if len(begins) > 1 else 0
        ends = max(now, ends) + part.size / RATE
    return begins, pauses


@pytest.mark.parametrize("pace", [0.1, 0.3, 0.6, 1.0, 1.4, 3.0])
def test_sound_that_has_begun_does_not_pause(pace: float) -> None:
    begins, pauses = heard(pace)
    assert len(begins) == len(LENGTHS)
    assert pauses == 0


def test_a_fast_machine_begins_with_the_first_part_and_a_slow_one_before_the_last() -> None:
    first = [heard(pace)[0][0] / (pace * sum(LENGTHS)) for pace in (0.1, 1.0, 3.0)]
    assert first[0] == pytest.approx(LENGTHS[0] / sum(LENGTHS))
    assert first[0] < first[1] <= first[2] <= 1
