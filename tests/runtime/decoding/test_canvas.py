"""Canvases: which spans are valid, what `masked` returns, and which ids of a draft are kept."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from unmask.decoding.canvas import Canvas, Span, allowed_mask
from unmask.decoding.draft import Draft
from unmask.decoding.input_rows import Rows
from unmask.errors import InputError

MASK = 99


def ids(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def draft(values: list[int], confidence: list[float]) -> Draft:
    return Draft(np.array(values, dtype=np.int64), np.array(confidence, dtype=np.float32))


@pytest.mark.parametrize("bounds", [(-1, 2), (0, 4), (2, 1), (4, 5)])
def test_span_outside_the_canvas(bounds: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=rf"span {bounds[0]}\.\.{bounds[1]} lies outside a canvas of 3 positions"):
        Canvas(ids(1, 2, 3), (Span(*bounds, "text", ((0, 9),)),), MASK)


@pytest.mark.parametrize("allowed", [(), ((3, 3),), ((5, 2),), ((-1, 4),), ((0, 4), (7, 7))])
def test_span_that_allows_nothing(allowed: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(InputError, match=r"span 0\.\.1 \(speech\) allows no ids"):
        Canvas(ids(MASK), (Span(0, 1, "speech", allowed),), MASK)


def test_overlapping_spans() -> None:
    with pytest.raises(InputError, match="position 2 belongs to more than one span"):
        Canvas(ids(*[MASK] * 5), (Span(0, 3, "text", ((0, 9),)), Span(2, 5, "image", ((0, 9),))), MASK)


def test_mask_outside_every_span() -> None:
    with pytest.raises(InputError, match="position 3 is masked but belongs to no span"):
        Canvas(ids(1, MASK, MASK, MASK), (Span(1, 3, "text", ((0, 9),)),), MASK)


def test_negative_id() -> None:
    with pytest.raises(InputError, match="position 1 has the negative id -7"):
        Canvas(ids(1, -7), (), MASK)


def test_touching_and_empty_spans_are_fine() -> None:
    spans = (Span(0, 2, "text", ((0, 9),)), Span(2, 2, "text", ((0, 9),)), Span(2, 4, "image", ((9, 12),)))
    assert Canvas(ids(MASK, 1, MASK, MASK), spans, MASK).spans == spans


def test_masked() -> None:
    canvas = Canvas.masked(4, "text", ((0, 5), (7, 9)), MASK, end_id=8)
    assert canvas.ids.tolist() == [MASK] * 4
    assert canvas.ids.dtype == np.int64
    assert canvas.spans == (Span(0, 4, "text", ((0, 5), (7, 9)), 8),)
    assert canvas.mask_id == MASK


def test_masked_of_nothing() -> None:
    assert len(Canvas.masked(0, "text", ((0, 5),), MASK).ids) == 0


def test_draft_keeps_what_reaches_the_confidence() -> None:
    canvas = Canvas.masked(4, "text", ((0, 9),), MASK)
    kept = canvas.with_draft(draft([1, 2, 3, 4], [0.5, 0.4999, 1.0, 0.0]))
    assert kept.start(0.5).tolist() == [1, MASK, 3, MASK]
    assert kept.spans == canvas.spans
    assert canvas.ids.tolist() == [MASK] * 4


def test_draft_leaves_given_positions_alone() -> None:
    canvas = Canvas(ids(50, MASK, MASK, 51), (Span(1, 3, "text", ((0, 9),)),), MASK)
    assert canvas.with_draft(draft([1, 2, 3, 4], [1, 1, 0, 1])).start(0.9).tolist() == [50, 2, MASK, 51]


def test_unsure_draft_positions_of_a_filled_span_start_masked() -> None:
    canvas = Canvas(ids(1, 2), (Span(0, 2, "text", ((0, 9),)),), MASK)
    assert canvas.with_draft(draft([3, 4], [1.0, 0.1])).start(0.9).tolist() == [3, MASK]


def test_draft_with_an_id_of_another_modality() -> None:
    spans = (Span(0, 2, "text", ((0, 10),)), Span(2, 4, "image", ((10, 20),)))
    canvas = Canvas(ids(*[MASK] * 4), spans, MASK)
    with pytest.raises(InputError, match="the draft's id 5 at 3 is not allowed in a image span"):
        canvas.with_draft(draft([1, 2, 11, 5], [1, 1, 1, 1])).start(0.9)


def test_disallowed_draft_ids_below_the_confidence_do_not_matter() -> None:
    canvas = Canvas.masked(2, "text", ((0, 9),), MASK)
    assert canvas.with_draft(draft([1, 50], [1.0, 0.2])).start(0.9).tolist() == [1, MASK]


@pytest.mark.parametrize(("count", "confident"), [(3, 3), (5, 5), (4, 3), (3, 4), (0, 0)])
def test_draft_of_another_length(count: int, confident: int) -> None:
    canvas = Canvas.masked(4, "text", ((0, 9),), MASK)
    with pytest.raises(InputError, match=r"does not fit a canvas of 4|each id needs one"):
        canvas.with_draft(draft([1] * count, [1.0] * confident)).start(0.9)


def test_allowed_mask_is_half_open() -> None:
    assert allowed_mask(np.arange(8), ((1, 3), (6, 7))).tolist() == [False, True, True, False, False, False, True, False]


def test_a_span_must_not_allow_the_mask() -> None:
    with pytest.raises(InputError, match="allows the mask 5 itself"):
        Canvas.masked(3, "text", ((0, 6),), mask_id=5)
    Canvas.masked(3, "text", ((0, 5), (6, 9)), mask_id=5)


# ---- drafts with places


def test_a_draft_with_places_is_trusted_up_to_a_place_and_its_final_ids_always() -> None:
    canvas = Canvas.masked(6, "text", ((0, 9),), MASK)
    placed = Draft(ids(1, 2, 3, 4), np.array([0.1, 1, 1, 1], np.float32), np.array([0.0, 2, 3, 5]), final=1, trusted_until=3.5)
    assert canvas.with_draft(placed).start(0.9).tolist() == [1, MASK, 2, 3, MASK, MASK]
    assert canvas.with_draft(replace(placed, final=4)).start(0.9).tolist() == [1, MASK, 2, 3, MASK, 4]


@pytest.mark.parametrize("places", [[0.0, 6.0], [-1.0, 2.0], [0.0, 1.5]])
def test_a_draft_outside_or_between_positions_is_named(places: list[float]) -> None:
    placed = Draft(ids(1, 2), np.ones(2, np.float32), np.array(places))
    with pytest.raises(InputError, match="positions 0 to 5 of this canvas"):
        Canvas.masked(6, "text", ((0, 9),), MASK).with_draft(placed).start(0.9)


@pytest.mark.parametrize("final", [-1, 3])
def test_more_final_ids_than_there_are(final: int) -> None:
    placed = Draft(ids(1, 2), np.ones(2, np.float32), np.array([0.0, 1.0]), final=final)
    with pytest.raises(InputError, match="cannot be final"):
        Canvas.masked(6, "text", ((0, 9),), MASK).with_draft(placed)


# ---- rows instead of embeddings


def with_rows(positions: list[int], values: NDArray[np.float32]) -> Canvas:
    return Canvas(ids(7, 7, MASK, MASK), (Span(2, 4, "text", ((0, 5),)),), MASK, rows=Rows(ids(*positions), values))


def test_rows_lie_at_given_positions() -> None:
    canvas = with_rows([0, 1], np.ones((2, 3), np.float32))
    assert canvas.rows is not None
    assert canvas.rows.positions.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("positions", "values", "message"),
    [
        ([0, 1], np.ones((1, 3)), "2 positions need as many rows"),
        ([0, 1], np.ones(2), "2 positions need as many rows"),
        ([1, 0], np.ones((2, 3)), "increasing positions"),
        ([0, 4], np.ones((2, 3)), "increasing positions"),
        ([1, 2], np.ones((2, 3)), "position 2 has a row and lies in a span"),
        ([0, 1], np.full((2, 3), np.nan), "not finite"),
    ],
)
def test_rows_that_do_not_fit_are_named(positions: list[int], values: NDArray[np.float32], message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_rows(positions, values.astype(np.float32))
