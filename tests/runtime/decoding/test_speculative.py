"""`verify` ends with the causal model's own text, whatever the draft, and every pass settles more of it."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.speculative import VerifyStep, verify

END, SIZE = 0, 6
Ids = NDArray[np.int64]
Model = Callable[[tuple[int, ...]], list[float]]  # a text so far -> probabilities of what comes next


class Causal:
    """Serves a model as a verifier and checks that callers follow the protocol."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.last: Ids | None = None
        self.rows: list[int] = []

    def reset(self) -> None:
        self.last = None

    def next_token_scores(self, ids: Ids, known: int) -> TopKScores:
        assert known <= len(ids)
        if known:
            assert self.last is not None
            np.testing.assert_array_equal(ids[: known - 1], self.last[: known - 1])  # read before, unchanged
        self.last = ids.copy()
        found = [self.model(tuple(ids[:i].tolist())) for i in range(known, len(ids) + 1)]
        probabilities = np.array(found, dtype=np.float64)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
        logits = np.log(np.take_along_axis(probabilities, order, 1) + 1e-30).astype(np.float32)
        self.rows.append(len(found))
        return TopKScores(order, logits, np.zeros(len(found), np.float32), np.zeros(len(found), np.float32))


def arbitrary(seed: int) -> Model:
    """A model that may predict any token after any other, but ends texts of 12 tokens."""

    def expected(text: tuple[int, ...]) -> list[float]:
        rng = np.random.default_rng([seed, len(text), *text])
        row = rng.dirichlet(np.full(SIZE, 0.3))
        return [1.0, *([0.0] * (SIZE - 1))] if len(text) >= 12 else row.tolist()

    return expected


def reader(truth: list[int]) -> Model:
    """A model that hears `truth`: after a wrong token it continues with the token of `truth` at that index."""

    def expected(text: tuple[int, ...]) -> list[float]:
        row = [0.1 / SIZE] * SIZE
        row[truth[len(text)] if len(text) < len(truth) else END] += 0.9
        return row

    return expected


def greedy(model: Model, most: int = 60) -> list[int]:
    text: list[int] = []
    while len(text) < most:
        best = int(np.argmax(model(tuple(text))))
        if best == END:
            break
        text.append(best)
    return text


def tokens(ids: list[int]) -> Draft:
    return Draft(np.array(ids, dtype=np.int64), np.ones(len(ids), np.float32))


def checks(ids: list[int], model: Model, passes: int = 200, accept: float = 1.0, ahead: int | None = None) -> list[VerifyStep]:
    return list(verify(tokens(ids), Causal(model), END, passes, accept, ahead=ahead))


TEXT = st.lists(st.integers(1, SIZE - 1), max_size=14)
AHEAD = st.sampled_from([None, 1, 2, 5, 8, 100])


@given(TEXT, st.integers(0, 10_000), AHEAD)
def test_it_ends_on_the_greedy_text_whatever_the_draft(draft: list[int], seed: int, ahead: int | None) -> None:
    model = arbitrary(seed)
    found = checks(draft, model, ahead=ahead)
    assert found[-1].done
    assert found[-1].text.ids.tolist() == greedy(model)
    assert found[-1].agreed == len(found[-1].text.ids)


@given(TEXT, st.integers(0, 10_000), st.sampled_from([1.0, 0.5, 0.0]), AHEAD)
def test_each_pass_settles_more_and_nothing_settled_changes(
    draft: list[int], seed: int, accept: float, ahead: int | None
) -> None:
    agreed, settled = 0, np.zeros(0, np.int64)
    for number, check in enumerate(checks(draft, arbitrary(seed), accept=accept, ahead=ahead), 1):
        assert check.number == number
        assert check.done or check.agreed > agreed
        np.testing.assert_array_equal(check.text.ids[: len(settled)], settled)
        agreed, settled = check.agreed, check.text.ids[: check.agreed]
        assert len(check.text.ids) == len(check.text.confidence) >= agreed
        assert ((check.text.confidence >= 0) & (check.text.confidence <= 1 + 1e-6)).all()


@given(TEXT)
def test_a_right_draft_takes_one_pass(draft: list[int]) -> None:
    (only,) = checks(draft, reader(draft))
    assert only.done
    assert only.text.ids.tolist() == draft


