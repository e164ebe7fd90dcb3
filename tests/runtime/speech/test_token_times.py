"""Places of a corrected text: examples by hand, and properties that hold for any draft and text."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.speech.timeline.token_times import align_times, aligned

TEXT = st.lists(st.integers(1, 5), max_size=12)
END = 30.0


def ids(*tokens: int) -> NDArray[np.int64]:
    return np.array(tokens, dtype=np.int64)


def place(draft: dict[float, int], text: list[int], letters: dict[int, int] | None = None, end: float = END) -> list[float]:
    """draft: place -> token. Tokens have one letter by default."""
    old, new = ids(*draft.values()), ids(*text)
    sizes = [np.array([(letters or {}).get(int(token), 1) for token in some], dtype=np.int64) for some in (old, new)]
    found: list[float] = align_times(old, np.array([*draft], dtype=np.float64), new, end, (sizes[0], sizes[1])).tolist()
    return found


def test_a_token_takes_the_place_of_what_it_replaces() -> None:
    assert place({2: 1, 7: 2, 9: 3}, [1, 4, 3]) == [2, 7, 9]


def test_a_token_that_came_in_stands_between_its_neighbors_by_their_letters() -> None:
    assert place({2: 1, 8: 3}, [1, 2, 3]) == [2, 5, 8]
    assert place({2: 1, 8: 3}, [1, 2, 3], letters={1: 2, 2: 4}) == [2, 4, 8]
    assert place({2: 1, 11: 3}, [1, 2, 2, 3]) == [2, 5, 8, 11]


def test_a_dropped_token_leaves_the_others() -> None:
    assert place({2: 1, 5: 2, 9: 3}, [1, 3]) == [2, 9]


def test_tokens_for_others_share_their_time_by_letters() -> None:
    """Two words of four letters each, first heard as three and five: the second begins a fifth into the time of the five."""
    assert place({2: 1, 4: 2, 8: 3, 12: 4}, [1, 5, 6, 4], letters={2: 3, 3: 5, 5: 4, 6: 4}) == [2, 4, pytest.approx(8.8), 12]


def test_one_token_for_two_begins_with_the_first() -> None:
    assert place({2: 1, 4: 2, 8: 3, 12: 4}, [1, 5, 4]) == [2, 4, 12]


def test_tokens_at_the_edges_share_the_time_to_them() -> None:
    assert place({6: 2, 8: 3}, [1, 1, 2, 3]) == [0, 3, 6, 8]
    assert place({6: 2, 8: 3}, [2, 3, 1], end=14) == [6, 8, 11]
    assert place({6: 2, 8: 3}, [2, 3, 1], end=3) == [6, 8, 8.5]  # the last slot of the draft counts


def test_an_empty_draft_shares_the_whole_window() -> None:
    assert place({}, [1, 2, 3], end=9) == [0, 3, 6]
    assert place({4: 1}, []) == []
    assert place({}, []) == []


def test_a_token_without_letters_has_a_place() -> None:
    assert place({2: 1, 8: 3}, [1, 2, 3], letters={1: 0, 2: 0, 3: 0}) == [2, 5, 8]


def distance(old: list[int], new: list[int]) -> int:
    """Wagner and Fischer's table, computed row by row."""
    row = list(range(len(new) + 1))
    for i, a in enumerate(old, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(new, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@given(TEXT, TEXT)
def test_the_pairs_lie_on_a_path_of_least_edits(old: list[int], new: list[int]) -> None:
    pairs = aligned(ids(*old), ids(*new))
    assert all(old[i] == new[j] for i, j in pairs)
    ends = [(-1, -1), *pairs, (len(old), len(new))]
    gaps = [(k - i - 1, m - j - 1) for (i, j), (k, m) in pairwise(ends)]
    assert min(min(gap) for gap in gaps) >= 0  # in order in both
    assert sum(max(gap) for gap in gaps) == distance(old, new)


@st.composite
def drafts(draw: st.DrawFn) -> tuple[list[int], list[float]]:
    tokens = draw(TEXT)
    return tokens, sorted(draw(st.floats(0, END - 1, width=32)) for _ in tokens)


@given(drafts(), TEXT, st.lists(st.integers(0, 9), min_size=6, max_size=6))
def test_places_never_fall_and_lie_in_the_window(draft: tuple[list[int], list[float]], text: list[int], sizes: list[int]) -> None:
    old, new = ids(*draft[0]), ids(*text)
    letters = np.array(sizes, dtype=np.int64)
    found = align_times(old, np.array(draft[1]), new, END, (letters[old], letters[new]))
    assert found.shape == new.shape
    assert found.dtype == np.float64
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= END)).all()


@given(drafts(), TEXT, TEXT)
def test_equal_text_keeps_its_places_exactly(draft: tuple[list[int], list[float]], other: list[int], tail: list[int]) -> None:
    tokens, places = draft
    ones = [np.ones(len(some), np.int64) for some in (tokens, [*tokens, *tail])]
    found = align_times(ids(*tokens), np.array(places), ids(*tokens, *tail), END, (ones[0], ones[1]))
    assert found[: len(tokens)].tolist() == places
    new = np.ones(len(other), np.int64)
    mixed = align_times(ids(*tokens), np.array(places), ids(*other), END, (ones[0], new))
    for i, j in aligned(ids(*tokens), ids(*other)):
        assert mixed[j] == places[i]
