"""One sequence being filled: spans, allowed ids, and the draft it may start from.

Knows ids and positions. Knows no model, no schedule and no text.
"""

from dataclasses import dataclass

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
    """Once it is committed with all before it, the masks behind it are filled with it; text ends at the first one."""


@dataclass(frozen=True)
class Draft:
    """What the caller already believes of every position."""

    ids: NDArray[np.int64]  # (N,)
    confidence: NDArray[np.float32]  # (N,) in [0, 1]; 0 = nothing is known


@dataclass(frozen=True)
class Canvas:
    """ids (N,) int64: given tokens, and `mask_id` wherever a span is to be filled."""

    ids: NDArray[np.int64]
    spans: tuple[Span, ...]
    mask_id: int

    def __post_init__(self) -> None:
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
        stray = (self.ids == self.mask_id) & (covered == 0)
        if stray.any():
            raise InputError(f"position {int(stray.argmax())} is masked but belongs to no span, so nothing may fill it")
        if (self.ids < 0).any():
            raise InputError(f"position {int((self.ids < 0).argmax())} holds the negative id {int(self.ids.min())}")

    @staticmethod
    def masked(count: int, modality: str, allowed: tuple[IdRange, ...], mask_id: int, end_id: int | None = None) -> "Canvas":
        """One span over `count` positions, all masked."""
        return Canvas(np.full(count, mask_id, dtype=np.int64), (Span(0, count, modality, allowed, end_id),), mask_id)

    def with_draft(self, draft: Draft, keep: float) -> "Canvas":
        """Positions of the spans whose draft confidence reaches `keep` start filled; the others start masked.

        Raises InputError when the draft has another length or holds an id that its span does not allow.
        """
        if len(draft.ids) != len(self.ids) or len(draft.confidence) != len(self.ids):
            raise InputError(f"a draft of {len(draft.ids)} positions does not fit a canvas of {len(self.ids)}")
        ids = self.ids.copy()
        for span in self.spans:
            at = np.arange(span.start, span.stop)
            kept = at[draft.confidence[at] >= keep]
            wrong = kept[~allowed_mask(draft.ids[kept], span.allowed)]
            if wrong.size:
                at_fault = int(wrong[0])
                raise InputError(f"the draft's id {draft.ids[at_fault]} at {at_fault} is not allowed in a {span.modality} span")
            ids[at] = self.mask_id
            ids[kept] = draft.ids[kept]
        return Canvas(ids, self.spans, self.mask_id)


def allowed_mask(ids: NDArray[np.int64], allowed: tuple[IdRange, ...]) -> NDArray[np.bool_]:
    """True where an id lies in one of the half-open ranges."""
    inside: NDArray[np.bool_] = np.logical_or.reduce([(ids >= low) & (ids < high) for low, high in allowed])
    return inside