@given(st.lists(st.integers(1, SIZE - 1), min_size=3, max_size=14, unique=False), st.data())
def test_wrong_tokens_of_like_length_take_two_passes(truth: list[int], data: st.DataObject) -> None:
    """Corrections after the first are guesses, but a model that an error does not confuse makes them all in one pass."""
    at = data.draw(st.integers(0, len(truth) - 1))
    draft = [*truth]
    draft[at] = truth[at] % (SIZE - 1) + 1
    ahead = truth[at + 1] if at + 1 < len(truth) else None
    if ahead == truth[at]:  # looks like a token too many
        return
    found = checks(draft, reader(truth))
    assert found[-1].text.ids.tolist() == truth
    assert len(found) == 2


def test_a_token_too_many_is_dropped_and_a_lost_one_comes_in() -> None:
    truth = [1, 2, 3, 4, 5]

    def hears(text: tuple[int, ...]) -> list[float]:
        """Continues after the longest prefix of the truth that the text contains in order."""
        place = 0
        for token in text:
            place += place < len(truth) and token == truth[place]
        row = [0.01] * SIZE
        row[truth[place] if place < len(truth) else END] = 0.95
        return row

    many = checks([1, 2, 2, 3, 4, 5], hears)
    assert (many[-1].text.ids.tolist(), len(many)) == (truth, 2)
    lost = checks([1, 2, 4, 5], hears)
    assert (lost[-1].text.ids.tolist(), len(lost)) == (truth, 2)


def test_settled_rows_are_not_computed_again() -> None:
    causal = Causal(reader([1, 2, 3, 4, 5]))
    list(verify(tokens([1, 2, 3, 1, 5]), causal, END, 9))
    assert causal.rows == [6, 2]


def test_a_pass_reads_no_further_than_asked() -> None:
    """With three tokens of lookahead each pass settles four of a correct draft, and changes nothing after them."""
    truth = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]
    causal = Causal(reader(truth))
    found = list(verify(tokens(truth), causal, END, 9, ahead=3))
    assert [check.agreed for check in found] == [4, 8, 10]
    assert causal.rows == [4, 4, 3]
    assert all(check.text.ids.tolist() == truth for check in found)
    assert found[0].text.confidence[3:5].tolist() == [pytest.approx(0.9, abs=0.02), 1.0]  # judged, and the draft's own


def test_an_error_further_ahead_is_mended_when_it_is_read() -> None:
    truth, draft = [1, 2, 3, 4, 5, 1, 2, 3], [1, 2, 3, 4, 5, 1, 5, 3]
    found = checks(draft, reader(truth), ahead=3)
    assert found[0].text.ids.tolist() == draft
    assert found[-1].text.ids.tolist() == truth


def test_a_model_that_never_ends_is_cut() -> None:
    draft = [1, 2]
    for ahead in (None, 1, 8):
        found = checks(draft, lambda text: [0.0, 0.9, 0.1, 0.0, 0.0, 0.0], ahead=ahead)
        assert found[-1].done
        assert len(found[-1].text.ids) == found[-1].agreed == 2 * len(draft) + 16


def test_guesses_never_outgrow_the_bound() -> None:
    """A model that wants each token twice doubles the draft with every pass."""
    draft = [1, 2, 3, 4] * 2
    for ahead in (None, 5):
        for check in checks(
            draft, lambda text: [0.0, 0.9, 0.1, 0, 0, 0] if len(text) % 3 else [0, 0.1, 0.9, 0, 0, 0], ahead=ahead
        ):
            assert check.agreed <= len(check.text.ids) <= 2 * len(draft) + 16


def test_a_draft_that_runs_on_is_cut_at_the_end() -> None:
    (only,) = checks([1, 2, 3, 3, 3], reader([1, 2, 3]))
    assert only.text.ids.tolist() == [1, 2, 3]


@pytest.mark.parametrize(("accept", "kept"), [(1.0, 1), (0.81, 1), (0.79, 2), (0.0, 2)])
def test_a_near_second_choice_may_stay(accept: float, kept: int) -> None:
    def model(text: tuple[int, ...]) -> list[float]:
        return [1.0, 0, 0, 0, 0, 0] if text else [0.1, 0.5, 0.4, 0, 0, 0]

    last = checks([2], model, accept=accept)[-1]
    assert last.text.ids.tolist() == [kept]
    assert last.text.confidence[0] == pytest.approx(0.5 if kept == 1 else 0.4)


def test_passes_are_bounded() -> None:
    found = checks([], reader([1, 2, 3]), passes=2)
    assert [check.agreed for check in found] == [1, 2]
    assert not found[-1].done
    assert checks([1], reader([1]), passes=0) == []
