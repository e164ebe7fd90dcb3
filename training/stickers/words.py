"""Scenes in words: descriptions in many wordings, the one wording of captions and its reader, and questions with answers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from unmask.training.stickers.scene import ONE_IN, Group, Scene, one_in, ordered
from unmask.training.stickers.things import BY_NAME, COLORS, GROUNDS, PLACES, THINGS

COUNTS = ("zero", "one", "two", "three", "four")
OPENINGS = ("", "a picture of ", "draw ", "please draw ", "show me ", "i want ", "make a picture with ", "paint ", "an image of ")
SIZE_WORDS = {"small": ("small", "little", "tiny"), "big": ("big", "large", "huge")}
PLACE_WORDS = {
    "top left": ("in the top left", "in the upper left", "in the top left corner"),
    "top": ("at the top", "on top", "in the upper middle"),
    "top right": ("in the top right", "in the upper right", "in the top right corner"),
    "left": ("on the left", "at the left", "on the left side"),
    "middle": ("in the middle", "in the center", "at the center"),
    "right": ("on the right", "at the right", "on the right side"),
    "bottom left": ("in the bottom left", "in the lower left", "in the bottom left corner"),
    "bottom": ("at the bottom", "at the lower edge", "in the lower middle"),
    "bottom right": ("in the bottom right", "in the lower right", "in the bottom right corner"),
}
GROUND_WORDS = ("on a {} background", "on {}", "against {}", "with a {} background", "in front of {}")
JOINS = ((", ", " and "), (", ", ", "), (" and ", " and "))  # between groups, and before the last


@dataclass(frozen=True)
class Wording:
    """How a scene is said: indices into the tables above, and choices."""

    opening: int = 0
    size: int = 0
    place: int = 0
    ground: int = 0
    join: int = 0
    place_first: bool = False
    digits: bool = False

    @property
    def held_out(self) -> bool:
        return self != CAPTION and one_in(ONE_IN, self)


CAPTION = Wording()


def draw_wording(rng: np.random.Generator, held: bool = False) -> Wording:
    """A wording at random that is held out, or is not."""
    sizes = (len(OPENINGS), 3, 3, len(GROUND_WORDS), len(JOINS), 2, 2)
    while True:
        *tables, place_first, digits = (int(rng.integers(size)) for size in sizes)
        wording = Wording(*tables, bool(place_first), bool(digits))
        if wording.held_out == held:
            return wording


def describe(
    scene: Scene,
    wording: Wording = CAPTION,
    rng: np.random.Generator | None = None,
    left_out: float = 0.0,
    places: bool = True,
) -> str:
    """The scene in words.

    rng: shuffles the groups, and leaves out ground, places, sizes and colors with the probability `left_out` each. Without it
    everything is said in the order of reading. places: False leaves out all of them.
    """

    def said() -> bool:
        return rng is None or rng.random() >= left_out

    groups = scene.groups if rng is None else [scene.groups[i] for i in rng.permutation(len(scene.groups))]
    parts = []
    for group in groups:
        phrase = noun_phrase(group, wording, said(), said())
        where = PLACE_WORDS[group.place][wording.place]
        parts.append(phrase if not (said() and places) else f"{where} {phrase}" if wording.place_first else f"{phrase} {where}")
    between, last = JOINS[wording.join]
    text = OPENINGS[wording.opening] + last.join(filter(None, (between.join(parts[:-1]), parts[-1])))
    return f"{text} {GROUND_WORDS[wording.ground].format(scene.ground)}" if said() else text


def describe_colors(scene: Scene, wording: Wording = CAPTION, grounded: bool = True) -> str:
    """Only the colors that things do not have of their own, in the order of reading, and the ground: red and blue on a sand
    background. grounded: False leaves out the ground."""
    colors = [group.color for group in scene.groups if group.color]
    between, last = JOINS[wording.join]
    text = last.join(filter(None, (between.join(colors[:-1]), *colors[-1:])))
    return " ".join(filter(None, (text, GROUND_WORDS[wording.ground].format(scene.ground) if grounded else "")))


def noun_phrase(group: Group, wording: Wording = CAPTION, sized: bool = True, colored: bool = True) -> str:
    """A group without its place: two small red cars."""
    size = SIZE_WORDS[group.size][wording.size] if sized else ""
    name = BY_NAME[group.thing].many if group.count > 1 else group.thing
    words = " ".join(filter(None, (size, group.color if colored else "", name)))
    if group.count == 1:
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
    return f"{group.count if wording.digits else COUNTS[group.count]} {words}"


_GROUND = re.compile(" on a (\\w+) background$")
_GROUP = re.compile(
    f"(a|an|{'|'.join(COUNTS[2:])}) ({'|'.join(SIZE_WORDS)}) (?:({'|'.join(COLORS)}) )?(\\w+) "
    f"({'|'.join(sorted((words[0] for words in PLACE_WORDS.values()), key=len, reverse=True))})"
)
_NAMES = {name: thing.name for thing in THINGS for name in (thing.name, thing.many)}
_WHERE = {words[0]: place for place, words in PLACE_WORDS.items()}


def understand(caption: str) -> Scene:
    """The scene that a caption in the wording CAPTION tells. What cannot be read is left out; a missing ground is empty."""
    found = _GROUND.search(caption)
    groups = []
    for count, size, color, name, where in _GROUP.findall(caption):
        if name in _NAMES:
            number = COUNTS.index(count) if count in COUNTS else 1
            groups.append(Group(_NAMES[name], color, size, number, _WHERE[where]))
    return Scene(found[1] if found else "", ordered(tuple(groups)))


# ---- questions

ASKING = ("", "tell me, ", "please say ", "question: ")
QUESTIONS = {
    "ground": ("what color is the background?", "which background is it?", "what is behind everything?"),
    "thing": ("what is {where}?", "what do you see {where}?", "which thing is {where}?"),
    "color": ("what color {is} the {name}?", "which color {is} the {name}?", "what is the color of the {name}?"),
    "count": ("how many {many} are there?", "how many {many} do you see?", "what is the number of {many}?"),
    "place": ("where {is} the {name}?", "in which place {is} the {name}?", "what is the place of the {name}?"),
    "size": ("{is} the {name} big or small?", "what size {is} the {name}?", "how big {is} the {name}?"),
    "there": ("is there {one} in the picture?", "do you see {one}?", "does the picture show {one}?"),
}


@dataclass(frozen=True)
class Question:
    kind: str
    text: str
    answer: str
    group: Group | None = None
    """Whose fact is asked for: None for the ground, and for what is absent."""


def draw_question(
    scene: Scene, rng: np.random.Generator, held: bool = False, shares: Mapping[str, float] | None = None
) -> Question:
    """A question about a scene, in a wording that is held out or is not. A third of some kinds are about what is absent.

    shares: how often each kind is drawn, in any unit; all alike if None.
    """
    weights = np.array([(shares or {}).get(kind, 1.0) for kind in QUESTIONS])
    kind = str(rng.choice(list(QUESTIONS), p=weights / weights.sum()))
    while True:
        asking, form = int(rng.integers(len(ASKING))), int(rng.integers(len(QUESTIONS[kind])))
        if one_in(6, kind, asking, form) == held:
            break
        if held and not any(one_in(6, kind, a, f) for a in range(len(ASKING)) for f in range(len(QUESTIONS[kind]))):
            break
    absent = rng.random() < 1 / 3
    group = scene.groups[rng.integers(len(scene.groups))]
    if absent and kind in ("count", "there"):
        others = [thing.name for thing in THINGS if thing.name not in {group.thing for group in scene.groups}]
        group = Group(others[rng.integers(len(others))], "", "small", 0, "middle")
    if kind == "color" and not group.color:
        kind = "size"
    thing = BY_NAME[group.thing]
    text = QUESTIONS[kind][form].format(
        where=PLACE_WORDS[group.place][0],
        name=thing.many if group.count > 1 else thing.name,
        many=thing.many,
        one=f"{'an' if thing.name[0] in 'aeiou' else 'a'} {thing.name}",
        **{"is": "are" if group.count > 1 else "is"},
    )
    about = group if kind != "ground" and group.count else None
    return Question(kind, ASKING[asking] + text, _answer(kind, scene, group), about)


def _answer(kind: str, scene: Scene, group: Group) -> str:
    thing = BY_NAME[group.thing]
    return {
        "ground": scene.ground,
        "thing": thing.many if group.count > 1 else thing.name,
        "color": group.color,
        "count": COUNTS[group.count],
        "place": group.place,
        "size": group.size,
        "there": "yes" if group.count else "no",
    }[kind]


def every_word() -> Iterator[str]:
    """Every word of descriptions, questions and answers, more than once."""
    more = ("a", "an", "and", "is", "are", "yes", "no")
    tables = (OPENINGS, GROUND_WORDS, ASKING, COUNTS, COLORS, GROUNDS, PLACES, more)
    texts = [text for table in tables for text in table]
    texts += [text for table in (*SIZE_WORDS.values(), *PLACE_WORDS.values(), *QUESTIONS.values()) for text in table]
    texts += [name for thing in THINGS for name in (thing.name, thing.many)]
    for text in texts:
        yield from re.findall("[a-z]+", re.sub("{[a-z]*}", " ", text))
