"""Scores that are no numbers are refused where they are made, so no rule ever chooses by them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.decoding.canvas import Canvas, IdRange
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Schedule
from unmask.errors import NumberError

NAN, INF = float("nan"), float("inf")


def scores(logits: list[float], logsumexp: float = 1.0, entropy: float = 0.5) -> TopKScores:
    """Two rows, the second of which has these numbers."""
    both = np.array([[0.5, 0.1, 0.0], logits], np.float32)
    return TopKScores(np.tile(np.arange(3), (2, 1)), both, np.float32([1, logsumexp]), np.float32([0.5, entropy]))


@pytest.mark.parametrize(
    ("logits", "others"),
    [
        ([NAN, 0.1, 0.0], {}),
        ([0.5, NAN, 0.0], {}),
        ([INF, 0.1, 0.0], {}),
        ([-INF, -INF, -INF], {}),
        ([0.5, 0.1, 0.0], {"logsumexp": NAN}),
        ([0.5, 0.1, 0.0], {"logsumexp": INF}),
        ([0.5, 0.1, 0.0], {"entropy": NAN}),
    ],
)
def test_numbers_that_are_not_finite_are_refused(logits: list[float], others: dict[str, float]) -> None:
    with pytest.raises(NumberError, match="not finite"):
        scores(logits, **others)


def test_fewer_allowed_ids_than_columns_are_no_fault() -> None:
    assert scores([0.5, -INF, -INF]).logits[1].tolist() == [0.5, -INF, -INF]


class FailsInItsThirdPass:
    """As a device does whose half-precision numbers overflow on some canvases only."""

    passes = 0

    def reset(self) -> None: ...

    def window(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        wanted: NDArray[np.int64],
        allowed: tuple[tuple[IdRange, ...], ...],
    ) -> TopKScores:
        self.passes += 1
        logits = np.full((len(wanted), 1), NAN if self.passes == 3 else 0.0, np.float32)
        nothing = np.zeros(len(wanted), np.float32)
        return TopKScores(np.full((len(wanted), 1), 5), logits, nothing, nothing)


def test_what_was_committed_before_stays_and_no_more_is() -> None:
    steps, made = fill(Canvas.masked(6, "text", ((0, 9),), 9), FailsInItsThirdPass(), Schedule(passes=6, rule="quota")), []
    with pytest.raises(NumberError):
        made.extend(steps)
    assert [step.committed.tolist() for step in made] == [[0], [1]]
