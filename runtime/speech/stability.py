"""When live text becomes stable: how often it was read alike, how sure the model is, how far it is from the edge of the audio.

Pure functions of hypotheses. Knows no model, no audio and no clock.
Counting agreement of successive hypotheses is LocalAgreement (Liu et al. 2020, arXiv 2005.11185; Machacek et al. 2023,
arXiv 2307.14743).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from unmask.errors import InputError
from unmask.speech.words import Word


@dataclass(frozen=True)
class StabilityPolicy:
    """A word becomes stable when all before it are, another word follows it, and it passes these three."""

    agreements: int = 2
    """Successive hypotheses that read it, and all before it, alike."""
    edge_s: float = 0.5
    """How far its end must lie behind the newest audio: what was cut there may read otherwise with what comes next."""
    confidence: float = 0.3
    """Least probability of its tokens."""

    @staticmethod
    def of(stability: float) -> "StabilityPolicy":
        """The dial from 0, fast, to 1, calm. Raises InputError outside."""
        if not 0 <= stability <= 1:
            raise InputError(f"stability is {stability}; it goes from 0, fast, to 1, calm")
        return StabilityPolicy(1 + round(2 * stability), round(0.2 + 0.6 * stability, 3), round(0.6 * stability, 3))


def agreements(before: Sequence[str], counts: Sequence[int], now: Sequence[str]) -> list[int]:
    """How many successive hypotheses have read each word of `now`, and all words before it, as it does; 1 for what is new.

    before, counts: the last hypothesis and what this function said of it.
    """
    out, same = [], True
    for i, word in enumerate(now):
        same = same and i < len(before) and before[i] == word
        out.append(counts[i] + 1 if same else 1)
    return out


def stable_words(words: Sequence[Word], counts: Sequence[int], settled: int, edge_s: float, policy: StabilityPolicy) -> int:
    """How many words from the start are stable now; never fewer than `settled`.

    counts: (len(words),) from `agreements`; edge_s: where the newest audio ends, on the words' clock.
    """
    count = settled
    for i in range(settled, len(words) - 1):
        sure = counts[i] >= policy.agreements and words[i].confidence >= policy.confidence
        if not sure or words[i].end_s > edge_s - policy.edge_s:
            break
        count = i + 1
    return count
