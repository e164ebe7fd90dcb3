"""Check a finished draft with a causal model: one pass scores the tokens at once, agreement is kept, the rest is corrected.

Speculative decoding (Leviathan et al. 2023, arXiv 2211.17192) with the canvas as the draft: the passes end on a text that
the causal model would have written itself, one token a pass. Against the original, a disagreement does not throw the rest of the
draft away: it is corrected where that can be told, and checked by the next pass.
Knows tokens and the `Verifier` protocol. Knows no engine, no audio, no text, and not where tokens stand (`token_times`).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.canvas import Draft
from unmask.decoding.denoiser import TopKScores

SURE = 0.5  # what a guess behind the first disagreement must reach


@dataclass(frozen=True)
class TokenSequence:
    """What a pass leaves. Arrays of one length, read-only by convention; `token_times` tells where its tokens stand."""

    ids: NDArray[np.int64]
    confidence: NDArray[np.float32]  # the model's probability of each token; the draft's own where no pass has read yet

    def __getitem__(self, part: slice) -> "TokenSequence":
        return TokenSequence(self.ids[part], self.confidence[part])

    def __add__(self, other: "TokenSequence") -> "TokenSequence":
        return TokenSequence(np.concatenate([self.ids, other.ids]), np.concatenate([self.confidence, other.confidence]))


class Verifier(Protocol):
    """One recording's view of a causal model. It keeps keys and values of what it has read; `reset` forgets them."""

    def reset(self) -> None: ...

    def next_token_scores(self, ids: NDArray[np.int64], known: int) -> TopKScores:
        """What comes behind each of ids[known - 1:], and behind the prompt when known is 0: rows known ... N of N + 1.

        The first `known - 1` ids are those of the last call; the one behind them may have been corrected since.
        """
        ...


@dataclass(frozen=True)
class VerifyStep:
    """One pass over a draft and what it changed."""

    number: int  # from 1
    agreed: int  # tokens from the start that are settled
    text: TokenSequence
    done: bool  # the whole text is agreed
    rows: int
    seconds: float


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
    """Yield a VerifyStep after each pass, at most `passes` of them, until the whole text is agreed.

    accept: the draft's token stands where it is the model's second choice with at least this share of the first's probability;
    at 1 the text that all agree on is the model's own greedy text, whatever the draft and whatever `ahead`. ahead: a pass reads
    only so many tokens behind what is settled; None: all. settled: so many tokens from the start stand whatever
    the model says; the rest is what it writes behind them.
    A text that grows past twice its draft and 16 tokens more is a loop; it ends there, or at `longest` tokens, which is all that
    the verifier can read. Close the generator to cancel.
    """
    verifier.reset()
    text, agreed = TokenSequence(draft.ids, draft.confidence), min(draft.final, len(draft.ids))
    loop = 2 * len(draft.ids) + 16
    longest = loop if longest is None else min(loop, longest)
    skipped = -1  # the token that the last correction put away
    for number in range(1, passes + 1):
        start = clock()
        read = len(text.ids) if ahead is None else min(len(text.ids), agreed + ahead)
        numbers = verifier.next_token_scores(
            text.ids[:read], agreed if number > 1 else 0
        )  # the first pass has to read what is settled too
        choice = _choose(_last(numbers, read - agreed + 1), text.ids[agreed:], accept)
        rest, more, done, skipped = _correct(text[agreed:], choice, end_id, skipped)
        text = (text[:agreed] + rest)[:longest]  # guesses may grow faster than they settle
        agreed = min(agreed + more, longest)
        done = done or agreed >= longest
        yield VerifyStep(number, agreed, text, done, len(numbers.ids), clock() - start)
        if done:
            return


def _last(numbers: TopKScores, rows: int) -> TopKScores:
    """The last so many rows."""
    return TopKScores(*(getattr(numbers, field.name)[-rows:] for field in fields(numbers)))


def _choose(numbers: TopKScores, ids: NDArray[np.int64], accept: float) -> TokenSequence:
    """What should stand at each row, and its probability. The last row's may lie behind the end of `ids`."""
    probability = np.exp(numbers.logits - numbers.logsumexp[:, None])
    choice, best = numbers.ids[:, 0].copy(), probability[:, 0].copy()
    judged = min(len(ids), len(choice))
    near = np.flatnonzero((numbers.ids[:judged, 1] == ids[:judged]) & (probability[:judged, 1] >= accept * best[:judged]))
    choice[near], best[near] = ids[near], probability[near, 1]
    return TokenSequence(choice, best)


def _correct(rest: TokenSequence, choice: TokenSequence, end_id: int, skipped: int) -> tuple[TokenSequence, int, bool, int]:
    """The text behind what is settled, corrected; how much of it is settled now, whether it is done, what was put away.

    choice: for as many tokens of `rest` as were judged, and for the end when all were. What stands before the first
    disagreement was judged on the right grounds, and so was the token that is put there; corrections behind it are guesses.
    """
    judged = min(len(rest.ids), len(choice.ids))
    differs = np.flatnonzero(choice.ids[:judged] != rest.ids[:judged])
    first = int(differs[0]) if len(differs) else judged
    agreed = TokenSequence(rest.ids[:first], choice.confidence[:first])
    if first == len(choice.ids):  # all that was judged; more of the draft is left
        return agreed + rest[first:], first, False, -1
    if choice.ids[first] == end_id:  # the draft ends here, or runs on behind the end
        return agreed, first, True, -1
    more, put_away = _edit(rest, choice, first, end_id, skipped)
    return agreed + more, first + 1, False, put_away


def _edit(rest: TokenSequence, choice: TokenSequence, first: int, end_id: int, skipped: int) -> tuple[TokenSequence, int]:
    """The text from the first disagreement on, and the token that was put away there.

    Behind an error the model is led astray until it agrees with the draft again, so only a disagreement that follows an agreement
    is acted on. Three kinds of errors are told apart: it wants the next token of the draft already (one too many), it wants
    the same token once more one row later (one was lost), or it goes on with the draft (one was wrong).
    """
    ids, wanted_ids, sure = rest.ids.tolist(), choice.ids.tolist(), choice.confidence.tolist()
    out: list[tuple[int, float]] = []
    put_away, trusted, i = -1, True, first
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
            put_away, trusted = own if i == first else put_away, False
        i += 1
    if first == len(ids):
        out.append((wanted_ids[first], sure[first]))
    edited = TokenSequence(np.array([token for token, _ in out], np.int64), np.array([share for _, share in out], np.float32))
    return edited + rest[i:], put_away
