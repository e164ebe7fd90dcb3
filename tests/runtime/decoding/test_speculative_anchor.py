"""Where `verify` goes on in a draft: what each kind of error costs, and ties that places break."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding.alignment import APART, EDIT, anchor, costs_of_nothing, with_token
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.speculative import VerifyStep, verify

END, SIZE = 0, 40
Ids = NDArray[np.int64]
Model = Callable[[tuple[int, ...]], int]  # a text so far -> the token that it wants next, nearly surely


class Sure:
    """Serves a model as a verifier. places: of the text's tokens, if it knows them."""

    def __init__(self, model: Model, places: list[float] | None = None) -> None:
        self.model, self.longest_read = model, 0
        if places is not None:
            self.places = np.array(places)

    def reset(self) -> None:
        pass

    def next_token_scores(self, ids: Ids, known: int) -> TopKScores:
        self.longest_read = max(self.longest_read, len(ids))
        wanted = np.array([self.model(tuple(ids[:i].tolist())) for i in range(known, len(ids) + 1)])
        logits = np.log(np.array([[0.9, 0.05]], np.float32)).repeat(len(wanted), 0)
        return TopKScores(np.stack((wanted, (wanted + 1) % SIZE), 1), logits, np.zeros(len(wanted)), np.zeros(len(wanted)))


def arbitrary(seed: int, longest: int = 12) -> Model:
    """Any of four tokens after any text, so that drafts are right by chance now and then; the end after `longest`."""

    @cache
    def wanted(text: tuple[int, ...]) -> int:
        return END if len(text) >= longest else int(np.random.default_rng([seed, *text]).integers(0, 5))

    return wanted


def listener(truth: list[int]) -> Model:
    """Goes on after the longest beginning of the truth that the text contains in order."""

    def wanted(text: tuple[int, ...]) -> int:
        at = 0
        for token in text:
            at += at < len(truth) and token == truth[at]
        return [*truth, END][at]

    return wanted


def successor(truth: list[int]) -> Model:
    """Goes on after the text's last token, wherever the truth has it; after an unknown one from the text's length."""

    def wanted(text: tuple[int, ...]) -> int:
        return [*truth, END][min(len(truth), truth.index(text[-1]) + 1 if text and text[-1] in truth else len(text))]

    return wanted


def greedy(model: Model, text: list[int]) -> list[int]:
    while (token := model(tuple(text))) != END:
        text = [*text, token]
    return text


def run(
    ids: list[int],
    model: Model | Sure,
    ahead: int | None = None,
    places: list[float] | None = None,
    final: int = 0,
    longest: int | None = None,
) -> list[VerifyStep]:
    draft = Draft(np.array(ids, np.int64), np.ones(len(ids), np.float32), None if places is None else np.array(places), final)
    return list(verify(draft, model if isinstance(model, Sure) else Sure(model), END, 99, ahead=ahead, longest=longest))


