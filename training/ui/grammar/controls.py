"""Single controls of a panel, each as a noun phrase of a request and as rows of the answer."""

from unmask.apps.ui.slots import DEPTHS, ICONS, NONE, ON, OPTION, READING
from unmask.training.ui.grammar import names
from unmask.training.ui.grammar.sketch import Sketch, other_than

RANGES = (
    *((0, 100), (10, 30), (5, 35), (16, 28), (0, 10), (1, 10), (0, 255), (15, 25), (0, 50), (20, 80), (18, 26), (0, 1), (1, 5)),
    *((-10, 40), (-20, 60), (0, 180), (100, 500), (200, 2000), (0.5, 2.5), (30, 90), (40, 120), (2, 8), (0, 3), (50, 150)),
)
ICON_WORDS = {
    **{"heart": "favorite", "gear": "settings", "trash": "delete", "bell": "notifications", "house": "home", "star": "star"},
    **{"home": "home", "play": "play", "pause": "pause", "stop": "stop", "camera": "camera", "phone": "phone", "mail": "mail"},
    **{"lock": "lock", "search": "search", "warning": "warning", "refresh": "refresh", "plus": "add", "check mark": "check"},
    **{
        "calendar": "calendarToday",
        "person": "person",
        "printer": "print",
        "speaker": "volumeUp",
        "shopping cart": "shoppingCart",
    },
    **{
        "question mark": "help",
        "envelope": "mail",
        "pencil": "edit",
        "cloud upload": "upload",
        "download": "download",
        "eye": "visibility",
    },
}
ICON_PHRASES = (
    *(
        " with a {x} icon",
        " with a {x} symbol",
        " with the {x} icon",
        " and a {x} icon",
        " that has a {x} icon",
        " showing a {x} icon",
    ),
    *(
        " with a {x} on it",
        " with the icon {x}",
        " and the {x} symbol",
        " , icon {x}",
        " with a little {x}",
        " with the {x} sign",
    ),
)
USUAL, USUAL_SHARE = ("volume", "volume", "brightness", "temperature", "speed"), 0.25  # sliders that are asked for most
RESTARTED = 0.03  # share of ranges that are said after another one: "from 3 to 9 no from 5 to 9"
UNITS = ("degrees", "percent", "degrees celsius", "volts", "watts", "meters", "seconds", "liters", "hertz", "watts", "degrees")


def slider(s: Sketch, depth: str = NONE, levels: names.Names = names.LEVELS) -> str:
    if s.talk.chance(0.06):
        return s.talk.one(("a slider", "a slider", "a knob", "a dial")) + ranged(s, NONE, depth, 0.9)
    usual = not s.held and s.talk.chance(USUAL_SHARE)
    text, tag = s.mark(s.talk.one(USUAL)) if usual else s.name(levels)
    said = s.talk.say("slider", name=text)
    return said + ranged(s, tag, depth)


def ranged(s: Sketch, start: str, depth: str = NONE, share: float = 0.6, low: str = NONE, high: str = NONE) -> str:
    """Add a slider, and say its range and value or leave them out. low, high: what they are when they are not said."""
    rng, talk = s.talk.rng, s.talk
    a, b = RANGES[rng.integers(len(RANGES))]
    if talk.chance(0.3):
        a = int(rng.integers(-5, 40))
        b = a + int(rng.integers(1, 120))
    said, value = "", NONE
    unit = talk.one(UNITS)
    if talk.chance(share):
        if talk.chance(0.12):
            text, high = s.number(b)
            said = talk.say("top", high=text, unit=unit)
            low = NONE
        else:
            said, low, high = said_range(s, a, b, unit)
    if talk.chance(0.18):
        text, value = s.number(round(a + (b - a) * float(rng.random())))
        said += " " + talk.say("value", value=text)
    s.add("Slider", start, place=depth, low=low, high=high, value=value)
    return f" {said}"


def said_range(s: Sketch, a: float, b: float, unit: str) -> tuple[str, str, str]:
    """A range in words, now and then after another one that is taken back, and what slots write for its ends."""
    (text, low), (other, high) = s.number(a), s.number(b)
    said = s.talk.say("range", low=text, high=other, unit=unit)
    if s.talk.chance(RESTARTED):
        wrong = s.talk.say("range", low=f"{other_than(a, s.talk):g}", high=f"{other_than(b, s.talk):g}", unit=unit)
        said = s.talk.say("corrected", wrong=wrong, right=said)
    return said, low, high


