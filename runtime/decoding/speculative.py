"""Verify a complete draft with a causal model: each pass scores all its tokens at once, keeps what agrees, and corrects the rest.

Speculative decoding (Leviathan et al. 2023, arXiv 2211.17192) with the filled canvas as the draft. The result is the text that
the causal model would have written by itself, one token per pass. Unlike the original, a disagreement does not discard the rest
of the draft: it is corrected where the kind of error is clear, and verified by the next pass.
Knows tokens and the `Verifier` protocol. Knows no engine, no audio, no text, and no places of tokens (see `token_times`).
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft

SURE = 0.5  # probability that a correction after the first disagreement needs


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
    """A causal model applied to one recording. It keeps the keys and values of the tokens that it has read."""

    def reset(self) -> None:
        """Forget all keys and values."""
        ...

    def next_token_scores(self, ids: NDArray[np.int64], known: int, masks: int = 0) -> TopKScores:
        """Return the scores of the next token after each of ids[known - 1:], or after the prompt and each id when known is 0.

        ids: (N,) the text so far. The first `known - 1` of them are the same as in the last call; later ones may have changed.
        masks: mask rows after the text. Returns N + 1 - known + masks rows: row i has the scores of the token at index known + i.
        """
        ...


@dataclass(frozen=True)
class VerifyStep:
    """One pass of the verifier over a draft."""

    number: int  # from 1
    agreed: int  # number of tokens from the start that are settled
    text: TokenSequence  # the corrected text, settled tokens first
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
    masks: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[VerifyStep]:
    """Yield a VerifyStep after each pass, at most `passes` of them, until the whole text is settled. Close it to cancel.

    The first `draft.final` tokens never change, and the verifier continues from them. end_id: id that the verifier predicts after
    a complete text. accept: keep a draft token that is the verifier's second choice if its probability is at least this fraction
    of the first's; at 1 the settled text is the verifier's own greedy text, whatever the draft and `ahead`. ahead: number of
    tokens after the settled text that a pass reads; None: all. longest: number of tokens of the longest text that the verifier
    can read; None: no limit. masks: number of mask rows after a text that is read to its end: each proposes one more token, for
    the next pass to check. The draft may then be empty. None: the draft is of a whole text, which also ends at twice the draft's
    length plus 16 tokens: a loop. clock: returns seconds; only differences matter.
    """
    verifier.reset()
    text, agreed = TokenSequence(draft.ids, draft.confidence), min(draft.final, len(draft.ids))
    loop = 2 * len(draft.ids) + 16 if masks is None else sys.maxsize
    longest = loop if longest is None else min(loop, longest)
    skipped = -1  # the token that the last correction replaced
    for number in range(1, passes + 1):
        start = clock()
        read = len(text.ids) if ahead is None else min(len(text.ids), agreed + ahead)
        # The first pass has to read the prompt and the final tokens too.
        drafting = (masks or 0) if read == len(text.ids) else 0
        scores = verifier.next_token_scores(text.ids[:read], agreed if number > 1 else 0, drafting)
        last = len(scores.ids) - drafting  # mask rows come after the causal ones
        choice = _choose(_rows(scores, slice(last - (read - agreed + 1), last)), text.ids[agreed:], accept)
        rest, more, done, skipped = _correct(text[agreed:], choice, end_id, skipped)
        if not done:
            rest += _proposed(_rows(scores, slice(last, None)), end_id)
        text = (text[:agreed] + rest)[:longest]  # corrections may lengthen the text faster than tokens settle
        agreed = min(agreed + more, longest)
        done = done or agreed >= longest
        yield VerifyStep(number, agreed, text, done, len(scores.ids), clock() - start)
        if done:
            return


def _rows(scores: TopKScores, part: slice) -> TopKScores:
    return TopKScores(*(getattr(scores, field.name)[part] for field in fields(scores)))


def _proposed(scores: TopKScores, end_id: int) -> TokenSequence:
    """The best tokens of mask rows, up to the first that ends the text."""
    ids = scores.ids[:, 0]
    ends = np.flatnonzero(ids == end_id)
    stop = int(ends[0]) if len(ends) else len(ids)
    return TokenSequence(ids[:stop], np.exp(scores.logits[:stop, 0] - scores.logsumexp[:stop]))


def _choose(scores: TopKScores, ids: NDArray[np.int64], accept: float) -> TokenSequence:
    """The verifier's token for each row, and its probability. There may be one more row than `ids`, for the token after them."""
    probability = np.exp(scores.logits - scores.logsumexp[:, None])
    choice, best = scores.ids[:, 0].copy(), probability[:, 0].copy()
    judged = min(len(ids), len(choice))
    near = np.flatnonzero((scores.ids[:judged, 1] == ids[:judged]) & (probability[:judged, 1] >= accept * best[:judged]))
    choice[near], best[near] = ids[near], probability[near, 1]
    return TokenSequence(choice, best)


