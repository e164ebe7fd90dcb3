"""Stop at end of text: positions after a committed end are filled with it and never computed."""

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.canvas import Canvas, IdRange, Span
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Schedule

END, MASK = 0, 9
WIDE = ((0, 9),)


class Scripted:
    """Each position has one best id with one probability."""

    def __init__(self, ids: list[int], probabilities: list[float]) -> None:
        self.ids, self.logits = np.array(ids), np.log(np.array(probabilities, dtype=np.float32))
        self.wanted: list[list[int]] = []

    def reset(self) -> None: ...

    def window(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        wanted: NDArray[np.int64],
        allowed: tuple[tuple[IdRange, ...], ...],
    ) -> TopKScores:
        at = positions[wanted]
        self.wanted.append(at.tolist())
        nothing = np.zeros(len(at), dtype=np.float32)
        return TopKScores(self.ids[at, None], self.logits[at, None], nothing, nothing)


def test_end_fills_the_rest_and_stops() -> None:
    model = Scripted([5, 6, END, 7, 8, 7], [0.99, 0.98, 0.97, 0.5, 0.4, 0.3])
    canvas = Canvas.masked(6, "text", WIDE, MASK, END)
    steps = list(fill(canvas, model, Schedule(threshold=0.9)))
    assert len(steps) == 1
    assert steps[0].committed.tolist() == [0, 1, 2, 3, 4, 5]
    assert steps[0].ids.tolist() == steps[0].tentative.tolist() == [5, 6, END, END, END, END]
    assert steps[0].masked == 0


def test_end_waits_for_the_text_before_it() -> None:
    model = Scripted([5, 6, END, 7, 8], [0.99, 0.5, 0.98, 0.3, 0.2])
    steps = list(fill(Canvas.masked(5, "text", WIDE, MASK, END), model, Schedule(threshold=0.9)))
    assert [step.committed.tolist() for step in steps] == [[0, 2], [1, 3, 4]]
    assert steps[0].ids.tolist() == [5, MASK, END, MASK, MASK]
    assert steps[1].ids.tolist() == [5, 6, END, END, END]


def test_other_spans_go_on_and_nothing_after_the_end_is_asked_for() -> None:
    model = Scripted([END, 7, 7, 3, 4], [0.99, 0.2, 0.1, 0.3, 0.2])
    spans = (Span(0, 3, "text", WIDE, END), Span(3, 5, "text", ((1, 9),)))
    steps = list(fill(Canvas(np.full(5, MASK), spans, MASK), model, Schedule(threshold=0.9)))
    assert model.wanted == [[0, 1, 2, 3, 4], [3, 4], [4]]
    assert steps[-1].ids.tolist() == [END, END, END, 3, 4]


def test_another_spans_end_id_is_an_ordinary_token() -> None:
    model = Scripted([END, 7, 7], [0.99, 0.2, 0.1])
    steps = list(fill(Canvas.masked(3, "text", WIDE, MASK), model, Schedule(threshold=0.9)))
    assert steps[-1].ids.tolist() == [END, 7, 7]


def test_rows_committed_before_the_end_stay() -> None:
    """A commit is never taken back: only the masks after the end are filled with it."""
    model = Scripted([5, END, 7, 8, 7], [0.8, 0.7, 0.99, 0.6, 0.6])
    steps = list(fill(Canvas.masked(5, "text", WIDE, MASK, END), model, Schedule(passes=5, rule="quota")))
    assert [step.masked for step in steps] == [4, 3, 0]
    assert steps[-1].ids.tolist() == [5, END, 7, END, END]


def test_end_in_the_draft_is_an_end() -> None:
    draft = Draft(np.array([5, END, 7, 7]), np.array([1.0, 1.0, 0.0, 0.0], dtype=np.float32))
    canvas = Canvas.masked(4, "text", WIDE, MASK, END).with_draft(draft)
    model = Scripted([1, 1, 1, 1], [0.5, 0.5, 0.5, 0.5])
    steps = list(fill(canvas, model, Schedule(threshold=0.9)))
    assert steps[-1].ids.tolist() == [5, END, END, END]
    assert len(steps) == 1
