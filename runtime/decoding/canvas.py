"""The canvas: one sequence to fill, with the ids that each span allows, an optional draft, and optional embedding rows.

Knows ids and positions. Knows no model, no schedule and no text.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.draft import Draft
from unmask.decoding.input_rows import Rows
from unmask.errors import InputError

IdRange = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """Positions [start, stop) of the canvas, to be filled with ids of one modality."""

    start: int
    stop: int
    modality: str
    allowed: tuple[IdRange, ...]
    """Half-open id ranges that may be committed here."""
    end_id: int | None = None
    """When this id and everything before it in the span are committed, the remaining masks are filled with it: the text ends
    there."""


@dataclass(frozen=True)
class Canvas:
    """One sequence to fill. Checked on construction; raises InputError for a canvas that contradicts itself."""

    ids: NDArray[np.int64]
    """(N,) given tokens, and `mask_id` at every position to fill."""
    spans: tuple[Span, ...]
    """The stretches to fill. They must not overlap, and every masked position must belong to one."""
    mask_id: int
    draft: Draft | None = None
    """Where the fill starts, in the spans. None: from masks."""
    rows: Rows | None = None
    """Embeddings of given positions; the ids there are ignored."""

    def __post_init__(self) -> None:
        covered = self._check_spans()
        stray = (self.ids == self.mask_id) & (covered == 0)
        if stray.any():
            raise InputError(f"position {int(stray.argmax())} is masked but belongs to no span, so nothing may fill it")
        if (self.ids < 0).any():
            raise InputError(f"position {int((self.ids < 0).argmax())} has the negative id {int(self.ids.min())}")
        if self.rows is not None:
            self.rows.check(covered > 0)
        if self.draft is not None:
            self.draft.check(len(self.ids))

    def _check_spans(self) -> NDArray[np.int64]:
        """Return (N,): the number of spans that each position belongs to."""
        covered = np.zeros(len(self.ids), dtype=np.int64)
        for span in self.spans:
            if not 0 <= span.start <= span.stop <= len(self.ids):
                raise InputError(f"span {span.start}..{span.stop} lies outside a canvas of {len(self.ids)} positions")
            if not span.allowed or any(not 0 <= low < high for low, high in span.allowed):
                raise InputError(f"span {span.start}..{span.stop} ({span.modality}) allows no ids: {span.allowed}")
            if any(low <= self.mask_id < high for low, high in span.allowed):
                raise InputError(
                    f"span {span.start}..{span.stop} allows the mask {self.mask_id} itself, so it might never be filled"
                )
            covered[span.start : span.stop] += 1
        if covered.max(initial=0) > 1:
            raise InputError(f"position {int(covered.argmax())} belongs to more than one span")
        return covered

    @staticmethod
    def masked(count: int, modality: str, allowed: tuple[IdRange, ...], mask_id: int, end_id: int | None = None) -> "Canvas":
        """A canvas with one span over `count` positions, all masked. Raises InputError if `allowed` contains the mask."""
        return Canvas(np.full(count, mask_id, dtype=np.int64), (Span(0, count, modality, allowed, end_id),), mask_id)

    def with_draft(self, draft: Draft) -> "Canvas":
        """The same canvas, filled from a draft."""
        return replace(self, draft=draft)

    def start(self, min_confidence: float) -> NDArray[np.int64]:
        """Return (N,) int64, the ids that a fill starts from: trusted ids of the draft, and masks elsewhere in the spans.

        An id of the draft is trusted if it is final, or if it reaches `min_confidence` and lies before `trusted_until`. Raises
        InputError for an id that its span does not allow, and for a place that is not a position of this canvas.
        """
        draft = self.draft
        if draft is None:
            return self.ids.copy()
        at, trusted = draft.positions(len(self.ids)), draft.trusted(min_confidence)
        ids = self.ids.copy()
        for span in self.spans:
            kept = np.flatnonzero(trusted & (span.start <= at) & (at < span.stop))
            wrong = kept[~allowed_mask(draft.ids[kept], span.allowed)]
            if wrong.size:
                fault = int(wrong[0])
                raise InputError(f"the draft's id {draft.ids[fault]} at {at[fault]} is not allowed in a {span.modality} span")
            ids[span.start : span.stop] = self.mask_id
            ids[at[kept]] = draft.ids[kept]
        return ids


def allowed_mask(ids: NDArray[np.int64], allowed: tuple[IdRange, ...]) -> NDArray[np.bool_]:
    """ids (R,) int64 -> (R,) bool: True where an id lies in one of the half-open ranges."""
    inside: NDArray[np.bool_] = np.logical_or.reduce([(ids >= low) & (ids < high) for low, high in allowed])
    return inside
