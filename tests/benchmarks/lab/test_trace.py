"""Recorded traces of commits, replayed over any denoiser."""

import numpy as np
import pytest

from benchmarks.lab.backbone import TRACES, Replayed
from unmask.decoding.denoiser import TopKScores


@pytest.mark.parametrize("trace", TRACES.values())
def test_a_replayed_trace_makes_as_many_rows_sure_as_it_says(trace: tuple[int, ...]) -> None:
    class Any_:
        def reset(self) -> None: ...

        def window(self, ids: object, positions: object, wanted: np.ndarray, allowed: object) -> TopKScores:
            count = len(wanted)
            return TopKScores(np.zeros((count, 2), int), np.zeros((count, 2), np.float32), *np.ones((2, count), np.float32))

    assert sum(trace) == 32
    replayed, at = Replayed(Any_(), trace), np.arange(64, 96)
    for sure in trace:
        numbers = replayed.window(at, at, np.arange(len(at)), ())
        assert int((np.exp(numbers.logits[:, 0] - numbers.logsumexp) >= 0.9).sum()) == sure
        at = at[sure:]
