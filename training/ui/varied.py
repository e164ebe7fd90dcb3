"""Requests in other words, misheard ones and such as mean nothing among them. Answers keep what they point to."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

import numpy as np

from unmask.apps.ui.slots import POINTERS, WORDS, Slots
from unmask.apps.ui.surface import ARTICLES, label_at
from unmask.apps.ui.words import Word, words_of
from unmask.training.ui.grammar.made_up import made_up
from unmask.training.ui.grammar.names import held_words
from unmask.training.ui.grammar.sketch import Example
from unmask.training.ui.misheard import MOST, misheard

REWORDED, SYNONYM = 0.5, 0.18  # share of requests with words of the same meaning, and of their words that have any
HEARD = 0.35  # share of requests in which words are misheard
CONFUSED, UNKNOWN = 0.2, 0.03  # of these, share of words that are heard as the captioner may, or as any other word
SHORT, LEFT_OUT = 0.2, 0.25  # share of requests that leave out words, and of their small words that are left out
SMALL = frozenset(
    ("a", "an", "the", "some", "me", "us", "my", "please", "that", "which", "is", "are", "be", "it's", "of", "there")
)
STRAY = 0.15  # share of requests with one more word, or two or three, that mean nothing
STRAYS = (
    *("just", "like", "maybe", "well", "now", "really", "here", "so", "then", "the", "a", "perhaps", "simply", "quickly"),
    *("again", "actually", "basically", "possibly", "today", "also", "quite", "only", "finally", "thanks"),
    *("dear", "kindly", "somehow", "anyway", "sort", "kind", "yeah", "yes", "you know", "i mean", "i think"),
    *("oh", "right", "okay", "let me see", "let's see", "what was it", "you see", "as i said"),
    *("if possible", "right away", "as usual", "this time", "after all", "by the way", "of course", "for once"),
)
Places = list[tuple[int, int]]
"""For each word the first and the last of those that stand for it."""


def varied(example: Example, rng: np.random.Generator) -> Example:
    """The example in other words of the same meaning, as a recognizer may hear them."""
    if rng.random() < REWORDED:
        example = moved(example, *reworded(example.words, pointed(example) | named(example), rng))
    if rng.random() < HEARD:
        example = moved(example, *heard(example.words, edges(example), rng))
    if rng.random() < SHORT:
        example = moved(example, *shortened(example.words, pointed(example) | named(example), rng))
    if rng.random() < STRAY:
        example = moved(example, *strewn(example.words, pointed(example), rng))
    return example


def pointed(example: Example) -> set[int]:
    """Words that the answer points to."""
    found = set()
    for row in example.filled.rows:
        found |= {*label_at(row)}
        found |= {POINTERS.index(token) for token in (row.low, row.high, row.value) if token in POINTERS}
    return found


@cache
def synonyms() -> Mapping[str, Sequence[str]]:
    """Words of requests, and others in their place. Each of those has a word that no phrasing held back has: no request becomes
    one of these phrasings."""
    lines = (files("unmask.training.ui.grammar") / "synonyms.txt").read_text(encoding="utf-8").splitlines()
    return {word: others.split(", ") for word, others in (line.split(": ") for line in lines)}


def reworded(words: Sequence[Word], kept: Container[int], rng: np.random.Generator) -> tuple[list[Word], Places]:
    """The words with others of the same meaning, but for those that are kept."""
    found, places = list[Word](), Places()
    for i, word in enumerate(words):
        others = () if i in kept else synonyms().get(word.text, ())
        instead = words_of(others[rng.integers(len(others))]) if others and rng.random() < SYNONYM else [word]
        places.append((len(found), len(found) + len(instead) - 1))
        found += instead
    return found, places


def named(example: Example) -> set[int]:
    """Words that are in a label of the present panel: a change finds its row by them."""
    labels = {word for row in (example.panel.rows if example.panel else ()) for word in row.label.lower().split()}
    return {i for i, word in enumerate(example.words) if word.text in labels}


def shortened(words: Sequence[Word], kept: Container[int], rng: np.random.Generator) -> tuple[list[Word], Places]:
    """The words without some of the small ones, as in haste, or as a recognizer misses them. At least one word is left."""
    found, places = list[Word](), Places()
    for i, word in enumerate(words):
        last = i == len(words) - 1 and not found
        if i in kept or last or word.text not in SMALL or rng.random() >= LEFT_OUT:
            found.append(word)
        places.append((max(0, len(found) - 1),) * 2)
    return found, places


def edges(example: Example) -> set[int]:
    """Words that a label begins with, and those after one: words on both sides of an edge are not heard as one."""
    return {edge for row in example.filled.rows if (at := label_at(row)) for edge in (at.start, at.stop)}


def heard(words: Sequence[Word], edges: Container[int], rng: np.random.Generator) -> tuple[list[Word], Places]:
    """The words as a recognizer may hear them."""
    found, places = list[Word](), Places()
    while len(places) < len(words):
        here = len(places)
        stop = next((at for at in range(here + 1, here + MOST) if at in edges), here + MOST)
        count, instead = _instead(words[here:stop], rng)
        first, last = len(found), len(found) + len(instead) - 1
        places += [(first, last), *[(last, last)] * (count - 1)]
        found += instead
    return found, places


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


def strewn(words: Sequence[Word], pointed: Container[int], rng: np.random.Generator) -> tuple[list[Word], Places]:
    """The words with others among them that mean nothing, outside of what the answer points to.

    None stands before an article of a name, which the reader leaves out after "for" and the like, and keeps after other words.
    """
    free = [i for i in range(len(words) + 1) if not (i in pointed and (i - 1 in pointed or words[i].text in ARTICLES))]
    to = free[rng.integers(len(free))]
    stray = words_of(STRAYS[rng.integers(len(STRAYS))])
    return [*words[:to], *stray, *words[to:]], [(i + len(stray) * (i >= to),) * 2 for i in range(len(words))]


def moved(example: Example, words: list[Word], places: Places) -> Example:
    """The example with other words, which stand for its own; as it was if they are more than a canvas has pointers for."""
    if len(words) > WORDS:
        return example

    def at(token: str, name: str) -> str:
        return POINTERS[places[POINTERS.index(token)][name == "end"]] if token in POINTERS else token

    rows = tuple(Slots(*(at(token, name) for name, token in row._asdict().items())) for row in example.filled.rows)
    return replace(example, words=words, filled=example.filled._replace(rows=rows))
