"""Rows of the embedding that stand for a place in a span: models that tell places apart by them, and not by positions alone.

Knows a manifest's places and where spans lie. Knows no engine.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Manifest
from unmask.bundle.task_template import AnswerSpan
from unmask.errors import InputError

NONE = -1
SPEECH = "speech"


def place_rows(manifest: Manifest, prompt: Sequence[int], answer: Sequence[AnswerSpan]) -> NDArray[np.int64] | None:
    """(N,) for each position of prompt and answer, the row of the embedding that is added to its own; NONE for no row.

    Spans of an answer have places, counted over all spans of their modality, and runs of codes in a prompt, each counted from its
    first position; those of a text that is said at a pace belong to its tokens. None for a model without places. Raises
    InputError for more positions than the model has places.
    """
    if not manifest.places:
        return None
    rows = np.full(len(prompt) + sum(piece.size for piece in answer), NONE, np.int64)
    ids = np.array(prompt, np.int64)
    for modality in manifest.places:
        low, high = manifest.vocabulary.ranges[modality]
        codes = (ids >= low) & (ids < high) & (modality != "text")
        edges = np.flatnonzero(np.diff(codes, prepend=False, append=False))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            rows[start:stop] = _span(manifest, modality, 0, int(stop - start))
    at, before = len(prompt), dict.fromkeys(manifest.places, 0)
    for piece in answer:
        if (modality := piece.modality) in manifest.places:
            paced = modality == SPEECH and manifest.spoken
            rows[at : at + piece.size] = (
                said_rows(manifest, ids) if paced else _span(manifest, modality, before[modality], piece.size)
            )
            before[modality] += piece.size
        at += piece.size
    return rows


def said_rows(manifest: Manifest, prompt: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) the row of each code that says a prompt: every token has as many of them, one after the other, as codes say it."""
    counts = np.zeros(manifest.vocabulary.size, np.int64)
    counts[: len(manifest.spoken)] = manifest.spoken
    first = manifest.places[SPEECH][0] + np.cumsum(counts) - counts
    return np.concatenate([np.arange(first[i], first[i] + counts[i]) for i in prompt])


def _span(manifest: Manifest, modality: str, before: int, count: int) -> NDArray[np.int64]:
    start, stop = manifest.places[modality]
    if before + count > stop - start:
        raise InputError(f"{before + count} positions of {modality} are too many; {manifest.name} knows {stop - start} places")
    return np.arange(start + before, start + before + count)
