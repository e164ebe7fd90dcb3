"""`verify` on damaged transcripts, with a model that errors confuse and a verifier that remembers what it has read."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.speculative import TokenSequence, VerifyStep, verify

END, SIZE = 0, 9
Ids = NDArray[np.int64]
Rows = Callable[[tuple[int, ...]], NDArray[np.float64]]  # a text so far -> (SIZE,) probabilities of what comes next


class Remembering:
    """Answers from what it has read, as with keys and values: it never looks again at tokens that the caller says it knows."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._read: list[int] = [-1]  # from another recording: only `reset` makes it usable
        self.calls: list[tuple[int, int]] = []  # tokens given, known of them

    def reset(self) -> None:
        self._read = []

    def next_token_scores(self, ids: Ids, known: int) -> TopKScores:
        assert 0 <= known <= len(ids)
        assert self._read[: max(0, known - 1)] == ids[: max(0, known - 1)].tolist()
        if self.calls and known:
            assert known > self.calls[-1][1]
        self.calls.append((len(ids), known))
        self._read = [*self._read[: max(0, known - 1)], *ids[max(0, known - 1) :].tolist()]
        found = np.array([self._rows(tuple(self._read[:i])) for i in range(known, len(ids) + 1)])
        best = np.argsort(-found, axis=1, kind="stable")[:, :2]
        logits = np.log(np.take_along_axis(found, best, 1)).astype(np.float32)
        return TopKScores(best, logits, np.log(found.sum(1)).astype(np.float32), np.zeros(len(found), np.float32))


def hears(truth: tuple[int, ...], seed: int) -> Rows:
    """Confident of the right next token after a correct prefix. After an error it recovers at the next agreement, or babbles."""

    def rows(text: tuple[int, ...]) -> NDArray[np.float64]:
        rng = np.random.default_rng([seed, len(text), *text])
        row = rng.dirichlet(np.full(SIZE, 0.2)) + 1e-6
        if text == truth[: len(text)]:
            row[truth[len(text)] if len(text) < len(truth) else END] += 5
        elif text[-1] in truth and rng.random() < 0.7:
            at = truth.index(text[-1]) + 1
            row[truth[at] if at < len(truth) else END] += 5
        return row * 3  # logits need not be normalized

    return cache(rows)


def endless(seed: int) -> Rows:
    @cache
    def after(last: tuple[int, ...]) -> NDArray[np.float64]:
        row = np.random.default_rng([seed, *last]).dirichlet(np.full(SIZE, 0.3)) + 1e-6
        row[END] = 1e-9
        return row

    return lambda text: after(text[-2:])


def tokens(ids: list[int], final: int = 0) -> Draft:
    return Draft(np.array(ids, np.int64), np.full(len(ids), 0.5, np.float32), final=final)


def damaged(truth: tuple[int, ...], edits: list[tuple[str, int, int]]) -> list[int]:
    out = list(truth)
    for kind, at, token in edits:
        place = at % (len(out) + 1)
        if kind == "added":
            out.insert(place, token)
        elif place < len(out):
            out[place : place + 1] = [token] if kind == "changed" else []
    return out


def run(draft: list[int], rows: Rows, passes: int = 99, accept: float = 1.0, ahead: int | None = None) -> list[VerifyStep]:
    return list(verify(tokens(draft), Remembering(rows), END, passes, accept, ahead=ahead))


TRUTH = st.lists(st.integers(1, SIZE - 1), max_size=16).map(tuple)
EDITS = st.lists(
    st.tuples(st.sampled_from(["lost", "added", "changed"]), st.integers(0, 20), st.integers(1, SIZE - 1)), max_size=5
)
SEED = st.integers(0, 1000)
AHEAD = st.sampled_from([None, 1, 2, 4, 8])


@given(TRUTH, EDITS, SEED, AHEAD)
def test_every_damage_is_repaired(
    truth: tuple[int, ...], edits: list[tuple[str, int, int]], seed: int, ahead: int | None
) -> None:
    draft = damaged(truth, edits)
    last = run(draft, hears(truth, seed), ahead=ahead)[-1]
    assert last.done
    assert tuple(last.text.ids.tolist()) == truth
    assert last.agreed == len(truth)
    assert (last.text.confidence > 0.5).all()  # the model's, not the draft's


@given(TRUTH, EDITS, SEED, st.sampled_from([1.0, 0.3]), AHEAD)
def test_passes_settle_more_and_keep_what_is_settled(
    truth: tuple[int, ...], edits: list[tuple[str, int, int]], seed: int, accept: float, ahead: int | None
) -> None:
    causal = Remembering(hears(truth, seed))
    agreed, settled = 0, TokenSequence(tokens([]).ids, tokens([]).confidence)
    for check in verify(tokens(damaged(truth, edits)), causal, END, 99, accept, ahead=ahead):
        given_tokens, known = causal.calls[-1]
        assert known == agreed
        assert check.rows == given_tokens - known + 1
        assert ahead is None or given_tokens - known <= ahead
        assert check.done or check.agreed > agreed
        for name in ("ids", "confidence"):
            np.testing.assert_array_equal(getattr(check.text, name)[:agreed], getattr(settled, name)[:agreed])
        agreed, settled = check.agreed, check.text


