"""When live text becomes stable: agreement of successive hypotheses, confidence, and distance from the end of the audio.

Pure functions of hypotheses. Knows no model, no audio and no clock.
Counting how many successive hypotheses agree is LocalAgreement (Liu et al. 2020, arXiv 2005.11185; Machacek et al. 2023,
arXiv 2307.14743).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from unmask.errors import InputError
from unmask.speech.words import Word


@dataclass(frozen=True)
class StabilityPolicy:
    """A word becomes stable when all words before it are stable, another word follows it, and it meets these three conditions."""

    agreements: int = 2
    """Number of successive hypotheses that agree on it and on all words before it."""
    edge_s: float = 0.35
    """Seconds between its end and the newest audio: a word that is cut off there may change when more audio comes."""
    confidence: float = 0.45
    """Minimum probability of each of its tokens."""

    @staticmethod
    def of(stability: float) -> "StabilityPolicy":
        """The policy for one dial from 0 (fast) to 1 (calm). Raises InputError outside that range."""
        if not 0 <= stability <= 1:
            raise InputError(f"stability is {stability}; it must be between 0 (fast) and 1 (calm)")
        return StabilityPolicy(1 + round(2 * stability), round(0.2 + 0.3 * stability, 3), round(0.3 + 0.3 * stability, 3))


def agreements(before: Sequence[str], counts: Sequence[int], now: Sequence[str]) -> list[int]:
    """For each word of `now`, the number of successive hypotheses that agree on it and all words before it; 1 for a new word.

    before, counts: the words of the previous hypothesis, and what this function returned for it.
    """
    out, same = [], True
    for i, word in enumerate(now):
        same = same and i < len(before) and before[i] == word
        out.append(counts[i] + 1 if same else 1)
    return out


def stable_words(words: Sequence[Word], counts: Sequence[int], settled: int, edge_s: float, policy: StabilityPolicy) -> int:
    """Number of words from the start that are stable now, at least `settled`.

    counts: (len(words),) from `agreements`. settled: number of words that were stable before. edge_s: end of the newest audio, in
    seconds on the same clock as the words' times.
    """
    count = settled
    for i in range(settled, len(words) - 1):
        sure = counts[i] >= policy.agreements and words[i].confidence >= policy.confidence
        if not sure or words[i].end_s > edge_s - policy.edge_s:
            break
        count = i + 1
    return count
