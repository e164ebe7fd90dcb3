"""One sequence being filled: ids, spans with the ids each allows, the draft it starts from, and rows that replace embeddings.

Knows ids and positions. Knows no model, no schedule and no text.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unmask.errors import InputError

IdRange = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """Positions [start, stop) of the canvas that are to be filled with ids of one modality."""

    start: int
    stop: int
    modality: str
    allowed: tuple[IdRange, ...]
    """Half-open id ranges that may be committed here."""
    end_id: int | None = None
    """When this id and everything before it in the span is committed, the remaining masks are filled with it: the text ends
    there."""


@dataclass(frozen=True)
class Draft:
    """What the caller believes before anything is computed. Arrays of one length, read-only by convention.

    Live captions, edits and inpainting all start from one: the ids that are trusted start filled, a verifier may correct the
    others, and the first `final` ids never change.
    """

    ids: NDArray[np.int64]  # (M,)
    confidence: NDArray[np.float32]  # (M,) in [0, 1]; 0: nothing is known
    places: NDArray[np.float64] | None = None
    """(M,) where the ids lie on the canvas, never falling. None: id i lies at position i, and M is the canvas's length."""
    final: int = 0
    """The first `final` ids are settled, whatever their confidence."""
    trusted_until: float = math.inf
    """Ids at this place and after it are decoded anew, unless they are final."""
    earliest: float = 0.0
    """Where ids that are not final begin at the earliest: nothing is said between the final ones and here."""


@dataclass(frozen=True)
class Rows:
    """Vectors at given positions that stand in for embeddings: output of a speech encoder, features of a picture."""

    positions: NDArray[np.int64]  # (R,) rising
    values: NDArray[np.float32]  # (R, d)


@dataclass(frozen=True)
class Canvas:
    """ids (N,) int64: given tokens, and `mask_id` wherever a span is to be filled. Checked when made; raises InputError."""

    ids: NDArray[np.int64]
    spans: tuple[Span, ...]
    mask_id: int
    draft: Draft | None = None
    """Where a fill starts from, in the spans."""
    rows: Rows | None = None
    """Replace the embeddings of given positions; the ids there are not looked at."""

    def __post_init__(self) -> None:
        covered = self._check_spans()
        stray = (self.ids == self.mask_id) & (covered == 0)
        if stray.any():
            raise InputError(f"position {int(stray.argmax())} is masked but belongs to no span, so nothing may fill it")
        if (self.ids < 0).any():
            raise InputError(f"position {int((self.ids < 0).argmax())} holds the negative id {int(self.ids.min())}")
        if self.rows is not None:
            self._check_rows(self.rows, covered)
        if self.draft is not None:
            self._check_draft(self.draft)

    def _check_spans(self) -> NDArray[np.int64]:
        """(N,): the number of spans that each position belongs to."""
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

    def _check_rows(self, rows: Rows, covered: NDArray[np.int64]) -> None:
        at, values = rows.positions, rows.values
        if values.ndim != 2 or len(values) != len(at):
            raise InputError(f"{len(at)} positions need as many rows; these have the shape {values.shape}")
        if len(at) and not (at.min() >= 0 and at.max() < len(self.ids) and (np.diff(at) > 0).all()):
            raise InputError(f"rows stand at rising positions of a canvas of {len(self.ids)}; these go from {at[0]} to {at[-1]}")
        if covered[at].any():
            raise InputError(f"position {int(at[covered[at].argmax()])} has a row and is to be filled too; a row is given")
        if not np.isfinite(values).all():
            raise InputError("a row holds values that are not finite numbers")

    def _check_draft(self, draft: Draft) -> None:
        count = len(draft.ids)
        if draft.places is None and count != len(self.ids):
            raise InputError(f"a draft of {count} positions does not fit a canvas of {len(self.ids)}")
        if len(draft.confidence) != count or (draft.places is not None and len(draft.places) != count):
            raise InputError(f"a draft of {count} ids has {len(draft.confidence)} confidences; each id needs one, and one place")
        if not 0 <= draft.final <= count:
            raise InputError(f"{draft.final} ids of a draft of {count} cannot be final")

    @staticmethod
    def masked(count: int, modality: str, allowed: tuple[IdRange, ...], mask_id: int, end_id: int | None = None) -> "Canvas":
        """One span over `count` positions, all masked."""
        return Canvas(np.full(count, mask_id, dtype=np.int64), (Span(0, count, modality, allowed, end_id),), mask_id)

    def with_draft(self, draft: Draft) -> "Canvas":
        """The same canvas, to be filled from a draft."""
        return replace(self, draft=draft)

    def start(self, min_confidence: float) -> NDArray[np.int64]:
        """(N,) ids that a fill starts from: the draft's where it is trusted, masks elsewhere in the spans.

        Of a draft, ids that reach `min_confidence` before `trusted_until` start filled, and final ones in any case. Raises
        InputError for one that its span does not allow, and for places between positions.
        """
        draft = self.draft
        if draft is None:
            return self.ids.copy()
        places = np.arange(len(draft.ids)) if draft.places is None else draft.places
        at = places.astype(np.int64)
        if (at != places).any() or (len(at) and not (at.min() >= 0 and at.max() < len(self.ids))):
            raise InputError(f"a draft's ids lie at positions 0 to {len(self.ids) - 1} of this canvas")
        trusted = (draft.confidence >= min_confidence) & (places < draft.trusted_until)
        trusted[: draft.final] = True
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
    """True where an id lies in one of the half-open ranges."""
    inside: NDArray[np.bool_] = np.logical_or.reduce([(ids >= low) & (ids < high) for low, high in allowed])
    return inside
