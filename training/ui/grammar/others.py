"""Requests that take a change back or close the panel, those that no panel answers, and words that mean nothing."""

from unmask.apps.ui.slots import CANNOT, CLOSE, UNCLEAR, UNDO
from unmask.apps.ui.surface import Panel
from unmask.training.ui.grammar import names
from unmask.training.ui.grammar.made_up import made_up
from unmask.training.ui.grammar.phrasing import Talk
from unmask.training.ui.grammar.sketch import Example, Sketch

CITIES = (
    "paris",
    "berlin",
    "london",
    "boston",
    "rome",
    "tokyo",
    "oslo",
    "dallas",
    "madrid",
    "chicago",
    "vienna",
    "cairo",
    "denver",
)
PEOPLE = ("mom", "dad", "anna", "peter", "my boss", "the doctor", "grandma", "my wife", "my brother", "the bank", "john", "sarah")
TOPICS = (
    "football",
    "stocks",
    "the election",
    "space",
    "cats",
    "france",
    "gravity",
    "bitcoin",
    "dinosaurs",
    "the moon",
    "photosynthesis",
)


WISHES = (
    *("sandwich", "glass of water", "cup of tea", "beer", "cake", "new phone", "ticket", "taxi", "haircut", "blanket", "pillow"),
    *("large soup", "small salad", "slice of bread", "hot chocolate", "apple juice", "bag of chips", "ride home", "nice dinner"),
    *("coffee", "latte", "cappuccino", "espresso", "mocha", "americano", "iced tea", "milkshake", "burger", "pizza", "bagel"),
)
KINDS = (
    *("large", "small", "medium", "extra large", "twelve ounce", "sixteen ounce", "eight ounce", "double", "single", "triple"),
    *("single shot", "double shot", "light roast", "dark roast", "medium roast", "hot", "iced", "cold", "fresh", "warm", "decaf"),
)
EXTRAS = (
    *("milk", "soy milk", "whole milk", "a lot of milk", "no milk", "a bit of cream", "cream", "sugar", "two sugars", "honey"),
    *("brown sugar", "cinnamon", "ice", "extra cheese", "ketchup", "lemon", "some syrup", "nothing else"),
)


def draw_other(talk: Talk, panel: Panel | None) -> Example:
    """Undo, close, what no panel answers, and what means nothing."""
    s, rng = Sketch(talk), talk.rng
    kind = str(rng.choice((UNDO, CLOSE, CANNOT, UNCLEAR), p=(0.22, 0.18, 0.4, 0.2) if panel else (0.15, 0.0, 0.6, 0.25)))
    a, b, c = (made_up(rng, names.held_words()).split(" ")[0] for _ in range(3))
    n, m = str(rng.integers(2, 90)), str(rng.integers(2, 90))
    phrases = {UNDO: "undoing", CLOSE: "closing", CANNOT: "others", UNCLEAR: "noise"}[kind]
    thing, other = (talk.one(own) if talk.chance(0.4) else made_up(rng, names.held_words()) for own in (WISHES, EXTRAS))
    while talk.chance(0.3):
        thing = f"{talk.one(KINDS)} {thing}"
    parts = {
        "thing": thing,
        "other": other,
        "city": talk.one(CITIES),
        "person": talk.one(PEOPLE),
        "topic": talk.one(TOPICS),
        "n": n,
        "m": m,
        "a": a,
        "b": b,
        "c": c,
    }
    said = talk.say(phrases, **parts)
    said = said if kind == UNCLEAR else talk.whole(said, "order")
    return s.finish(kind, said, panel, kind.strip("<>"))
