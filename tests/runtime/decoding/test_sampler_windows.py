"""Blocks, windows, revision and drawn ids: which rows are computed and predicted, on random canvases and schedules."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding.canvas import Canvas, IdRange, Span
from unmask.decoding.denoiser import Step, TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.row_selection import AttentionLayout, block_of
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Schedule

MASK, K = 20, 4


class Model:
    """Random scores that depend on the ids. It remembers the id that each row was computed from, as keys and values would."""

    def __init__(self, length: int, layout: AttentionLayout) -> None:
        self.layout, self.seen, self.calls = layout, np.full(length, -1), list[tuple[list[int], list[int]]]()

    def reset(self) -> None:
        self.seen[:] = -1

    def window(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        wanted: NDArray[np.int64],
        allowed: tuple[tuple[IdRange, ...], ...],
    ) -> TopKScores:
        assert (np.diff(positions) > 0).all()
        assert np.isin(self.layout.sources(positions[wanted]), positions).all(), "the row that predicts is computed"
        self.seen[positions] = ids
        self.calls.append((positions.tolist(), positions[wanted].tolist()))
        rng = np.random.default_rng(zlib.crc32(ids.tobytes()))
        best = np.stack([rng.permutation(MASK)[:K] for _ in wanted]) if len(wanted) else np.zeros((0, K), np.int64)
        p = -np.sort(-rng.dirichlet(np.ones(K), len(wanted)), 1)
        entropy = -(p * np.log(p + 1e-30)).sum(1)
        return TopKScores(
            best, np.log(p + 1e-30).astype(np.float32), np.zeros(len(wanted), np.float32), entropy.astype(np.float32)
        )


def canvas_of(prompt: int, masks: int) -> Canvas:
    ids = np.concatenate([np.arange(prompt) % 5, np.full(masks, MASK)]).astype(np.int64)
    return Canvas(ids, (Span(prompt, prompt + masks, "text", ((0, MASK),)),), MASK)


def run(canvas: Canvas, schedule: Schedule, layout: AttentionLayout = AttentionLayout()) -> tuple[list[Step], Model]:  # noqa: B008
    model = Model(len(canvas.ids), layout)
    return list(fill(canvas, model, schedule, layout=layout)), model


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    rule = draw(st.sampled_from(["quota", "threshold", "factor", "entropy_bound"]))
    reuse = draw(st.booleans())
    return Schedule(
        passes=draw(st.integers(1, 9) if rule == "quota" else st.none() | st.integers(1, 9)),
        rule=rule,
        order=draw(st.sampled_from(["probability", "margin", "negative_entropy", "random", "halton"])),
        threshold=draw(st.floats(0.3, 1.0)),
        entropy_bound=draw(st.floats(0.01, 3.0)),
        reuse=reuse,
        window=draw(st.sampled_from(["masked", "block", "suffix"])),
        refresh=draw(st.none() | st.integers(1, 4)) if reuse else None,
        across_blocks=draw(st.booleans()),
        block=draw(st.none() | st.integers(1, 12)),
        curve=draw(st.sampled_from(["even", "cosine", "arccos"])),
        temperature=draw(st.sampled_from([0.0, 0.7])),
        revise=draw(st.sampled_from([0.0, 0.5])),
        seed=draw(st.integers(0, 3)),
    )


GEOMETRIES = st.builds(AttentionLayout, st.sampled_from([0, 1]), st.sampled_from([None, 4]))


@given(prompt=st.integers(0, 9), masks=st.integers(0, 25), schedule=schedules(), layout=GEOMETRIES)
def test_every_fill_ends_full_and_takes_back_only_when_it_revises(
    prompt: int, masks: int, schedule: Schedule, layout: AttentionLayout
) -> None:
    canvas = canvas_of(prompt, masks)
    steps, _ = run(canvas, schedule, layout)
    assert bool(steps) == bool(masks)
    known, left = canvas.ids, masks
    for number, step in enumerate(steps, start=1):
        assert step.number == number
        fixed = known != MASK
        revises = bool(step.masked > left - len(step.committed))
        assert (step.ids[fixed] == known[fixed]).all() or (revises and schedule.revise > 0)
        assert (step.ids[:prompt] == canvas.ids[:prompt]).all()
        assert len(step.committed) >= 1 or left == 0
        known, left = step.ids, step.masked
    assert not masks or left == 0
    assert sum(bool(len(step.committed) == 0) for step in steps) == (1 if schedule.revise and masks else 0)


@given(prompt=st.integers(0, 9), masks=st.integers(1, 25), schedule=schedules(), layout=GEOMETRIES)
def test_one_seed_gives_the_same_bytes(prompt: int, masks: int, schedule: Schedule, layout: AttentionLayout) -> None:
    first, second = (run(canvas_of(prompt, masks), schedule, layout)[0] for _ in range(2))
    assert [s.ids.tobytes() + s.confidence.tobytes() for s in first] == [s.ids.tobytes() + s.confidence.tobytes() for s in second]


@given(prompt=st.integers(0, 9), masks=st.integers(1, 25), block=st.integers(1, 12), window=st.sampled_from(["masked", "block"]))
def test_blocks_are_filled_in_turn_and_a_window_computes_nothing_else(prompt: int, masks: int, block: int, window: str) -> None:
    schedule = Schedule(threshold=1.0, reuse=True, window=window, block=block)
    steps, model = run(canvas_of(prompt, masks), schedule)
    blocks = [int((step.committed[0] - prompt) // block) for step in steps]
    assert blocks == sorted(blocks)
    last = None
    for at, (rows, wanted) in zip(blocks, model.calls, strict=True):
        low, high = prompt + at * block, min(prompt + masks, prompt + (at + 1) * block)
        assert all(low <= position < high for position in wanted)
        if at != last:
            assert rows == list(range(prompt + masks)), "each block begins with all rows"
        elif window == "block":
            assert rows == list(range(low, high))
        else:
            assert set(wanted) <= set(rows) <= set(range(low, high))
        last = at


@given(masks=st.integers(2, 25), every=st.integers(1, 5))
def test_refresh_computes_all_rows_after_so_many_passes(masks: int, every: int) -> None:
    _, model = run(canvas_of(3, masks), Schedule(threshold=1.0, reuse=True, refresh=every))
    whole = [len(rows) == masks + 3 for rows, _ in model.calls]
    for i, computed in enumerate(whole[: masks - 2]):  # the last passes have few rows anyway
        assert computed == (i % every == 0)


@given(prompt=st.integers(0, 9), masks=st.integers(1, 25), block=st.integers(1, 12), window=st.sampled_from(["masked", "block"]))
def test_across_blocks_only_the_first_pass_computes_all_rows(prompt: int, masks: int, block: int, window: str) -> None:
    """Every other one computes its block and what was committed just before, so that no row keeps the keys of a mask."""
    canvas = canvas_of(prompt, masks)
    schedule = Schedule(rule="quota", passes=2, reuse=True, window=window, block=block, across_blocks=True)
    model, committed, before = Model(len(canvas.ids), AttentionLayout()), set[int](), canvas.ids
    for step in fill(canvas, model, schedule):
        rows, wanted = model.calls[-1]
        start = prompt + (wanted[0] - prompt) // block * block
        here = set(wanted) if window == "masked" else set(range(start, min(start + block, prompt + masks)))
        assert set(rows) == (set(range(prompt + masks)) if step.number == 1 else here | committed)
        assert (model.seen[rows] == before[rows]).all()
        committed, before = set(step.committed.tolist()), step.ids


@given(prompt=st.integers(1, 9), masks=st.integers(1, 25), schedule=schedules())
def test_rows_that_never_see_the_answer_are_computed_once(prompt: int, masks: int, schedule: Schedule) -> None:
    _, model = run(canvas_of(prompt, masks), replace(schedule, revise=0.0), AttentionLayout(exact=prompt))
    whole = list(range(prompt + masks))
    first, *later = [rows for rows, _ in model.calls]
    assert first == whole
    assert all(min(rows) >= prompt if schedule.reuse else rows == whole for rows in later)


def test_a_suffix_window_computes_the_block_and_what_follows() -> None:
    _, model = run(canvas_of(2, 8), Schedule(threshold=1.0, reuse=True, window="suffix", block=4))
    assert [len(rows) for rows, _ in model.calls] == [10, 8, 8, 8, 10, 4, 4, 4]


@given(
    prompt=st.integers(0, 9),
    masks=st.integers(1, 25),
    schedule=schedules(),
    shift=st.sampled_from([0, 1]),
    origin=st.integers(0, 3),
)
def test_block_causal_context_is_exact(prompt: int, masks: int, schedule: Schedule, shift: int, origin: int) -> None:
    """When a block is computed, every row before it was last computed with the id that is there now."""
    layout, canvas = AttentionLayout(shift, 4, origin), canvas_of(prompt, masks)
    if schedule.revise:
        return  # rows were computed with ids that are masked again since
    model = Model(len(canvas.ids), layout)
    known = canvas.ids
    for step in fill(canvas, model, schedule, layout=layout):
        rows, wanted = model.calls[-1]
        start, stop = layout.block_at(min(wanted), len(canvas.ids))
        assert (start - origin) % 4 == 0 or start == 0
        assert (model.seen[:start] == known[:start]).all()
        assert max(wanted) < stop
        assert max(rows) < stop, "rows after the block are not attended to and not computed"
        known = step.ids


def test_a_known_order_asks_only_for_what_it_commits() -> None:
    steps, model = run(canvas_of(0, 16), Schedule(passes=4, rule="quota", order="halton", curve="arccos"))
    assert [wanted for _, wanted in model.calls] == [step.committed.tolist() for step in steps]
    assert sum(len(step.committed) for step in steps) == 16


def test_halton_spreads_over_the_grid() -> None:
    """By hand, with n mirrored in base 2 and in base 3, on 4 x 4: (0, 0), (1/2, 1/3), (1/4, 2/3), (3/4, 1/9)."""
    steps, _ = run(canvas_of(0, 16), Schedule(passes=16, rule="quota", order="halton"))
    assert [int(step.committed[0]) for step in steps][:4] == [0, 2 * 4 + 1, 1 * 4 + 2, 3 * 4 + 0]


@pytest.mark.parametrize(("curve", "expected"), [("even", [4, 4, 4, 4]), ("cosine", [2, 3, 5, 6]), ("arccos", [2, 3, 3, 8])])
def test_curves_spread_a_quota(curve: str, expected: list[int]) -> None:
    """By hand: 16 cos(pi t / 8) = 14.78, 11.31, 6.12, 0; 16 (1 - 2 arccos(t / 4) / pi) = 2.57, 5.33, 8.64, 16."""
    steps, _ = run(canvas_of(0, 16), Schedule(passes=4, rule="quota", curve=curve))
    assert [len(step.committed) for step in steps] == expected


def test_entropy_bound_commits_while_the_sum_before_stays_below() -> None:
    class Table:
        def reset(self) -> None: ...

        def window(self, ids: object, positions: object, wanted: NDArray[np.int64], allowed: object) -> TopKScores:
            entropy = np.array([0.3, 0.05, 0.04, 0.2], np.float32)[-len(wanted) :]
            return TopKScores(
                np.zeros((len(wanted), 1), np.int64),
                *np.zeros((1, len(wanted), 1), np.float32),
                np.ones(len(wanted), np.float32),
                entropy,
            )

    step = next(fill(canvas_of(0, 4), Table(), Schedule(rule="entropy_bound", entropy_bound=0.1)))  # type: ignore[arg-type]
    assert step.committed.tolist() == [1, 2, 3]  # sums before: 0, 0.04, 0.09, 0.29


def test_revision_masks_what_is_doubted_at_most_a_quarter() -> None:
    steps, _ = run(canvas_of(0, 16), Schedule(passes=1, revise=0.99))
    assert [step.masked for step in steps] == [0, 4, 0]
    doubted = np.flatnonzero(steps[1].ids == MASK)
    assert steps[1].confidence[doubted].max() <= np.delete(steps[1].confidence, doubted).min()


def test_drawn_ids_follow_the_probabilities() -> None:
    p = np.array([0.6, 0.3, 0.1], np.float32)

    class Table:
        def reset(self) -> None: ...

        def window(self, ids: object, positions: object, wanted: NDArray[np.int64], allowed: object) -> TopKScores:
            count, nothing = len(wanted), np.zeros(len(wanted), np.float32)
            return TopKScores(np.tile(np.arange(3), (count, 1)), np.tile(np.log(p), (count, 1)), nothing, nothing)

    step = next(fill(canvas_of(0, 4000), Table(), Schedule(passes=1, temperature=1.0, seed=1)))  # type: ignore[arg-type]
    assert np.bincount(step.ids, minlength=3) / 4000 == pytest.approx(p, abs=0.03)
    assert step.confidence == pytest.approx(p[step.ids])


@given(
    first=st.integers(0, 60),
    origin=st.integers(0, 20),
    block=st.none() | st.integers(1, 20),
    own=st.none() | st.integers(1, 9),
    begins=st.integers(0, 30),
)
def test_a_block_holds_its_position_and_respects_both_lengths(
    first: int, origin: int, block: int | None, own: int | None, begins: int
) -> None:
    first += origin
    start, stop = block_of(first, origin, 100, block, AttentionLayout(0, own, begins))
    assert start <= first < stop <= 100
    assert own is None or ((start - begins) // own == (stop - 1 - begins) // own)
    assert block is None or stop - start <= block


def test_blocks_begin_where_the_span_does_whatever_a_draft_holds() -> None:
    """Else rows of the draft before the first mask would keep the keys and values that they had beside masks."""
    sure = np.ones(8, np.float32)
    sure[[5, 7]] = 0
    canvas = replace(canvas_of(2, 6), draft=Draft(np.array([1, 1, 3, 3, 3, 3, 3, 3]), sure))
    _, fake = run(canvas, Schedule(passes=2, rule="quota", reuse=True, window="block", block=6))
    assert [rows for rows, _ in fake.calls] == [list(range(8)), list(range(2, 8))]
