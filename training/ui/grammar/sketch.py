"""A request with its answer while both are drawn: parts of the sentence are marked, and slots point to them."""

import re
from dataclasses import dataclass

from unmask.apps.ui.slots import NONE, POINTERS, WORDS, Filled, Slots
from unmask.apps.ui.surface import Panel
from unmask.apps.ui.words import Word
from unmask.training.ui.grammar.names import INVENTED, Names, draw_name
from unmask.training.ui.grammar.phrasing import MIDDLE, OPEN, SHUT, Talk, resolved, tagged

SLIPS, SLIPS_HELD = 0.15, 0.08  # share of numbers that are said after another one: "from 3 no from 5"
NUMBER = re.compile(rf"(\b(?:from|to|at|of|by|on|is|over|under|above|below) )?({OPEN}t\d+{MIDDLE}(-?[\d.]+){SHUT})")


@dataclass(frozen=True)
class Example:
    """A request, the panel that it is said to, and the canvas that answers it."""

    words: list[Word]
    panel: Panel | None
    filled: Filled
    text: str
    task: str
    strange: int = 0  # phrasings in it that training never sees


class TooLong(Exception):
    """The request has more words, or the answer more rows, than a canvas takes; draw another."""


class Sketch:
    def __init__(self, talk: Talk) -> None:
        self.talk, self.rows = talk, list[Slots]()
        self._count = 0

    @property
    def held(self) -> bool:
        return self.talk.held

    def mark(self, text: str) -> tuple[str, str]:
        """The text marked, and what slots write to point to it."""
        self._count += 1
        return tagged(f"t{self._count}", text), f"@t{self._count}"

    def name(self, names: Names, invent: float = INVENTED) -> tuple[str, str]:
        return self.mark(draw_name(self.talk.rng, names, self.held, invent))

    def number(self, value: float) -> tuple[str, str]:
        return self.mark(f"{value:g}")

    def slipped(self, marked: str) -> str:
        """The request, some of whose numbers are said after another one that is taken back."""

        def said(found: re.Match[str]) -> str:
            if not self.talk.chance(SLIPS_HELD if self.held else SLIPS):
                return found[0]
            before, right = found[1] or "", found[2]
            wrong = f"{other_than(float(found[3]), self.talk):g}"
            if self.talk.chance(0.5):
                return self.talk.say("corrected", wrong=before + wrong, right=before + right)
            return before + self.talk.say("corrected", wrong=wrong, right=right)

        return NUMBER.sub(said, marked)

    def add(self, type: str = NONE, start: str = NONE, **more: str) -> None:
        self.rows.append(Slots(type, start=start if start[0] in "@<" else f"<label {start}>", **more))

    def finish(self, kind: str, marked: str, panel: Panel | None, task: str) -> Example:
        words, spans, text = resolved(" ".join(self.slipped(marked).split()))
        if len(words) > WORDS or len(self.rows) > 16:
            raise TooLong
        rows = tuple(Slots(*(_pointed(row, field, spans) for field in Slots._fields)) for row in self.rows)
        return Example(words, panel, Filled(kind, rows), text, task, self.talk.strange)


def other_than(value: float, talk: Talk) -> float:
    """A number that somebody says by mistake."""
    return value + float(talk.rng.integers(1, 9) * talk.rng.choice((-1, 1, 1, 5, 10)))


def _pointed(row: Slots, field: str, spans: dict[str, tuple[int, int]]) -> str:
    token: str = getattr(row, field)
    if field == "end":
        return POINTERS[spans[row.start[1:]][1]] if row.start.startswith("@") else NONE
    if not token.startswith("@"):
        return token
    first, last = spans[token[1:]]
    return POINTERS[first if field == "start" else last]
