"""Listed phrases: what is raised where, held against a plain search of the text, and checks that stay exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.listed_phrases import BEGINNING, ListedPhrases
from unmask.decoding.speculative import verify

END, SIZE, TOP = 0, 7, 2
Ids = NDArray[np.int64]
Listed = list[tuple[tuple[int, ...], float]]

TEXT = st.lists(st.integers(1, SIZE - 1), max_size=10)
PHRASES = st.lists(
    st.tuples(st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=4).map(tuple), st.floats(0.125, 6, width=32)), max_size=5
)
SEED = st.integers(0, 500)


def logits_after(text: list[int], seed: int) -> NDArray[np.float32]:
    """(SIZE,) of a model that knows the last three tokens, and ends after twenty."""
    row = np.random.default_rng([seed, *text[-3:]]).normal(0, 2, SIZE).astype(np.float32)
    row[END] = 50 if len(text) >= 20 else row[END] - 2
    return row


def raised_after(text: list[int], listed: Listed) -> NDArray[np.float64]:
    """(SIZE,) nats: every beginning of every phrase is looked for at the end of the text."""
    found = np.zeros(SIZE)
    for ids, weight in listed:
        for read, token in enumerate(ids):
            if read == 0 or (read <= len(text) and tuple(text[-read:]) == ids[:read]):
                found[token] = max(found[token], weight if read else BEGINNING * weight)
    return found


def in_full(rows: NDArray[np.floating]) -> TopKScores:
    best = np.argsort(-rows, axis=1, kind="stable")[:, :TOP]
    total = np.log(np.exp(rows.astype(np.float64)).sum(1)).astype(np.float32)
    return TopKScores(best, np.take_along_axis(rows, best, 1).astype(np.float32), total, np.zeros(len(rows), np.float32))


@given(TEXT, PHRASES, st.integers(0, 10))
def test_what_is_raised_goes_on_with_a_phrase(text: list[int], listed: Listed, known: int) -> None:
    phrases, known = ListedPhrases(listed), min(known, len(text))
    found = phrases.raises(np.array(text, np.int64), known)
    assert found.shape == (len(text) + 1 - known, len(phrases.ids))
    assert phrases.ids.tolist() == sorted({token for ids, _ in listed for token in ids})
    for row, read in zip(found, range(known, len(text) + 1), strict=True):
        np.testing.assert_allclose(row, raised_after(text[:read], listed)[phrases.ids], rtol=1e-6)


@given(SEED, PHRASES, st.integers(1, 4))
def test_raised_scores_are_those_of_raised_logits(seed: int, listed: Listed, count: int) -> None:
    phrases = ListedPhrases(listed)
    rows = np.random.default_rng(seed).normal(0, 3, (count, SIZE)).astype(np.float32)
    raises = np.random.default_rng(seed + 1).choice([0, 1.5, 4], (count, len(phrases.ids))).astype(np.float32)
    full = rows.copy()
    full[:, phrases.ids] += raises
    found, expected = phrases.raised(in_full(rows), rows[:, phrases.ids], raises), in_full(full)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-5)
    np.testing.assert_allclose(found.logsumexp, expected.logsumexp, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(full, found.ids, 1), found.logits, rtol=1e-5)
    assert all(len(set(row)) == TOP for row in found.ids.tolist())


class Raised:
    """A verifier whose scores are raised as a captioner's decoder raises them."""

    def __init__(self, seed: int, listed: Listed) -> None:
        self._seed, self._phrases = seed, ListedPhrases(listed)

    def reset(self) -> None: ...

    def next_token_scores(self, ids: Ids, known: int) -> TopKScores:
        rows = np.array([logits_after(ids[:read].tolist(), self._seed) for read in range(known, len(ids) + 1)])
        return self._phrases.raised(in_full(rows), rows[:, self._phrases.ids], self._phrases.raises(ids, known))


@given(SEED, PHRASES, TEXT, st.integers(0, 10), st.sampled_from([None, 1, 3, 8]))
def test_a_checked_draft_is_the_raised_models_own_text(
    seed: int, listed: Listed, draft: list[int], final: int, ahead: int | None
) -> None:
    """Token by token, with the phrases searched in all of the text before each one, settled tokens included."""
    text, longest = draft[:final], 24
    while len(text) < longest:
        best = int(np.argmax(logits_after(text, seed) + raised_after(text, listed)))
        if best == END:
            break
        text.append(best)
    given_draft = Draft(np.array(draft, np.int64), np.ones(len(draft), np.float32), final=min(final, len(draft)))
    *_, last = verify(given_draft, Raised(seed, listed), END, 99, ahead=ahead, longest=longest)
    assert last.done
    assert last.text.ids.tolist() == text


def test_without_phrases_scores_stay_the_same_object() -> None:
    phrases, scores = ListedPhrases([]), in_full(np.ones((1, SIZE), np.float32))
    assert phrases.raised(scores, np.zeros((1, 0), np.float32), phrases.raises(np.zeros(0, np.int64), 0)) is scores


def test_a_phrase_that_shares_its_beginning_counts_with_the_higher_weight() -> None:
    phrases = ListedPhrases([((3, 4), 2.0), ((3, 5), 6.0), ((3, 4), 1.0)])
    assert phrases.ids.tolist() == [3, 4, 5]
    first, after = phrases.raises(np.array([3]), 0)
    assert first.tolist() == pytest.approx([6 * BEGINNING, 0, 0])
    assert after.tolist() == pytest.approx([6 * BEGINNING, 2, 6])
