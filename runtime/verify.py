"""Check a finished draft with a causal model: one pass scores every token at once, agreement is kept, the rest is corrected.

Speculative decoding (Leviathan et al. 2023, arXiv 2211.17192) with the canvas as the draft: the passes end on a text that
the causal model would have written itself, one token a pass. Against the original, a disagreement does not throw the rest of the
draft away: it is corrected where that can be told, and checked by the next pass.
Knows tokens and the `Verifier` protocol. Knows no engine, no audio and no text.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.sampler import Numbers

SURE = 0.5  # what a guess behind the first disagreement must reach


@dataclass(frozen=True)
class Tokens:
    """A text with the place of each token on its canvas. Arrays of one length, read-only by convention."""

    ids: NDArray[np.int64]
    places: NDArray[np.float64]  # positions on the canvas, never falling; a token that came in stands between its neighbours
    confidence: NDArray[np.float32]  # the probability of each token where it was last looked at


class Verifier(Protocol):
    """One recording's view of a causal model. It keeps keys and values of what it has read; `reset` forgets them."""

    def reset(self) -> None: ...

    def expect(self, ids: NDArray[np.int64], known: int) -> Numbers:
        """What comes behind each of ids[known - 1:], and behind the prompt when known is 0: rows known ... N of N + 1.

        The first `known - 1` ids are those of the last call; the one behind them may have been corrected since.
        """
        ...


@dataclass(frozen=True)
class Check:
    """One pass over a draft and what it changed."""

    number: int  # from 1
    agreed: int  # tokens from the start that are settled
    text: Tokens
    done: bool  # the whole text is agreed
    rows: int
    seconds: float


def verify(
    draft: Tokens,
    verifier: Verifier,
    end_id: int,
    passes: int,
    accept: float = 1.0,
    settled: int = 0,
    longest: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Check]:
    """Yield a Check after each pass, at most `passes` of them, until the whole text is agreed.

    accept: the draft's token stands where it is the model's second choice with at least this share of the first's probability;
    at 1 the text that all agree on is the model's own greedy text. settled: so many tokens from the start stand whatever
    the model says; the rest is what it writes behind them.
    A text that grows past twice its draft and 16 tokens more is a loop; it ends there, or at `longest` tokens, which is all that
    the verifier can read. Close the generator to cancel.
    """
    verifier.reset()
    text, agreed = draft, min(settled, len(draft.ids))
    loop = 2 * len(draft.ids) + 16
    longest = loop if longest is None else min(loop, longest)
    skipped = -1  # the token that the last correction put away
    for number in range(1, passes + 1):
        start = clock()
        numbers = verifier.expect(text.ids, agreed if number > 1 else 0)  # the first pass has to read what is settled too
        rows = len(numbers.ids)
        choice, probability = _choose(_last(numbers, len(text.ids) - agreed + 1), text.ids[agreed:], accept)
        text, agreed, skipped, done = _correct(text, agreed, choice, probability, end_id, skipped)
        if len(text.ids) > longest:  # guesses may grow faster than they settle
            text = Tokens(text.ids[:longest], text.places[:longest], text.confidence[:longest])
        done = done or agreed >= longest
        yield Check(number, agreed, text, done, rows, clock() - start)
        if done:
            return


def _last(numbers: Numbers, rows: int) -> Numbers:
    """The last so many rows."""
    return Numbers(*(getattr(numbers, field.name)[-rows:] for field in fields(numbers)))


def _choose(numbers: Numbers, ids: NDArray[np.int64], accept: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """What should stand behind each row, and its probability."""
    probability = np.exp(numbers.logits - numbers.logsumexp[:, None])
    choice, best = numbers.ids[:, 0].copy(), probability[:, 0].copy()
    near = np.flatnonzero((numbers.ids[:-1, 1] == ids) & (probability[:-1, 1] >= accept * best[:-1]))
    choice[near], best[near] = ids[near], probability[near, 1]
    return choice, best


def _correct(
    text: Tokens, agreed: int, choice: NDArray[np.int64], probability: NDArray[np.float32], end_id: int, skipped: int
) -> tuple[Tokens, int, int, bool]:
    """The text with disagreements behind `agreed` corrected, how much of it is settled, what was put away, whether it is done.

    choice, probability: (M + 1,) for each of the M tokens behind `agreed` and for the end. What stands before the first
    disagreement was judged on the right grounds, and so was the token that is put there; corrections behind it are guesses.
    """
    ids, places = text.ids[agreed:], text.places[agreed:]
    differs = np.flatnonzero(choice[:-1] != ids)
    first = int(differs[0]) if len(differs) else len(ids)
    done = bool(choice[first] == end_id)  # the draft ends here, or runs on behind the end
    edits = [(int(ids[i]), places[i], probability[i]) for i in range(first)]
    put_away = -1
    if not done:
        more, put_away = _edit(text, agreed, choice, probability, first, end_id, skipped)
        edits += more
    columns = list(zip(*edits, strict=True)) or [(), (), ()]
    return (
        Tokens(
            np.concatenate([text.ids[:agreed], np.array(columns[0], dtype=np.int64)]),
            np.concatenate([text.places[:agreed], np.array(columns[1], dtype=np.float64)]),
            np.concatenate([text.confidence[:agreed], np.array(columns[2], dtype=np.float32)]),
        ),
        agreed + first + (not done),
        put_away,
        done,
    )


def _edit(
    text: Tokens,
    agreed: int,
    choice: NDArray[np.int64],
    probability: NDArray[np.float32],
    first: int,
    end_id: int,
    skipped: int,
) -> tuple[list[tuple[int, float, np.float32]], int]:
    """Tokens, places and confidences from the first disagreement on, and the token that was put away there.

    Behind an error the model is led astray until it agrees with the draft again, so only a disagreement that follows an agreement
    is acted on. Three kinds of errors are told apart: it wants the next token of the draft already (one too many), it wants
    the same token once more one row later (one was lost), or it goes on with the draft (one was wrong).
    """
    ids, places = text.ids[agreed:], text.places[agreed:]
    out: list[tuple[int, float, np.float32]] = []
    put_away, trusted, i = -1, True, first
    while i < len(ids):
        wanted, own = int(choice[i]), int(ids[i])
        if wanted == own or (i > first and (not trusted or wanted == end_id or probability[i] < SURE)):
            out.append((own, places[i], probability[i]))
            trusted = wanted == own
        elif i + 1 < len(ids) and wanted == ids[i + 1]:
            out.append((wanted, places[i + 1], probability[i]))
            i, trusted = i + 1, False
        elif wanted == choice[i + 1] or (i == first and wanted == skipped):
            out += [(wanted, _between(text.places, agreed + i), probability[i]), (own, places[i], probability[i])]
            trusted = False
        else:
            out.append((wanted, places[i], probability[i]))
            put_away, trusted = own if i == first else put_away, False
        i += 1
    if first == len(ids):
        out.append((int(choice[first]), _between(text.places, agreed + first), probability[first]))
    return out, put_away


def _between(places: NDArray[np.float64], i: int) -> float:
    """A place for a token that comes in before the i-th."""
    if not len(places):
        return 0.0
    before = places[i - 1] if i else max(0.0, places[0] - 1)
    return float((before + (places[i] if i < len(places) else before + 1)) / 2)