def switch(s: Sketch, depth: str = NONE) -> str:
    text, tag = s.name(names.DEVICES)
    on = s.talk.chance(0.12, practiced=0.25)
    s.add("CheckBox", tag, place=depth, value=ON if on else NONE)
    return s.talk.say("switch", name=text) + (" " + s.talk.say("is_on") if on else "")


def button(s: Sketch, depth: str = NONE, style: str = NONE, part: bool = False) -> str:
    """part: in no whole sentence."""
    text, tag = s.name(names.BUTTONS, 0.2)
    said, look = (s.talk.part if part else s.talk.say)("button", name=text), style
    if s.talk.chance(0.2):
        word = s.talk.one(tuple(ICON_WORDS))
        said += s.talk.one(ICON_PHRASES).replace("{x}", word)
        look = f"<icon {ICON_WORDS[word]}>"
        assert ICON_WORDS[word] in ICONS
    s.add("Button", tag, place=depth, look=look)
    return said


def choices(s: Sketch, depth: str, chosen: bool = True) -> str:
    """Add options, and say them."""
    rng, talk = s.talk.rng, s.talk
    if talk.chance(0.65):
        sets = names.option_sets(s.held)
        own = sets[rng.integers(len(sets))]
        if talk.chance(0.3):
            own = tuple(own[i] for i in rng.permutation(len(own)))
    else:
        own = tuple(names.draw_names(rng, names.OPTIONS, int(rng.integers(2, 5)), s.held, 0.4))
    marked = [s.mark(option) for option in own]
    on = int(rng.integers(len(own))) if chosen and talk.chance(0.3, practiced=0.6) else -1
    said = talk.listed([text for text, _ in marked])
    said = said.replace(" and ", " or ") if talk.chance(0.35) else said
    for i, (_, tag) in enumerate(marked):
        s.add(OPTION, tag, place=depth, value=ON if i == on else NONE)
    return f"{said} {talk.say('chosen', x=own[on])}" if on >= 0 else said


def deeper(depth: str) -> str:
    return DEPTHS[1] if depth == NONE else DEPTHS[DEPTHS.index(depth) + 1]


def picker(s: Sketch, depth: str = NONE) -> str:
    text, tag = s.name(names.PICKS)
    at = len(s.rows)
    many = s.talk.chance(0.1)
    s.add("ChoicePicker", tag, place=depth, look="<style multipleSelection>" if many else NONE)
    options = choices(s, deeper(depth), not many)
    assert s.rows[at].type == "ChoicePicker"
    return s.talk.say("picker", name=text, options=options) + (" " + s.talk.say("many") if many else "")


def field(s: Sketch, depth: str = NONE) -> str:
    name = names.draw_name(s.talk.rng, names.FIELDS, s.held)
    text, tag = s.mark(name)
    s.add("TextField", tag, place=depth, look=field_look(name))
    return s.talk.say("field", name=text)


def field_look(name: str) -> str:
    if name == "password":
        return "<style obscured>"
    if name in names.NUMERIC:
        return "<style number>"
    return "<style longText>" if name in names.LONG else NONE


def clock(s: Sketch, depth: str = NONE) -> str:
    day = s.talk.chance(0.4)
    text, tag = s.name(names.DEVICES + names.DEEDS + names.TIMES + names.TIMES)
    s.add("DateTimeInput", tag, place=depth, look=f"<style {'date' if day else 'time'}>")
    return s.talk.say("day" if day else "clock", name=text)


def reading(s: Sketch, depth: str = NONE) -> str:
    text, tag = s.name(names.READINGS)
    s.add(READING, tag, place=depth)
    return s.talk.say("shown", name=text)


def line(s: Sketch, depth: str = NONE) -> str:
    text, tag = s.name(names.SAYINGS)
    s.add("Text", tag, place=depth)
    return s.talk.say("line", name=text)


CONTROLS = (slider, switch, button, picker, field, clock, reading, line)
SHARES = (0.27, 0.22, 0.2, 0.12, 0.07, 0.03, 0.06, 0.03)


def control(s: Sketch, depth: str = NONE) -> str:
    return controls(s, 1, depth)[0]


def controls(s: Sketch, count: int, depth: str = NONE) -> list[str]:
    """Several, of which not all are readings: those would be a dashboard."""
    while True:
        which = [CONTROLS[i] for i in s.talk.rng.choice(len(CONTROLS), count, p=SHARES)]
        if count == 1 or set(which) != {reading}:
            return [make(s, depth) for make in which]
