"""Word errors of recordings, counted after Whisper's English normalizer, and intervals of their rates.

Knows texts and counts. Knows no model and no clock.
"""

import jiwer
import numpy as np
from numpy.typing import NDArray

from unmask.training.score import NORMAL

RESAMPLES = 10_000
Counts = NDArray[np.int64]


def word_errors(reference: str, text: str) -> tuple[int, int]:
    """Errors of a text, and words of its reference."""
    counts = jiwer.process_words(NORMAL(reference), NORMAL(text))
    return counts.substitutions + counts.deletions + counts.insertions, counts.hits + counts.substitutions + counts.deletions


def interval(errors: Counts, words: Counts, resamples: int = RESAMPLES) -> tuple[float, float, float]:
    """Word error rate and its 95 % percentile bootstrap interval over utterances, all in %."""
    picks = _picks(len(errors), resamples)
    low, high = np.percentile(errors[picks].sum(1) / words[picks].sum(1), [2.5, 97.5])
    return 100 * errors.sum() / words.sum(), 100 * float(low), 100 * float(high)


def points_apart(errors: Counts, other: Counts, words: Counts, resamples: int = RESAMPLES) -> tuple[float, float, float]:
    """Points of word errors that `other` has more on the same utterances, and their 95 % paired bootstrap interval."""
    picks, more = _picks(len(errors), resamples), other - errors
    low, high = np.percentile(more[picks].sum(1) / words[picks].sum(1), [2.5, 97.5])
    return 100 * more.sum() / words.sum(), 100 * float(low), 100 * float(high)


def _picks(utterances: int, resamples: int) -> Counts:
    return np.random.default_rng(0).integers(utterances, size=(resamples, utterances))
