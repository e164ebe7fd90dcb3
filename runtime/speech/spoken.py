"""Whether a text was spoken: a causal decoder writes words over hiss, noise and music too, a draft of slots hardly any.

The draft of a segment is read from the sound alone, slot by slot, the decoder's text mostly from the words before. So a text was
spoken if enough was drafted for it, and the more so if the two have tokens in common.
Knows drafts and passes. Knows no sound, no model and no words.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.draft import Draft
from unmask.decoding.speculative import VerifyStep

SUPPORT = 0.8  # that each token of a text needs: docs/log.md has what speech and noise reach
COMMON = 4.0  # support of a drafted token that the text has too; of one that it lacks: 1
CERTAIN = 8  # tokens in common, at least half of the text so far, that leave no doubt
NEAR_S = 0.3  # a token that was drafted this long before the last final one may be heard after it


def drafted_after(heard: Draft, given: Draft, slot: float, near: float) -> NDArray[np.int64]:
    """Ids that were drafted from the sound after the final tokens of a text.

    heard: the segment's own draft. given: the text that the decoder goes on from. slot: of the draft, in its unit of places; no
    token is heard within the first slot of a segment. near: NEAR_S in the same unit.
    """
    assert heard.places is not None
    after = slot
    if given.final:
        assert given.places is not None
        after = max(after, float(given.places[given.final - 1]) - near)
    return heard.ids[heard.places >= after]


def most_tokens(drafted: NDArray[np.int64]) -> int:
    """Number of tokens of the longest text that these tokens support."""
    return int(COMMON * len(drafted) / SUPPORT)


def spoken(passes: Iterator[VerifyStep], drafted: NDArray[np.int64], final: int) -> Iterator[VerifyStep]:
    """The same passes over a text that is settled only once it is known to be spoken: no settled token is taken back.

    That is known early where the text mostly agrees with the draft, and else after the last pass, from the support of the whole
    text; a text without it ends after its first `final` tokens.
    """
    common, read, known = Common(drafted), final, False
    waiting: VerifyStep | None = None
    for check in passes:
        if waiting is not None:
            yield _held_back(waiting, final)
        common.add(check.text.ids[read : check.agreed])
        read, count = check.agreed, check.agreed - final
        known = known or common.count >= max(CERTAIN, count / 2)
        waiting = None if known else check
        if known:
            yield check
    if waiting is not None:
        enough = len(drafted) + (COMMON - 1) * common.count >= SUPPORT * (read - final)
        yield waiting if enough else replace(_held_back(waiting, final), text=waiting.text[:final])


def _held_back(check: VerifyStep, final: int) -> VerifyStep:
    return replace(check, agreed=final)


class Common:
    """The longest common subsequence of some ids and of others that come one after the other."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        self._ids, self._row = ids, np.zeros(len(ids) + 1, np.int64)

    def add(self, more: NDArray[np.int64]) -> None:
        for token in more.tolist():
            with_token = self._row[:-1] + (self._ids == token)
            self._row[1:] = np.maximum.accumulate(np.maximum(self._row[1:], with_token))

    @property
    def count(self) -> int:
        """Its length so far."""
        return int(self._row[-1])