@given(TRUTH, EDITS, SEED, AHEAD, st.integers(0, 20))
def test_final_tokens_stay_and_the_rest_is_written_after_them(
    truth: tuple[int, ...], edits: list[tuple[str, int, int]], seed: int, ahead: int | None, settled: int
) -> None:
    """Against the model's own text after the same prefix, one token at a time."""
    draft, rows = damaged(truth, edits), hears(truth, seed)
    text = draft[:settled]
    while len(text) < 2 * len(draft) + 16 and (best := int(rows(tuple(text)).argmax())) != END:
        text.append(best)
    *_, last = verify(tokens(draft, settled), Remembering(rows), END, 99, ahead=ahead)
    assert last.text.ids.tolist() == text


@given(TRUTH, SEED)
def test_an_empty_draft_is_written_token_by_token(truth: tuple[int, ...], seed: int) -> None:
    """An empty draft grows to at most 16 tokens."""
    found = run([], hears(truth, seed))
    assert found[-1].text.ids.tolist() == list(truth)[:16]
    assert len(found) <= len(truth) + 1


@given(TRUTH, EDITS, SEED, st.integers(1, 4))
def test_fewer_passes_are_the_same_passes(
    truth: tuple[int, ...], edits: list[tuple[str, int, int]], seed: int, passes: int
) -> None:
    draft = damaged(truth, edits)
    whole, part = run(draft, hears(truth, seed)), run(draft, hears(truth, seed), passes)
    assert len(part) == min(passes, len(whole))
    for ours, theirs in zip(part, whole, strict=False):
        np.testing.assert_array_equal(ours.text.ids, theirs.text.ids)
        assert (ours.agreed, ours.done, ours.rows) == (theirs.agreed, theirs.done, theirs.rows)


@given(st.lists(st.integers(1, SIZE - 1), max_size=12), SEED, AHEAD)
def test_a_loop_is_cut_and_done(draft: list[int], seed: int, ahead: int | None) -> None:
    found = run(draft, endless(seed), ahead=ahead)
    assert found[-1].done
    assert all(not check.done for check in found[:-1])
    assert len(found[-1].text.ids) == found[-1].agreed >= 2 * len(draft) + 16
    assert len(found) <= 2 * len(draft) + 16


@given(TRUTH, st.lists(st.integers(1, SIZE - 1), max_size=30), SEED)
def test_a_runaway_draft_ends_where_the_model_ends(truth: tuple[int, ...], tail: list[int], seed: int) -> None:
    """The end of a correct text is found in the first pass, whatever follows it."""
    (only,) = run([*truth, *tail], hears(truth, seed))
    assert only.done
    assert tuple(only.text.ids.tolist()) == truth


@given(TRUTH, EDITS, SEED)
def test_the_draft_is_left_as_it_was(truth: tuple[int, ...], edits: list[tuple[str, int, int]], seed: int) -> None:
    draft = tokens(damaged(truth, edits))
    before = [array.copy() for array in (draft.ids, draft.confidence)]
    for array in (draft.ids, draft.confidence):
        array.flags.writeable = False
    list(verify(draft, Remembering(hears(truth, seed)), END, 99))
    for after, old in zip((draft.ids, draft.confidence), before, strict=True):
        np.testing.assert_array_equal(after, old)


@given(st.lists(st.integers(1, SIZE - 1), max_size=12), SEED, st.sampled_from([0.9, 0.5, 0.0]))
def test_what_is_settled_is_a_choice_near_enough(draft: list[int], seed: int, accept: float) -> None:
    """Each settled token is the model's first choice, or its second with at least the fraction that was asked for."""
    rows = hears((1, 2, 3, 4, 5), seed)
    last = run(draft, rows, accept=accept)[-1]
    ids = last.text.ids.tolist()
    for i, token in enumerate(ids[: last.agreed]):
        row = rows(tuple(ids[:i]))
        first, second = np.argsort(-row, kind="stable")[:2]
        assert token in (first, second)
        assert row[token] >= accept * row[first] * (1 - 1e-5)
        assert last.text.confidence[i] == pytest.approx(row[token] / row.sum(), rel=1e-4)


def test_seconds_are_those_of_the_clock() -> None:
    ticks = iter(range(100))
    found = verify(tokens([1, 3]), Remembering(hears((1, 2), 0)), END, 9, clock=lambda: float(next(ticks)))
    assert [check.seconds for check in found] == [1.0, 1.0]


def test_closing_cancels() -> None:
    causal = Remembering(hears((1, 2, 3, 4), 0))
    checks = verify(tokens([]), causal, END, 99)
    next(checks)
    checks.close()  # type: ignore[attr-defined]
    assert len(causal.calls) == 1


@given(st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=12), SEED, st.integers(0, 10))
def test_nothing_longer_than_the_verifier_can_read_is_asked(draft: list[int], seed: int, more: int) -> None:
    asked, longest, loop = [], len(draft) + more, endless(seed)

    class Limited(Remembering):
        def next_token_scores(self, ids: NDArray[np.int64], known: int) -> TopKScores:
            asked.append(len(ids))
            return super().next_token_scores(ids, known)

    found = list(verify(tokens(draft), Limited(loop), END, 99, longest=longest))
    assert found[-1].done
    assert max(asked) <= longest
    assert len(found[-1].text.ids) <= longest
