"""The backlog: order, bounds, and that every second is heard or counted."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.apps.audio.backlog import Backlog, Item
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

SECOND = np.zeros(SAMPLE_RATE_HZ, np.float32)


def seconds(items: list[Item] | None) -> tuple[float, float]:
    """Of audio and of gaps."""
    heard = sum(len(item) for item in items or [] if isinstance(item, np.ndarray)) / SAMPLE_RATE_HZ
    return heard, sum(item for item in items or [] if isinstance(item, float))


@given(st.lists(st.one_of(st.integers(1, 40_000), st.floats(0.1, 3), st.none()), max_size=40))
def test_what_goes_in_comes_out_or_is_counted(steps: list[int | float | None]) -> None:
    backlog, put_s, heard_s, gap_s = Backlog(2.0), 0.0, 0.0, 0.0
    for step in steps:
        if step is None:
            heard, gap = seconds(backlog.take(0))
            heard_s, gap_s = heard_s + heard, gap_s + gap
        else:
            backlog.put(np.zeros(step, np.float32) if isinstance(step, int) else step)
            put_s += step / SAMPLE_RATE_HZ if isinstance(step, int) else step
        assert backlog.seconds <= 2.5  # one block may be longer than the bound
    heard, gap = seconds(backlog.take(0))
    assert heard_s + heard + gap_s + gap == pytest.approx(put_s)


def test_the_oldest_is_dropped_and_the_gap_stands_before_the_rest() -> None:
    backlog = Backlog(2.0)
    for value in range(5):
        backlog.put(np.full(SAMPLE_RATE_HZ, value, np.float32))
    gap, rest = backlog.take(0) or []
    assert gap == 3.0
    assert isinstance(rest, np.ndarray)
    assert (rest[0], rest[-1]) == (3, 4)


def test_a_gap_keeps_its_place() -> None:
    backlog = Backlog(9.0)
    for item in (SECOND, 0.5, 0.25, SECOND, SECOND):
        backlog.put(item)
    first, gap, second = backlog.take(0) or []
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert (len(first), gap, len(second)) == (SAMPLE_RATE_HZ, 0.75, 2 * SAMPLE_RATE_HZ)


def test_closed_and_empty_is_told_apart_from_nothing_yet() -> None:
    backlog = Backlog(2.0)
    assert backlog.take(0.01) == []
    backlog.put(SECOND)
    backlog.close()
    assert seconds(backlog.take(0)) == (1.0, 0.0)
    assert backlog.take(0) is None


def test_a_source_that_can_wait_waits_and_loses_nothing() -> None:
    backlog = Backlog(2.0, wait=True)

    def pour() -> None:
        for _ in range(20):
            backlog.put(SECOND)
        backlog.close()

    thread = threading.Thread(target=pour)
    thread.start()
    heard_s = 0.0
    while (items := backlog.take(1)) is not None:
        heard, gap = seconds(items)
        assert heard <= 2.0
        assert gap == 0
        heard_s += heard
    thread.join()
    assert heard_s == 20