def drafted(truth: list[int], errors: list[str], gap: int) -> list[int]:
    """The truth with one error after each `gap` tokens."""
    out: list[int] = []
    for at, token in enumerate(truth):
        error = errors[at // gap] if at % gap == gap - 1 and at // gap < len(errors) else ""
        out += {"": [token], "wrong": [SIZE - 1], "missing": [], "extra": [SIZE - 1, token]}[error]
    return out


IDS = st.lists(st.integers(0, 4), max_size=16)
ERROR = st.sampled_from(["missing", "extra"])


@given(IDS, st.integers(0, 9999), st.sampled_from([None, 0, 1, 3, 8]))
def test_the_text_is_greedy_in_no_more_passes_than_token_by_token(ids: list[int], seed: int, ahead: int | None) -> None:
    """Whatever the draft holds, an end among its tokens too."""
    model = arbitrary(seed)
    text = greedy(model, [])
    found = run(ids, model, ahead, longest=99)
    assert found[-1].done
    assert found[-1].text.ids.tolist() == text
    assert len(found) <= len(text) + 1
    settled = [0, *(check.agreed for check in found)]
    assert all(later > before for before, later in pairwise(settled[:-1]))


@given(IDS, st.integers(0, 9), st.integers(0, 9999), st.sampled_from([None, 2]))
def test_final_tokens_never_change(ids: list[int], final: int, seed: int, ahead: int | None) -> None:
    """The model may have written others: the text goes on from them."""
    model, given = arbitrary(seed), ids[:final]
    found = run(ids, model, ahead, final=len(given), longest=99)
    assert found[-1].text.ids.tolist() == greedy(model, given)
    assert all(check.text.ids[: len(given)].tolist() == given for check in found)


@pytest.mark.parametrize("final", [0, 1, 10, 24])
@pytest.mark.parametrize("ahead", [None, 30])
def test_a_right_draft_takes_one_pass_whatever_is_final(final: int, ahead: int | None) -> None:
    truth = list(range(1, 25))
    (only,) = run(truth, listener(truth), ahead, final=final)
    assert only.text.ids.tolist() == truth
    assert only.rows == 25


@given(st.lists(ERROR, max_size=5), st.integers(4, 6))
def test_each_error_costs_one_pass_at_most(errors: list[str], gap: int) -> None:
    truth = list(range(1, 31))
    found = run(drafted(truth, errors, gap), listener(truth))
    assert found[-1].text.ids.tolist() == truth
    assert len(found) <= 1 + len(errors)
    assert (len(found) > 1) == bool(errors)


@given(st.integers(1, 5), st.integers(4, 6))
def test_wrong_tokens_are_mended_together(errors: int, gap: int) -> None:
    """A model that goes on after each error, at the next token, corrects all that one pass reads."""
    truth = list(range(1, 31))
    found = run(drafted(truth, ["wrong"] * errors, gap), successor(truth))
    assert (found[-1].text.ids.tolist(), len(found)) == (truth, 2)
    assert found[0].text.ids.tolist() == truth  # before it is settled


def test_places_tell_that_a_token_is_missing() -> None:
    """After 1 2 the verifier wants 3, where the draft has 4: is that wrong, or does it follow?"""
    truth, draft = list(range(1, 9)), [1, 2, 4, 5, 6, 7, 8]
    heard = [10.0 * token for token in truth] + [90.0]
    later, same = [10.0 * token for token in draft], [10.0 * (at + 1) - 2 for at in range(len(draft))]
    placed = run(draft, Sure(successor(truth), heard), places=later)
    unplaced = run(draft, successor(truth))
    unlike = run(draft, Sure(successor(truth), heard), places=same)
    assert [len(found) for found in (placed, unplaced, unlike)] == [2, 3, 3]
    assert all(found[-1].text.ids.tolist() == truth for found in (placed, unplaced, unlike))
    assert run(draft, Sure(successor(truth), heard))[0].text.ids.tolist() == unplaced[0].text.ids.tolist()


def test_ties() -> None:
    costs, places = EDIT * np.array([3, 2, 2, 1, 1, 1, 2]), np.array([0.0, 1, 2, 30, 40, 50])
    assert [anchor(costs, expected) for expected in (0, 3, 4, 5, 99)] == [3, 3, 4, 5, 5]
    assert [anchor(costs, 0, places, place - APART) for place in (0, 30, 30.1, 40, 40.1, 50, 99)] == [3, 3, 4, 4, 5, 5, 5]
    assert anchor(costs, 4, places) == anchor(costs, 4, None, 1.0) == 4
    assert anchor(costs_of_nothing(0), 5, np.zeros(0), 3.0) == 0


@given(IDS, IDS)
def test_costs_are_edits_less_matches(text: list[int], ids: list[int]) -> None:
    """Against the textbook's recurrence, for each beginning of the draft."""
    costs = costs_of_nothing(len(ids))
    for token in text:
        costs = with_token(costs, token, np.array(ids, np.int64))

    @cache
    def cost(i: int, j: int) -> int:
        if not i or not j:
            return EDIT * (i + j)
        return min(cost(i - 1, j) + EDIT, cost(i, j - 1) + EDIT, cost(i - 1, j - 1) + (-1 if text[i - 1] == ids[j - 1] else EDIT))

    assert costs.tolist() == [cost(len(text), j) for j in range(len(ids) + 1)]


@pytest.mark.parametrize("ids", [[], [1], [2, 3, 1, 1]])
def test_a_text_may_be_as_long_as_asked_whatever_the_draft(ids: list[int]) -> None:
    endless = Sure(lambda text: 1)
    found = run(ids, endless, longest=40)
    assert (found[-1].done, found[-1].text.ids.tolist()) == (True, [1] * 40)
    assert endless.longest_read < 40
    assert run(ids, lambda text: 1)[-1].agreed == 2 * len(ids) + 16


def test_final_tokens_that_leave_no_room_are_whole() -> None:
    (only,) = run([1, 2, 3, 4], lambda text: 1, final=3, longest=2)
    assert (only.done, only.agreed, only.text.ids.tolist()) == (True, 3, [1, 2, 3])
