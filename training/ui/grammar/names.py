"""What panels are made of in requests: rooms, devices, options, fields. Some names are held back, others are made up."""

from functools import cache
from importlib.resources import files
from typing import Self

import numpy as np

from unmask.training.ui.grammar.made_up import made_up
from unmask.training.ui.grammar.sections import Section, read_sections

INVENTED, MEANINGLESS = 0.4, 0.55  # share of names that are of no list, and of these, those that are made up


class Names(Section):
    """The names of one list, or of several."""

    def __add__(self, other: Self) -> "Names":
        return Names(self.train + other.train, self.held + other.held)

    def part(self, held: bool) -> tuple[str, ...]:
        """The names for training or, if there are any, those held back."""
        return (held and self.held) or self.train


_SECTIONS = read_sections([(files("unmask.training.ui.grammar") / "names.txt").read_text(encoding="utf-8")])


def _split(lines: tuple[str, ...], sign: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).replace(f"{sign} ", sign).split(sign)) if lines else ()


def _names(section: str) -> Names:
    """The names of a section of `names.txt`, which are separated by commas."""
    return Names(*(_split(part, ",") for part in (_SECTIONS[section].train, _SECTIONS[section].held)))


def option_sets(held: bool) -> list[tuple[str, ...]]:
    """Options that belong together; of a section whose sets are separated by semicolons."""
    own = _SECTIONS["options"]
    return [_split((each,), ",") for each in _split(own.held if held else own.train, ";")]


ROOMS, DEVICES, LEVELS, READINGS = _names("rooms"), _names("devices"), _names("levels"), _names("readings")
PICKS, FIELDS, FORMS, LISTS, ITEMS = _names("picks"), _names("fields"), _names("forms"), _names("lists"), _names("items")
BUTTONS, DEEDS, SAYINGS, VIEWS, SONGS = _names("buttons"), _names("deeds"), _names("sayings"), _names("views"), _names("songs")
TITLES, TIMES, TIMERS, ALARMS = _names("titles"), _names("times"), _names("timers"), _names("alarms")
COMPOUNDS = _names("compounds")
MOVED = Names(*(tuple(name for name in LEVELS.part(held) if name not in READINGS.part(held)) for held in (False, True)))
"""Levels that are never read, so that their name alone is a slider."""
OPTIONS = Names(*(sum(option_sets(held), ()) for held in (False, True)))
LONG = (
    *("message", "comment", "notes", "feedback", "description", "address", "reason", "remarks", "details", "summary", "story"),
    *("bio", "about me", "complaint", "suggestion", "special requests", "cover letter", "abstract", "directions"),
)
NUMERIC = (
    *("age", "quantity", "weight", "height", "guests", "price", "amount", "room number", "zip code", "number of guests"),
    *("number of people", "adults", "children", "nights", "hours", "hours worked", "cost", "total", "budget", "deposit"),
    *("salary", "year", "mileage", "length", "width", "depth", "parcel weight", "score", "quantity needed", "table number"),
)


def draw_name(rng: np.random.Generator, names: Names, held: bool, invent: float = INVENTED) -> str:
    """A name of a list; in training, now and then one of no list, so that any words can be a name: made up, or a compound,
    so that words which belong together are known from others."""
    if held or rng.random() > invent:
        own = names.part(held)
        return own[rng.integers(len(own))]
    if rng.random() < MEANINGLESS:
        return made_up(rng, held_words())
    return COMPOUNDS.train[rng.integers(len(COMPOUNDS.train))]


def draw_names(rng: np.random.Generator, names: Names, count: int, held: bool, invent: float = INVENTED) -> list[str]:
    """Different names."""
    found: list[str] = []
    while len(found) < count:
        name = draw_name(rng, names, held, invent)
        if name not in found:
            found.append(name)
    return found


@cache
def held_words() -> frozenset[str]:
    """The words of names that are held back, except those of names for training."""
    lists = (ROOMS, DEVICES, LEVELS, READINGS, PICKS, FIELDS, FORMS, ITEMS, LISTS, BUTTONS, DEEDS, SAYINGS, VIEWS, SONGS, TITLES)
    every = sum(lists, OPTIONS)
    words = [{word for name in part for word in name.split(" ")} for part in (every.held, every.train)]
    return frozenset(words[0] - words[1])
