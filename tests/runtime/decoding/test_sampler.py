"""The promises of `fill`, with a fake denoiser whose scores depend only on its arguments."""

import zlib
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding.canvas import Canvas, IdRange, Span, allowed_mask
from unmask.decoding.denoiser import Step, TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Schedule

VOCABULARY, MASK = 12, 12


@dataclass(frozen=True)
class Call:
    positions: list[int]
    wanted: list[int]  # positions
    allowed: tuple[tuple[IdRange, ...], ...]
    best: NDArray[np.float32]  # probability of each wanted row's best id


class Fake:
    """Logits drawn with a seed that depends on the ids; or, with a table (N, V) of probabilities, always those."""

    def __init__(self, table: list[list[float]] | None = None) -> None:
        self.table, self.calls, self.resets = table, list[Call](), 0

    def reset(self) -> None:
        self.resets += 1

    def window(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        wanted: NDArray[np.int64],
        allowed: tuple[tuple[IdRange, ...], ...],
    ) -> TopKScores:
        assert len(ids) == len(positions)
        assert (np.diff(positions) > 0).all()
        assert (ids[wanted] == MASK).all()
        if self.table is None:
            seed = zlib.crc32(ids.tobytes() + positions.tobytes())
            logits = np.random.default_rng(seed).normal(scale=3, size=(len(wanted), VOCABULARY))
        else:
            logits = np.log(np.array(self.table)[positions[wanted]] + 1e-30)
        rows = allowed * len(wanted) if len(allowed) == 1 else allowed
        for row, ranges in zip(logits, rows, strict=True):
            row[~allowed_mask(np.arange(len(row)), ranges)] = -1e9
        total = np.log(np.exp(logits).sum(1))
        p = np.exp(logits - total[:, None])
        entropy = -(p * np.log(p + 1e-30)).sum(1)
        best = np.argsort(-logits, axis=1, kind="stable")[:, :2]
        top = np.take_along_axis(logits, best, 1).astype(np.float32)
        total = total.astype(np.float32)
        self.calls.append(Call(positions.tolist(), positions[wanted].tolist(), allowed, np.exp(top[:, 0] - total)))
        return TopKScores(best, top, total, entropy.astype(np.float32))


RANGES = st.sampled_from([((0, 12),), ((0, 4),), ((4, 12),), ((0, 2), (9, 11)), ((5, 6),)])


@st.composite
def canvases(draw: st.DrawFn, ends: bool = True) -> Canvas:
    ids: list[int] = draw(st.lists(st.integers(0, 11), max_size=4))
    spans = []
    for _ in range(draw(st.integers(1, 3))):
        allowed = draw(RANGES)
        inside = draw(st.lists(st.sampled_from([MASK, MASK, MASK, 1]), max_size=9))
        end = draw(st.sampled_from([None, allowed[0][0]])) if ends else None
        spans.append(Span(len(ids), len(ids) + len(inside), "text", allowed, end))
        ids += inside + draw(st.lists(st.integers(0, 11), max_size=3))
    return Canvas(np.array(ids, dtype=np.int64), tuple(spans), MASK)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    rule = draw(st.sampled_from(["quota", "threshold", "factor"]))
    passes = draw(st.integers(1, 9) if rule == "quota" else st.none() | st.integers(1, 9))
    order = draw(st.sampled_from(["probability", "margin", "negative_entropy"]))
    limit = draw(st.floats(0.05, 1.0))
    return Schedule(passes, rule, order, threshold=limit, factor=draw(st.floats(0.1, 4.0)), reuse=draw(st.booleans()))


def run(canvas: Canvas, schedule: Schedule) -> tuple[list[Step], Fake]:
    fake = Fake()
    return list(fill(canvas, fake, schedule)), fake


@given(canvas=canvases(), schedule=schedules())
def test_every_fill(canvas: Canvas, schedule: Schedule) -> None:
    before = canvas.ids.tobytes()
    steps, fake = run(canvas, schedule)
    masked = canvas.ids == MASK
    assert bool(steps) == bool(masked.any())
    assert len(steps) <= (schedule.passes or masked.sum())
    for number, (step, call) in enumerate(zip(steps, fake.calls, strict=True), start=1):
        assert step.number == number
        assert call.wanted == np.flatnonzero(masked).tolist()
        assert step.rows == len(call.positions)
        assert len(step.committed) >= 1
        assert (np.diff(step.committed) > 0).all()
        assert masked[step.committed].all()
        assert len(step.committed) == masked.sum() - step.masked
        masked[step.committed] = False
        assert (step.ids == MASK).tolist() == masked.tolist()
        assert (step.tentative[~masked] == step.ids[~masked]).all()
        assert (step.tentative != MASK).all()
        assert ((step.confidence >= 0) & (step.confidence <= 1 + 1e-5)).all()
        for span in canvas.spans:
            inside = step.committed[(step.committed >= span.start) & (step.committed < span.stop)]
            assert allowed_mask(step.ids[inside], span.allowed).all()
    assert not masked.any()
    assert fake.resets == 1
    assert canvas.ids.tobytes() == before


@given(canvas=canvases(ends=False), schedule=schedules())
def test_nothing_is_taken_back(canvas: Canvas, schedule: Schedule) -> None:
    known = canvas.ids
    for step in run(canvas, schedule)[0]:
        fixed = known != MASK
        assert (step.ids[fixed] == known[fixed]).all()
        assert (step.confidence[canvas.ids != MASK] == 1).all()
        known = step.ids


@given(canvas=canvases(), schedule=schedules())
def test_same_inputs_same_bytes(canvas: Canvas, schedule: Schedule) -> None:
    def trace() -> list[tuple[object, ...]]:
        return [
            (s.number, s.committed.tobytes(), s.ids.tobytes(), s.tentative.tobytes(), s.confidence.tobytes(), s.masked, s.rows)
            for s in run(canvas, schedule)[0]
        ]

    assert trace() == trace()


