"""The stability policy: which words become stable, and that stable words are never retracted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import InputError
from unmask.speech.stability import StabilityPolicy, agreements, stable_words
from unmask.speech.words import Word

POLICY = StabilityPolicy(agreements=2, edge_s=0.5, confidence=0.3)
TEXTS = st.lists(st.sampled_from("abc"), max_size=6)


def words(text: str, confidence: float = 0.9) -> list[Word]:
    """One word per second."""
    return [Word(word, float(i), i + 0.8, confidence) for i, word in enumerate(text.split())]


def test_a_word_counts_the_hypotheses_that_read_it_and_all_before_it_alike() -> None:
    first = agreements([], [], ["we", "went", "home"])
    assert first == [1, 1, 1]
    second = agreements(["we", "went", "home"], first, ["we", "want", "home", "now"])
    assert second == [2, 1, 1, 1]
    assert agreements(["we", "want", "home", "now"], second, ["we", "want", "home"]) == [3, 2, 2]


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_counts_are_those_of_comparing_all_hypotheses(hypotheses: list[list[str]]) -> None:
    before, counts = list[str](), list[int]()
    for number, now in enumerate(hypotheses):
        counts, before = agreements(before, counts, now), now
        for i in range(len(now)):
            run = 1
            while run <= number and hypotheses[number - run][: i + 1] == now[: i + 1]:
                run += 1
            assert counts[i] == run


def test_agreement_distance_and_confidence_are_each_needed() -> None:
    said = words("we went home now")
    assert stable_words(said, [2, 2, 2, 2], 0, 9.0, POLICY) == 3  # the last word waits for another one after it
    assert stable_words(said, [2, 1, 1, 1], 0, 9.0, POLICY) == 1
    assert stable_words(said, [2, 2, 2, 2], 0, 2.29, POLICY) == 1  # "went" ends at 1.8, less than 0.5 s from the edge
    assert stable_words(said, [2, 2, 2, 2], 0, 2.31, POLICY) == 2
    doubtful = [*words("we"), *words("we went", 0.2)[1:], *words("we went home now")[2:]]
    assert stable_words(doubtful, [2, 2, 2, 2], 0, 9.0, POLICY) == 1


def test_what_is_settled_stays_whatever_is_read() -> None:
    assert stable_words(words("we went home now", 0.0), [1, 1, 1, 1], 3, 0.0, POLICY) == 3
    assert stable_words([], [], 0, 5.0, POLICY) == 0


@given(st.lists(st.tuples(st.integers(1, 3), st.floats(0, 1)), max_size=8), st.floats(0, 10), st.floats(0, 1), st.floats(0, 1))
def test_a_calmer_dial_never_settles_more(read: list[tuple[int, float]], edge_s: float, one: float, other: float) -> None:
    said = [Word("a", float(i), i + 0.8, confidence) for i, (_, confidence) in enumerate(read)]
    counts = [min(count for count, _ in read[: i + 1]) for i in range(len(read))]
    fast, calm = (stable_words(said, counts, 0, edge_s, StabilityPolicy.of(dial)) for dial in sorted((one, other)))
    assert calm <= fast


@pytest.mark.parametrize("dial", [-0.1, 1.1, float("nan")])
def test_the_dial_has_two_ends(dial: float) -> None:
    with pytest.raises(InputError, match="stability"):
        StabilityPolicy.of(dial)