def _correct(rest: TokenSequence, choice: TokenSequence, end_id: int, skipped: int) -> tuple[TokenSequence, int, bool, int]:
    """Correct the text after the settled tokens.

    rest: the text after them. choice: the verifier's tokens for as much of `rest` as it read, and for the token after that.
    Tokens before the first disagreement were predicted from a correct prefix, and so was the verifier's token at it: all of them
    are settled. Corrections after it are guesses. Returns the corrected remainder, how many of its tokens are now settled,
    whether the text is complete, and the token that was replaced at the first disagreement (-1: none).
    """
    judged = min(len(rest.ids), len(choice.ids))
    differs = np.flatnonzero(choice.ids[:judged] != rest.ids[:judged])
    first = int(differs[0]) if len(differs) else judged
    agreed = TokenSequence(rest.ids[:first], choice.confidence[:first])
    if first == len(choice.ids):  # the verifier agrees with all that it read; more of the draft is left
        return agreed + rest[first:], first, False, -1
    if choice.ids[first] == end_id:  # the text ends here, even if the draft goes on
        return agreed, first, True, -1
    more, replaced = _edit(rest, choice, first, end_id, skipped)
    return agreed + more, first + 1, False, replaced


def _edit(rest: TokenSequence, choice: TokenSequence, first: int, end_id: int, skipped: int) -> tuple[TokenSequence, int]:
    """The text from the first disagreement on, corrected, and the token that was replaced there (-1: none).

    After an error in the draft the verifier's choices are unreliable until it agrees with the draft again, so a later
    disagreement counts only if it follows an agreement. There are three kinds of errors. For the draft A B C D:
    the verifier's choice at B is C, the draft's next token: B is one too many, and the text is A C D.
    The choice at B is X, and again at the next row: X is missing, and the text is A X B C D.
    The choice at B is X, and something else at the next row: B is wrong, and the text is A X C D.
    If the choice at the first row is `skipped`, the token that the last pass replaced, that was a mistake: it is inserted again.
    """
    ids, wanted_ids, sure = rest.ids.tolist(), choice.ids.tolist(), choice.confidence.tolist()
    out: list[tuple[int, float]] = []
    replaced, trusted, i = -1, True, first
    while i < min(len(ids), len(wanted_ids)):
        own, wanted, following = ids[i], wanted_ids[i], wanted_ids[i + 1 : i + 2]
        if wanted == own or (i > first and (not trusted or wanted == end_id or sure[i] < SURE)):
            out.append((own, sure[i]))
            trusted = wanted == own
        elif [wanted] == ids[i + 1 : i + 2]:
            out.append((wanted, sure[i]))
            i, trusted = i + 1, False
        elif [wanted] == following or (i == first and wanted == skipped):
            out += [(wanted, sure[i]), (own, sure[i])]
            trusted = False
        else:
            out.append((wanted, sure[i]))
            replaced, trusted = own if i == first else replaced, False
        i += 1
    if first == len(ids):
        out.append((wanted_ids[first], sure[first]))
    edited = TokenSequence(np.array([token for token, _ in out], np.int64), np.array([share for _, share in out], np.float32))
    return edited + rest[i:], replaced