def test_each_row_is_asked_for_its_own_spans_ids() -> None:
    text, image = ((0, 3),), ((5, 9),)
    ids = np.array([MASK, 1, MASK, MASK, MASK], dtype=np.int64)
    canvas = Canvas(ids, (Span(0, 3, "text", text), Span(3, 5, "image", image)), MASK)
    steps, fake = run(canvas, Schedule(passes=4, rule="quota"))
    for call in fake.calls:
        expected = tuple(text if position < 3 else image for position in call.wanted)
        assert call.allowed == (expected if len(set(expected)) > 1 else expected[:1])
    assert fake.calls[0].allowed == (text, text, image, image)
    assert all(0 <= i < 3 for i in steps[-1].ids[:3])
    assert all(5 <= i < 9 for i in steps[-1].ids[3:])


@pytest.mark.parametrize(("passes", "expected"), [(4, [3, 3, 2, 2]), (1, [10]), (10, [1] * 10), (30, [1] * 10)])
def test_quota_commits_as_planned(passes: int, expected: list[int]) -> None:
    steps, _ = run(Canvas.masked(10, "text", ((0, 12),), MASK), Schedule(passes=passes, rule="quota"))
    assert [len(step.committed) for step in steps] == expected


@given(count=st.integers(1, 20), limit=st.floats(0.05, 0.99))
def test_threshold_commits_exactly_the_sure_rows(count: int, limit: float) -> None:
    steps, fake = run(Canvas.masked(count, "text", ((0, 12),), MASK), Schedule(threshold=limit))
    for step, call in zip(steps, fake.calls, strict=True):
        sure = [at for at, p in zip(call.wanted, call.best, strict=True) if p >= np.float32(limit)]
        assert step.committed.tolist() == (sure or [call.wanted[int(call.best.argmax())]])


def test_threshold_is_of_the_probability_in_every_order() -> None:
    fake = Fake([[0.90, 0.05, 0.05], [0.91, 0.09, 0.0]])  # the second row is surer, the first has the larger margin
    step = next(fill(Canvas.masked(2, "text", ((0, 3),), MASK), fake, Schedule(threshold=0.905, order="margin")))
    assert step.committed.tolist() == [1]


@pytest.mark.parametrize(
    ("order", "expected"), [("probability", [2, 0, 1]), ("margin", [2, 0, 1]), ("negative_entropy", [2, 1, 0])]
)
def test_order_decides_who_comes_first(order: str, expected: list[int]) -> None:
    fake = Fake([[0.7, 0.1, 0.1, 0.1], [0.6, 0.4, 0.0, 0.0], [0.9, 0.1, 0.0, 0.0]])
    steps = fill(Canvas.masked(3, "text", ((0, 4),), MASK), fake, Schedule(passes=3, rule="quota", order=order))
    assert [step.committed.tolist() for step in steps] == [[at] for at in expected]


def test_ties_go_to_the_lowest_position() -> None:
    """Over enough rows that an unstable sort would mix them up."""
    fake = Fake([[0.6, 0.4], [0.8, 0.2]] * 30)
    steps = fill(Canvas.masked(60, "text", ((0, 2),), MASK), fake, Schedule(passes=20, rule="quota"))
    surest_first = [*range(1, 60, 2), *range(0, 60, 2)]
    assert [step.committed.tolist() for step in steps] == [surest_first[at : at + 3] for at in range(0, 60, 3)]


@given(canvas=canvases(), schedule=schedules())
def test_reuse_computes_masked_and_fresh_rows(canvas: Canvas, schedule: Schedule) -> None:
    steps, fake = run(canvas, schedule)
    needed = set(range(len(canvas.ids)))
    for step, call in zip(steps, fake.calls, strict=True):
        assert call.positions == sorted(needed)
        if schedule.reuse:
            needed = set(np.flatnonzero(step.ids == MASK).tolist() + step.committed.tolist())


def test_draft_positions_start_filled() -> None:
    draft = Draft(np.array([3, 4, 5, 6]), np.array([0.95, 0.2, 0.9, 0.89], dtype=np.float32))
    canvas = Canvas.masked(4, "text", ((0, 12),), MASK).with_draft(draft)
    steps, fake = run(canvas, Schedule(passes=2, rule="quota"))
    assert fake.calls[0].wanted == [1, 3]
    assert steps[-1].ids[[0, 2]].tolist() == [3, 5]


def test_nothing_masked_yields_nothing() -> None:
    assert run(Canvas(np.array([1, 2]), (Span(0, 2, "text", ((0, 12),)),), MASK), Schedule())[0] == []
    assert run(Canvas.masked(0, "text", ((0, 12),), MASK), Schedule())[0] == []


def test_steps_cannot_be_changed() -> None:
    steps, _ = run(Canvas.masked(5, "text", ((0, 12),), MASK), Schedule(passes=3, rule="quota"))
    for array in (steps[0].committed, steps[0].ids, steps[0].tentative, steps[0].confidence):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(FrozenInstanceError):
        steps[0].masked = 0  # type: ignore[misc]
    assert [int((step.ids == MASK).sum()) for step in steps] == [3, 1, 0]


def test_lazy_and_cancelled_by_closing() -> None:
    fake = Fake()
    steps = fill(Canvas.masked(9, "text", ((0, 12),), MASK), fake, Schedule(passes=9, rule="quota"))
    assert fake.calls == []
    assert next(steps).masked == 8
    steps.close()  # type: ignore[attr-defined]
    assert list(steps) == []
    assert len(fake.calls) == 1
