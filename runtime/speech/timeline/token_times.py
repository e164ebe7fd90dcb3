"""Places of the tokens of a corrected text on the canvas from which its draft was decoded.

An edit-distance alignment finds the tokens that both texts share; they keep their places. Tokens that replace others share the
time of those in proportion to their letters, and inserted tokens share the time between their neighbors.
Pure functions on NumPy arrays. Knows no model, no vocabulary and no clock.
"""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Places = NDArray[np.float64]  # where tokens begin, in slots; fractional


def align_times(draft: Ids, places: Places, ids: Ids, end: float, letters: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Places:
    """Places for `ids`: (N,) from 0 to `end`, non-decreasing. Tokens that both texts begin with keep their places exactly.

    draft, places: (M,) tokens and places of the draft, from 0, non-decreasing. ids: (N,) tokens of the corrected text. end: place
    where the last token ends, at least the end of the draft's last slot. letters: (M,) and (N,), the number of letters (bytes) of
    each token of the draft and of the corrected text.
    """
    theirs, ours = _offsets(letters[0]), _offsets(letters[1])
    knots: list[tuple[float, float]] = []  # letters of the new text, place
    before = (-1, -1)
    for i, j in [*aligned(draft, ids), (len(draft), len(ids))]:
        first, start = before[0] + 1, before[1] + 1
        if first < i and start < j:
            scale = (ours[j] - ours[start]) / (theirs[i] - theirs[first])
            knots += [(ours[start] + scale * (theirs[k] - theirs[first]), places[k]) for k in range(first, i)]
        if j < len(ids):
            knots.append((ours[j], places[i]))
        before = i, j
    if not knots or knots[0][0] > 0:
        knots.insert(0, (0.0, 0.0))
    knots.append((ours[-1], max(end, places[-1] + 1) if len(places) else end))
    x, place = np.array(knots).T
    starts: Places = np.interp(ours[:-1], x, place)
    return starts


def aligned(old: Ids, new: Ids) -> list[tuple[int, int]]:
    """Pairs (index in `old`, index in `new`) of equal tokens on a shortest edit path. A common prefix is always paired."""
    shorter = min(len(old), len(new))
    unlike = np.flatnonzero(old[:shorter] != new[:shorter])
    head = int(unlike[0]) if len(unlike) else shorter
    i, j = len(old) - head, len(new) - head
    edits = _edits(old[head:], new[head:])
    pairs = []
    while i and j:
        same = old[head + i - 1] == new[head + j - 1]
        if edits[i, j] == edits[i - 1, j - 1] + (not same):
            i, j = i - 1, j - 1
            if same:
                pairs.append((head + i, head + j))
        elif edits[i, j] == edits[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return [(k, k) for k in range(head)] + pairs[::-1]


def _edits(old: Ids, new: Ids) -> NDArray[np.int64]:
    """(len(old) + 1, len(new) + 1): Levenshtein distance between each prefix of one and each prefix of the other."""
    columns = np.arange(len(new) + 1)
    out = np.empty((len(old) + 1, len(new) + 1), dtype=np.int64)
    out[0] = columns
    for i, token in enumerate(old, 1):
        out[i, 0] = i
        out[i, 1:] = np.minimum(out[i - 1, 1:] + 1, out[i - 1, :-1] + (new != token))
        out[i] = np.minimum.accumulate(out[i] - columns) + columns  # insertions: along the row, 1 for each column
    return out


def _offsets(letters: NDArray[np.int64]) -> Places:
    """(N,) -> (N + 1,): number of letters before each token and in total; every token counts as at least one."""
    return np.concatenate([[0.0], np.cumsum(np.maximum(letters, 1, dtype=np.float64))])
