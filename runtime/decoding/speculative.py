"""Verify a complete draft with a causal model: each pass scores all its tokens at once, keeps what agrees, and corrects the rest.

Speculative decoding (Leviathan et al. 2023, arXiv 2211.17192) with a guess at the whole text as the draft. The result is the
text that the causal model would have written by itself, one token per pass. Unlike the original, a disagreement does not discard
the rest of the draft: the settled text is aligned with it, and the next pass goes on from there.
Knows tokens and the `Verifier` protocol. Knows no engine, no audio and no text.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.alignment import anchor, costs_of_nothing, with_token
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft

SURE = 0.5  # probability that a correction of the draft needs
ROOM = 16  # tokens by which a text may exceed twice its draft


@dataclass(frozen=True)
class TokenSequence:
    """The text after a pass. Arrays of one length, read-only by convention; `token_times` computes the places of the tokens."""

    ids: NDArray[np.int64]  # (M,)
    confidence: NDArray[np.float32]  # (M,) the model's probability of each token; the draft's own where no pass has read yet

    def __getitem__(self, part: slice) -> "TokenSequence":
        return TokenSequence(self.ids[part], self.confidence[part])

    def __add__(self, other: "TokenSequence") -> "TokenSequence":
        return TokenSequence(np.concatenate([self.ids, other.ids]), np.concatenate([self.confidence, other.confidence]))


class Verifier(Protocol):
    """A causal model applied to one recording. It keeps the keys and values of the tokens that it has read.

    It may have `places`, (R,) floats: where the token after each row that it has read is heard, the text's first token first, in
    the unit of the draft's places.
    """

    def reset(self) -> None:
        """Forget all keys and values."""
        ...

    def next_token_scores(self, ids: NDArray[np.int64], known: int) -> TopKScores:
        """Return the scores of the next token after each of ids[known - 1:], or after the prompt and each id when known is 0.

        ids: (N,) the text so far. The first `known - 1` of them are the same as in the last call; later ones may have changed.
        Returns N + 1 - known rows: row i has the scores of the token at index known + i.
        """
        ...


@dataclass(frozen=True)
class VerifyStep:
    """One pass of the verifier over a draft."""

    number: int  # from 1
    agreed: int  # number of tokens from the start that are settled
    text: TokenSequence  # the settled tokens, and what is left of the draft after them
    done: bool  # the whole text is settled
    rows: int  # number of rows computed by this pass
    seconds: float  # duration of the pass


def verify(
    draft: Draft,
    verifier: Verifier,
    end_id: int,
    passes: int,
    accept: float = 1.0,
    *,
    ahead: int | None = None,
    longest: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[VerifyStep]:
    """Yield a VerifyStep after each pass, at most `passes` of them, until the whole text is settled. Close it to cancel.

    Each pass settles at least one token, or ends the text. end_id: id that the verifier predicts after a complete text. accept:
    keep a draft token that is the verifier's second choice if its probability is at least this fraction of the first's; at 1 the
    settled text is the verifier's own greedy text, whatever the draft and `ahead`. ahead: number of the draft's tokens that a
    pass reads; None: all. longest: number of tokens of the longest text, and of the longest that the verifier can read; None:
    twice the draft plus 16, since a longer text is a loop. clock: returns seconds; only
    differences matter.
    """
    verifier.reset()
    text = _Text(draft, end_id, longest)
    for number in range(1, passes + 1):
        start, settled = clock(), len(text.settled.ids)
        rows = 1 + min(len(text.ids) - text.at, text.room, len(text.ids) if ahead is None else ahead)
        proposed = text.ids[text.at :][: rows - 1]
        # The first pass has to read the prompt and the final tokens too.
        scores = verifier.next_token_scores(np.concatenate((text.settled.ids, proposed)), settled if number > 1 else 0)
        done = text.settle(_choose(scores, text.ids[text.at :][:rows], rows, accept), getattr(verifier, "places", None))
        yield VerifyStep(number, len(text.settled.ids), text.whole(), done, len(scores.ids), clock() - start)
        if done:
            return


def _choose(scores: TopKScores, ids: NDArray[np.int64], rows: int, accept: float) -> TokenSequence:
    """The verifier's token for each of the last `rows` rows, and its probability. ids: the draft's there, as far as it goes."""
    found, logits, judged = scores.ids[-rows:], scores.logits[-rows:], len(ids)
    probability = np.exp(logits - scores.logsumexp[-rows:, None])
    choice, best = found[:, 0].astype(np.int64), probability[:, 0].copy()
    near = np.flatnonzero((found[:judged, 1] == ids) & (probability[:judged, 1] >= accept * best[:judged]))
    choice[near], best[near] = ids[near], probability[near, 1]
    return TokenSequence(choice, best)


class _Text:
    """A text while it is settled: its settled tokens, the draft, and how many of the draft's tokens (`at`) they cover."""

    def __init__(self, draft: Draft, end_id: int, longest: int | None) -> None:
        self.settled = TokenSequence(draft.ids, draft.confidence)[: draft.final]
        self.ids, self._confidence, self._places = draft.ids.copy(), draft.confidence.copy(), draft.places
        self._end_id, loop = end_id, 2 * max(len(draft.ids), len(self.settled.ids)) + ROOM
        self._longest = loop if longest is None else longest
        self._costs, self.at = costs_of_nothing(len(draft.ids)), 0
        self._move(self.settled.ids, len(self.settled.ids), None)

    @property
    def room(self) -> int:
        """Number of tokens by which the settled text may grow."""
        return max(0, self._longest - len(self.settled.ids))

    def whole(self) -> TokenSequence:
        """The settled tokens and what is left of the draft, as far as there is room."""
        return self.settled + TokenSequence(self.ids, self._confidence)[self.at :][: self.room]

    def settle(self, choice: TokenSequence, places: NDArray[np.float32] | None) -> bool:
        """Take in a pass. Returns whether the text is complete.

        choice: the verifier's tokens in place of the draft's next ones that it read, and after them. Those before the first
        disagreement follow a right text, and so does the one at it: all of them are settled. places: the verifier's, if any.
        """
        proposed = self.ids[self.at :][: len(choice.ids) - 1]
        wrong = np.flatnonzero((choice.ids[:-1] != proposed) | (proposed == self._end_id))
        agreed = int(wrong[0]) if len(wrong) else len(proposed)
        ended = bool(choice.ids[agreed] == self._end_id)
        more = choice[: agreed + (not ended)][: self.room]
        self.settled += more
        if ended or not self.room:
            self.at = len(self.ids)
            return True
        self._mend(choice, agreed)
        # A verifier that wants the same token again after another was read in its place misses it: the draft's is not wrong.
        missing = bool((choice.ids[agreed + 1 : agreed + 2] == choice.ids[agreed]).any())
        self._move(more.ids, len(more.ids) - missing, None if places is None else float(places[len(self.settled.ids) - 1]))
        return False

    def _mend(self, choice: TokenSequence, agreed: int) -> None:
        """Correct the draft where a pass read it beyond the first disagreement.

        After an error the verifier's choices are unreliable until it agrees with the draft again, so only one that follows an
        agreement counts. The draft's next token is no correction: the one before it is too many, which a later pass finds.
        """
        part = slice(self.at, self.at + len(choice.ids) - 1)
        wanted, sure, same = choice.ids[:-1], choice.confidence[:-1], choice.ids[:-1] == self.ids[part]
        following = np.append(self.ids[part.start + 1 : part.stop + 1], -1)[: len(same)]
        wrong = ~same & np.append(False, same)[:-1] & (wanted != self._end_id) & (sure >= SURE) & (wanted != following)
        wrong[: agreed + 1] = False
        self.ids[part][wrong] = wanted[wrong]
        self._confidence[part][wrong | same] = sure[wrong | same]

    def _move(self, more: NDArray[np.int64], covered: int, place: float | None) -> None:
        """Go on to where the text stands in the draft.

        more: new settled tokens. covered: how many of the draft's they cover if the least cost leaves it open. place: the last's.
        """
        for token in more.tolist():
            self._costs = with_token(self._costs, token, self.ids)
        self.at = anchor(self._costs, self.at + covered, self._places, place)
