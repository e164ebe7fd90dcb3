"""Texts that were spoken and texts that were not: no settled token is taken back, and what was drafted decides."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.decoding.denoiser import TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.speculative import VerifyStep, verify
from unmask.speech.spoken import CERTAIN, COMMON, SUPPORT, Common, drafted_after, most_tokens, spoken

END = 0
IDS = st.lists(st.integers(1, 6), max_size=8)


class Writer:
    """A causal model that writes one text whatever it hears, and then goes round in it or ends."""

    def __init__(self, text: list[int], ends: bool) -> None:
        self.text = np.array([*text, END] if ends else (text or [1]) * 200, np.int64)

    def reset(self) -> None: ...

    def next_token_scores(self, ids: NDArray[np.int64], known: int) -> TopKScores:
        right = np.append(self.text, END)
        rows = []
        for count in range(known, len(ids) + 1):
            same = np.array_equal(ids[:count], right[:count])
            rows.append([right[min(count, len(right) - 1)] if same else END, 7])
        scores = np.zeros((len(rows), 2), np.float32)
        return TopKScores(np.array(rows), scores, np.full(len(rows), np.log(2), np.float32), np.zeros(len(rows), np.float32))


def draft(ids: list[int], final: int = 0) -> Draft:
    return Draft(np.array(ids, np.int64), np.full(len(ids), 0.5, np.float32), 3.0 + 3 * np.arange(len(ids)), final)


def passes(text: list[int], drafted: list[int], ends: bool, final: int = 0) -> Iterator[VerifyStep]:
    heard = np.array(drafted[final:], np.int64)
    longest = final + most_tokens(heard) + 1
    return spoken(verify(draft(drafted, final), Writer(text, ends), END, 256, longest=longest), heard, final)


@given(text=IDS, drafted=IDS, ends=st.booleans())
def test_settled_tokens_stay_and_the_last_pass_ends_the_text(text: list[int], drafted: list[int], ends: bool) -> None:
    steps = list(passes(text, drafted, ends))
    assert [step.done for step in steps] == [False] * (len(steps) - 1) + [True]
    for before, after in pairwise(steps):
        assert after.text.ids[: before.agreed].tolist() == before.text.ids[: before.agreed].tolist()
        assert before.agreed <= after.agreed
    assert steps[-1].agreed == len(steps[-1].text.ids)


def in_common(one: list[int], other: list[int]) -> int:
    """Length of the longest common subsequence, by trying all."""
    subsequences = (part for size in range(len(one), 0, -1) for part in combinations(one, size))
    return next((len(part) for part in subsequences if is_within(part, other)), 0)


def is_within(part: tuple[int, ...], whole: list[int]) -> bool:
    rest = iter(whole)
    return all(token in rest for token in part)


@given(one=IDS, other=IDS)
def test_the_longest_common_subsequence(one: list[int], other: list[int]) -> None:
    common = Common(np.array(one, np.int64))
    for stop in range(len(other)):
        common.add(np.array(other[stop : stop + 1]))
        assert common.count == in_common(one, other[: stop + 1])


@given(text=IDS, drafted=IDS)
def test_a_text_that_ends_is_whole_or_was_not_spoken(text: list[int], drafted: list[int]) -> None:
    *_, last = passes(text, drafted, ends=True)
    assert last.text.ids.tolist() in (text, [])
    common = in_common(text, drafted)
    if len(drafted) - common + COMMON * common >= SUPPORT * len(text) and len(text) <= most_tokens(np.array(drafted)):
        assert last.text.ids.tolist() == text
    elif common < CERTAIN:
        assert last.text.ids.tolist() == []


def test_words_over_noise_are_dropped_whether_they_end_or_not() -> None:
    loop = [1, 2, 3, 4, 5]
    for drafted in ([], [6], [6, 6], [1, 6]):
        *_, last = passes(loop, drafted, ends=False)
        assert (last.agreed, last.done, last.text.ids.tolist()) == (0, True, [])
    *_, last = passes(loop + loop, [6, 6], ends=True)
    assert last.text.ids.tolist() == []


def test_short_words_that_were_drafted_otherwise_stay() -> None:
    *_, last = passes([1, 2], [6, 5], ends=True)
    assert last.text.ids.tolist() == [1, 2]


def test_a_loop_after_spoken_words_ends() -> None:
    words = [*range(1, CERTAIN + 1)]
    *_, last = passes(words, words, ends=False)
    assert last.text.ids.tolist() == (words * 9)[: most_tokens(np.array(words)) + 1]


def test_a_text_that_agrees_with_its_draft_is_settled_pass_by_pass() -> None:
    agreed = list(range(1, CERTAIN + 1))
    first, *_ = passes([*agreed, 11, 12, 13], [*agreed, 14, 12, 13], ends=True)
    assert (first.agreed, first.done) == (CERTAIN + 1, False)
    fewer = agreed[1:]
    first, *_, last = passes([*fewer, 11, 12, 13], [*fewer, 14, 12, 13], ends=True)
    assert (first.agreed, first.done) == (0, False)
    assert last.text.ids.tolist() == [*fewer, 11, 12, 13]


def test_what_follows_final_tokens_needs_a_draft_of_its_own() -> None:
    *_, last = passes([1, 2, 3, 4, 5, 4, 5], [1, 2, 3], ends=True, final=3)
    assert last.text.ids.tolist() == [1, 2, 3]
    *_, last = passes([1, 2, 3, 4, 5, 4, 5], [1, 2, 3, 4, 5], ends=True, final=3)
    assert last.text.ids.tolist() == [1, 2, 3, 4, 5, 4, 5]


@pytest.mark.parametrize(("final", "expected"), [(0, [2, 3, 4]), (1, [2, 3, 4]), (3, [3, 4]), (4, [4])])
def test_drafted_tokens_count_from_the_last_final_one(final: int, expected: list[int]) -> None:
    heard = Draft(np.arange(1, 5), np.ones(4, np.float32), np.array([0.5, 20.0, 40.0, 60.0]))
    given_text = Draft(np.arange(1, 5), np.ones(4, np.float32), np.array([1.0, 21.0, 41.0, 61.0]), final)
    assert drafted_after(heard, given_text, slot=3, near=5).tolist() == expected
