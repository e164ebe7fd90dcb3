"""Sentences out of patterns: "(show|give) me [please] a {what}". Knows which phrasings are held back for tests, and where in the
sentence each part stands. Knows no panels."""

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files

import numpy as np

from unmask.apps.ui.words import Word, words_of
from unmask.training.ui.grammar.sections import Section, read_sections

OPEN, MIDDLE, SHUT = "\x01", "\x02", "\x03"
Tree = tuple[str, tuple["Tree", ...]]  # kind: text of a leaf, or "+" all in order, "|" one of them, "?" perhaps
MARKS = {"!": "order", "?": "statement"}  # at the beginning of whole sentences: "!let me ...", "?i want to ..."
BARE = 0.3  # share of requests that say what they want and nothing around it


@cache
def known() -> Mapping[str, Section]:
    """The patterns of `phrases/*.txt` by their names."""
    own = sorted((files("unmask.training.ui.grammar") / "phrases").iterdir(), key=lambda file: file.name)
    return read_sections(file.read_text(encoding="utf-8") for file in own)


@cache
def held_back_words() -> frozenset[str]:
    """The words of phrasings that are held back."""
    held = (pattern for phrases in known().values() for pattern in phrases.held)
    return frozenset(word for pattern in held for word in re.findall(r"[\w']+", re.sub(r"{\w+}", " ", pattern)))


class Talk:
    """Draws phrasings."""

    def __init__(self, rng: np.random.Generator, held: bool) -> None:
        """held: prefer phrasings that are held back."""
        self.rng, self.held = rng, held
        self.strange = 0  # phrasings held back that were drawn
        self.mood = ""  # order or statement once a whole sentence was drawn, into which no "show me" fits any more
        self.parts_only = False  # draw no whole sentences

    def say(self, phrases: str | Sequence[str], **parts: str) -> str:
        """One of the phrasings, with {name} replaced by its part. phrases: their name, or patterns."""
        if isinstance(phrases, str):
            own = known()[phrases]
            held = self._fitting(own.held)
            strange = self.held and bool(held) and self.rng.random() < 0.4
            self.strange += strange
            phrases = held if strange else own.train
        pattern = self.one(self._fitting(phrases))
        if pattern[0] in MARKS:
            self.mood = "statement" if self.mood == "statement" else MARKS[pattern[0]]
            pattern = pattern[1:]
        return self.expand(pattern, parts)

    def part(self, phrases: str, **parts: str) -> str:
        """One of the phrasings that are no whole sentences."""
        before, self.parts_only = self.parts_only, True
        said = self.say(phrases, **parts)
        self.parts_only = before
        return said

    def whole(self, what: str, otherwise: str) -> str:
        """A request that asks for this. Where no whole sentence was drawn for it, by the patterns that `otherwise` names."""
        if self.chance(BARE):
            return what
        return self.say(self.mood, x=what) if self.mood else self.say(otherwise, what=what, x=what)

    def _fitting(self, patterns: Sequence[str]) -> Sequence[str]:
        return [each for each in patterns if each[0] not in MARKS] if self.parts_only else patterns

    def expand(self, pattern: str, parts: Mapping[str, str]) -> str:
        text = self._drawn(parsed(pattern))
        for name, part in parts.items():
            text = text.replace("{" + name + "}", part)
        return " ".join(text.split())

    def _drawn(self, tree: Tree) -> str:
        kind, parts = tree
        if kind == "|":
            return self._drawn(parts[self.rng.integers(len(parts))])
        if kind == "?":
            return self._drawn(parts[0]) if self.rng.random() < 0.5 else ""
        if kind == "+":
            return "".join(self._drawn(part) for part in parts)
        return kind[1:]

    def chance(self, share: float, practiced: float | None = None) -> bool:
        """practiced: the share in training, where it draws what is hard to learn more often than people say it."""
        return bool(self.rng.random() < (share if practiced is None or self.held else practiced))

    def one(self, choices: Sequence[str]) -> str:
        return choices[self.rng.integers(len(choices))]

    def listed(self, parts: Sequence[str]) -> str:
        """a, b and c"""
        if len(parts) == 1:
            return parts[0]
        comma = "" if self.chance(0.25) else ","
        last = self.one((" and ", " and ", " and ", ", and ", " and also ") if len(parts) > 2 else (" and ",))
        return f"{comma} ".join(parts[:-1]) + last + parts[-1]

    def chained(self, parts: Sequence[str]) -> str:
        """a plus b and below it c"""
        said = parts[0]
        for part in parts[1:]:
            said += f" {self.say('and')} {part}"
        return said


def tagged(name: str, text: str) -> str:
    """A part of a sentence that is found again by its name."""
    return f"{OPEN}{name}{MIDDLE}{text}{SHUT}"


def resolved(marked: str) -> tuple[list[Word], dict[str, tuple[int, int]], str]:
    """The words of a sentence, the first and the last word of each part by name, and its text without marks."""
    plain, at = "", 0
    spans: dict[str, tuple[int, int]] = {}
    edges: list[tuple[str, int, int]] = []
    stack: list[tuple[str, int]] = []
    while at < len(marked):
        if marked[at] == OPEN:
            middle = marked.index(MIDDLE, at)
            stack.append((marked[at + 1 : middle], len(plain)))
            at = middle
        elif marked[at] == SHUT:
            name, start = stack.pop()
            edges.append((name, start, len(plain)))
        else:
            plain += marked[at]
        at += 1
    words = words_of(plain)
    for name, start, stop in edges:
        first, last = len(words_of(plain[:start])), len(words_of(plain[:stop])) - 1
        spans[name] = (first, last)
    return words, spans, plain


@lru_cache(maxsize=4096)
def parsed(pattern: str) -> Tree:
    tree, at = _sequence(pattern, 0)
    if at != len(pattern):
        raise ValueError(f"unbalanced pattern: {pattern}")
    return tree


def _sequence(pattern: str, at: int) -> tuple[Tree, int]:
    parts: list[Tree] = []
    while at < len(pattern) and pattern[at] not in ")]|":
        if pattern[at] == "(":
            choices, at = _choices(pattern, at + 1, ")")
            parts.append(("|", choices))
        elif pattern[at] == "[":
            choices, at = _choices(pattern, at + 1, "]")
            parts.append(("?", (("|", choices),)))
        else:
            stop = min((i for c in "()[]|" if (i := pattern.find(c, at)) >= 0), default=len(pattern))
            parts.append(("=" + pattern[at:stop], ()))
            at = stop
    return ("+", tuple(parts)), at


def _choices(pattern: str, at: int, shut: str) -> tuple[tuple[Tree, ...], int]:
    found = []
    while True:
        part, at = _sequence(pattern, at)
        found.append(part)
        at += 1
        if pattern[at - 1] == shut:
            return tuple(found), at
