"""Requests in other words, misheard ones and such as mean nothing among them. Answers keep what they point to."""

from collections.abc import Container, Sequence
from dataclasses import replace

import numpy as np

from unmask.apps.ui.slots import POINTERS, WORDS
from unmask.apps.ui.words import Word, words_of
from unmask.training.ui.grammar.made_up import made_up
from unmask.training.ui.grammar.names import held_words
from unmask.training.ui.grammar.sketch import Example
from unmask.training.ui.misheard import MOST, misheard

HEARD = 0.35  # share of requests in which words are misheard
CONFUSED, UNKNOWN = 0.2, 0.03  # of these, share of words that are heard as the captioner may, or as any other word
STRAY, STRAYS = (
    0.12,
    ("just", "like", "maybe", "well", "now", "really", "here", "so", "then", "the", "a"),
)  # words that mean nothing


def varied(example: Example, rng: np.random.Generator) -> Example:
    """The example in other words of the same meaning, as a recognizer may hear them."""
    if rng.random() < HEARD:
        words, at = heard(example.words, rng)
        example = moved(example, words, at) if len(words) <= WORDS else example
    if rng.random() < STRAY and len(example.words) < WORDS:
        example = moved(example, *strewn(example.words, pointed(example), rng))
    return example


def pointed(example: Example) -> set[int]:
    """Words that the answer points to."""
    found = set()
    for row in example.filled.rows:
        own = [POINTERS.index(token) for token in (row.start, row.end) if token in POINTERS]
        found |= set(range(min(own), max(own) + 1)) if own else set()
        found |= {POINTERS.index(token) for token in (row.low, row.high, row.value) if token in POINTERS}
    return found


def heard(words: Sequence[Word], rng: np.random.Generator) -> tuple[list[Word], list[int]]:
    """The words as a recognizer may hear them, and where each of them begins among these (with the end after them)."""
    found, at = list[Word](), list[int]()
    while len(at) < len(words):
        here = len(at)
        count, instead = _instead(words[here : here + MOST], rng)
        at += [len(found), *[len(found) + len(instead) - 1] * (count - 1)]
        found += instead
    return found, [*at, len(found)]


def _instead(words: Sequence[Word], rng: np.random.Generator) -> tuple[int, list[Word]]:
    """How many of the words, at least one, are heard as which."""
    if not _changeable(words[0]):
        return 1, [words[0]]
    for count in range(len(words), 0, -1):
        known = misheard().get(" ".join(word.text for word in words[:count]))
        if known and all(map(_changeable, words[:count])) and rng.random() < CONFUSED:
            counts = np.array(list(known.values()), float)
            return count, words_of(list(known)[rng.choice(len(counts), p=counts / counts.sum())])
    if len(words[0].text) > 2 and rng.random() < UNKNOWN:
        return 1, words_of(made_up(rng, held_words()).split(" ")[0])
    return 1, [words[0]]


def _changeable(word: Word) -> bool:
    return word.number is None and word.time is None and word.text != ","


def strewn(words: Sequence[Word], pointed: Container[int], rng: np.random.Generator) -> tuple[list[Word], list[int]]:
    """The words with one more that means nothing, outside of what the answer points to, and where each of them begins."""
    places = [i for i in range(len(words) + 1) if not (i in pointed and i - 1 in pointed)]
    to = places[rng.integers(len(places))]
    found = [*words[:to], *words_of(STRAYS[rng.integers(len(STRAYS))]), *words[to:]]
    return found, [i + (i >= to) for i in range(len(words))] + [len(found)]


def moved(example: Example, words: list[Word], at: Sequence[int]) -> Example:
    """The example with other words: at[i] is where the words begin that stand for word i."""

    def last(token: str) -> str:
        i = POINTERS.index(token)
        return POINTERS[max(at[i], at[i + 1] - 1)]

    rows = []
    for row in example.filled.rows:
        own = {name: POINTERS[at[POINTERS.index(token)]] for name, token in row._asdict().items() if token in POINTERS}
        rows.append(row._replace(**own | ({"end": last(row.end)} if row.end in POINTERS else {})))
    return replace(example, words=words, filled=example.filled._replace(rows=tuple(rows)))
