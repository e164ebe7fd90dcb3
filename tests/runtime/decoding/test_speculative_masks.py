"""`verify` with mask rows: the model's own text from an empty draft, in as few passes as the proposals are good."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.speculative import VerifyStep, verify

END, SIZE = 0, 9
Ids = NDArray[np.int64]
NOTHING = Draft(np.zeros(0, np.int64), np.zeros(0, np.float32))


class Drafting:
    """Writes `truth` after a right text and noise after a wrong one; each mask row is right with probability `skill`."""

    def __init__(self, truth: list[int], skill: float, seed: int) -> None:
        self.truth, self.skill, self.seed = [*truth, END], skill, seed
        self.calls: list[tuple[int, int]] = []  # causal rows, mask rows

    def reset(self) -> None:
        self.calls.clear()

    def next_token_scores(self, ids: Ids, known: int, masks: int = 0) -> TopKScores:
        self.calls.append((len(ids) + 1 - known, masks))
        rng = np.random.default_rng([self.seed, len(ids), known, *ids])
        rows = []
        for at in range(known, len(ids) + 1 + masks):
            right = ids[:at].tolist() == self.truth[: min(at, len(ids))] if at <= len(ids) else rng.random() < self.skill
            wanted = self.truth[at] if at < len(self.truth) else END
            rows.append(wanted if right else int(rng.integers(SIZE)))
        best = np.stack([np.array(rows), (np.array(rows) + 1) % SIZE], 1)
        logits = np.log(np.array([[0.8, 0.1]], np.float32)).repeat(len(rows), 0)
        return TopKScores(best, logits, np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32))


def run(
    model: Drafting, masks: int, ahead: int | None = None, longest: int | None = 50, draft: Draft = NOTHING
) -> list[VerifyStep]:
    return list(verify(draft, model, END, 200, ahead=ahead, longest=longest, masks=masks))


@given(st.lists(st.integers(1, SIZE - 1), max_size=40), st.floats(0, 1), st.integers(0, 99), st.integers(0, 8), st.integers(1, 9))
def test_the_text_is_the_models_own_whatever_is_proposed(
    truth: list[int], skill: float, seed: int, masks: int, ahead: int
) -> None:
    steps = run(Drafting(truth, skill, seed), masks, ahead)
    assert steps[-1].done
    assert steps[-1].text.ids.tolist() == truth
    assert [step.agreed for step in steps] == sorted(step.agreed for step in steps)
    for step in steps:
        assert step.text.ids[: step.agreed].tolist() == truth[: step.agreed]
    assert len(steps) <= len(truth) + 1  # never more passes than token by token


@pytest.mark.parametrize(("masks", "passes"), [(1, 6), (4, 3), (11, 2)])
def test_right_proposals_settle_all_rows_of_a_pass(masks: int, passes: int) -> None:
    """10 tokens and the end: the first pass settles one and proposes `masks`, each later one settles those and one more."""
    assert len(run(Drafting([*range(1, 9), 1, 2], 1.0, 0), masks)) == passes


def test_no_pass_computes_more_rows_than_it_may() -> None:
    model = Drafting([1, 2, 3, 4, 5, 6, 7, 8] * 3, 0.5, 3)
    run(model, 6, ahead=4)
    first, *later = model.calls
    assert first == (1, 6)
    assert all(causal <= 5 and masks in (0, 6) for causal, masks in later)
    assert any(not masks for _, masks in later)  # while proposals are left over, none are added


def test_a_text_in_a_loop_ends_at_the_longest() -> None:
    steps = run(Drafting([1] * 300, 1.0, 0), 8, longest=20)
    assert steps[-1].done
    assert steps[-1].text.ids.tolist() == [1] * 20


def test_final_tokens_stay_and_are_continued() -> None:
    draft = Draft(np.array([1, 2, 3]), np.full(3, 0.9, np.float32), final=3)
    steps = run(Drafting([1, 2, 3, 4, 5], 1.0, 0), 4, draft=draft)
    assert steps[-1].text.ids.tolist() == [1, 2, 3, 4, 5]
    assert len(steps) == 2
