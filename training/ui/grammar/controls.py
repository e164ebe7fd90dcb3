"""Single controls of a panel, each as a noun phrase of a request and as rows of the answer."""

from unmask.apps.ui.slots import DEPTHS, ICONS, NONE, ON, OPTION, READING
from unmask.training.ui.grammar import names
from unmask.training.ui.grammar.phrasing import Phrases
from unmask.training.ui.grammar.sketch import Sketch

RANGES = (
    *((0, 100), (10, 30), (5, 35), (16, 28), (0, 10), (1, 10), (0, 255), (15, 25), (0, 50), (20, 80), (18, 26), (0, 1), (1, 5)),
    *((-10, 40), (-20, 60), (0, 180), (100, 500), (200, 2000), (0.5, 2.5), (30, 90), (40, 120), (2, 8), (0, 3), (50, 150)),
)
RANGE = Phrases(
    (
        "from {low} to {high} [{unit}]",
        "between {low} and {high} [{unit}]",
        "(going|that goes|which goes|ranging) from {low} to {high} [{unit}]",
        "with a (minimum|min) of {low} and a (maximum|max) of {high} [{unit}]",
        "[with a range of] {low} to {high} [{unit}]",
        "from {low} {unit} to {high} {unit}",
        "with a range from {low} to {high}",
        "minimum {low} maximum {high}",
        "(never|not) (below|under|lower than) {low} (or|and) (above|over|higher than) {high}",
        "the lowest is {low} and the highest [is] {high}",
        "(starting|running|beginning) (at|from) {low} and (ending|stopping) at {high}",
        "(starting|that starts) at {low} and (going|that goes) [up] to {high}",
        "limited to {low} to {high} [{unit}]",
        "{low} {unit} to {high} {unit}",
        "{low} through {high}",
        "(with|in) the range {low} to {high}",
    ),
    (
        "(running|starting) from {low} and ending at {high} [{unit}]",
        "anywhere between {low} and {high} [{unit}]",
        "with {low} as the lowest and {high} as the highest [value]",
        "no lower than {low} and no higher than {high}",
        "{low} up to {high} [{unit}]",
    ),
)
TOP = Phrases(
    (
        "up to {high} [{unit}]",
        "with a (maximum|max) of {high}",
        "to {high} [{unit}] (max|maximum|at most)",
        "(max|maximum) {high}",
    ),
    ("that stops at {high}", "with {high} as the top", "no more than {high}"),
)
VALUE = Phrases(
    (
        "set to {value}",
        "(starting|start) at {value}",
        "preset (at|on) {value}",
        "which begins at {value}",
        "at {value}",
        "[currently] on {value}",
        "with [a] value [of] {value}",
        "initially {value}",
        "with a default of {value}",
        "(beginning|begin) (at|with) {value}",
        "default {value}",
    ),
    ("with {value} as the default", "that begins at {value}", "preset to {value}"),
)
SLIDER = Phrases(
    (
        "a slider for [the] {name}",
        "a (fader|slide control|slide) (called|labeled|to set) {name}",
        "[a] {name} (fader|regulator|slide control)",
        "(something|a way) to (set|change|control) the {name}",
        "?i want to (regulate|adjust) the {name}",
        "a {name} slider",
        "[a] {name} slider",
        "a slider (called|named|labeled) {name}",
        "a {name} (control|knob|dial|bar)",
        "a (knob|dial) for [the] {name}",
        "a slider to (set|change|adjust|control) [the] {name}",
        "a slider (that controls|which sets|controlling|setting) [the] {name}",
        "[a] {name} (level|range|regulator|setting)",
        "!let me (adjust|change|set) the {name} with a slider",
        "?i want to (adjust|change|set) the {name} with a slider",
        "an adjustable {name}",
    ),
    ("something to adjust the {name}", "a slide control for {name}", "a way to regulate the {name}", "a fader for [the] {name}"),
)
SWITCH = Phrases(
    (
        "a switch for [the] {name}",
        "a way to switch [the] {name} [on and off]",
        "a button to turn the {name} on and off",
        "a {name} switch",
        "[a] {name} (switch|toggle)",
        "a toggle for [the] {name}",
        "a switch (called|named|labeled) {name}",
        "a (check box|checkbox|tick box) for [the] {name}",
        "an on off switch for [the] {name}",
        "a switch to turn the {name} on and off",
        "[a] {name} on [and] off [switch]",
        "!let me (switch|turn) the {name} on and off",
        "a switch (that controls|which turns on|controlling) [the] {name}",
        "(something|a control) to turn [the] {name} on [or off]",
    ),
    ("a way to turn the {name} on and off", "something to switch the {name}", "an on and off button for the {name}"),
)
IS_ON = Phrases(("turned on", "that is on", "switched on", "on by default", "already on"), ("which starts out on", "enabled"))
BUTTON = Phrases(
    (
        "a {name} button",
        "a (big|push|large|small) button (called|labeled|saying) {name}",
        "something to press (called|labeled) {name}",
        "[a] {name} button",
        "a button (called|labeled|named) {name}",
        "a button (that says|saying|with the text) {name}",
        "a button to {name}",
        "a button which (says|reads) {name}",
        "(the|one) button {name}",
        "a {name} (key|push button)",
    ),
    ("a push button reading {name}", "a big {name} button", "a button for {name}"),
)
PICKER = Phrases(
    (
        "a {name} (picker|selector|menu|dropdown) with {options}",
        "a (chooser|way to choose) for the {name} with {options}",
        "a {name} menu (that offers|which offers|offering) {options}",
        "a choice of {name} (between|with|from) {options}",
        "a (picker|selector|menu|dropdown) for [the] {name} with [the options] {options}",
        "{name} (options|choices) {options}",
        "a {name} picker (offering|having|with the options) {options}",
        "a (selection|choice) for [the] {name} {options}",
        "!let me (choose|pick|select) the {name} from {options}",
        "a {name} (choice|selection|list) (of|between|with) {options}",
        "a (way|control) to (choose|select) the {name} from {options}",
        "a dropdown (called|named) {name} with {options}",
        "?{name} (is either|can be) {options}",
    ),
    ("a {name} chooser that offers {options}", "a way to pick the {name} {options}", "{name} which can be {options}"),
)
MANY = Phrases(
    ("several can be chosen", "allow several", "more than one can be picked", "multiple choice"),
    ("any number of them", "where i can tick many"),
)
FIELD = Phrases(
    (
        "a [text] field for [the] {name}",
        "a {name} (field|box|input)",
        "(somewhere|a place) to (put|write|type) (the|my) {name}",
        "a (blank|place|line) (called|labeled) {name}",
        "?people (enter|type) their {name}",
        "[a] {name} field",
        "a text (field|box|input) (called|for|labeled) {name}",
        "an (entry|input) for [the] {name}",
        "a (space|line|spot) for (the|my|your) {name}",
        "!let me (type|enter|write) [in] (the|my|a) {name}",
    ),
    ("a place to type the {name}", "somewhere to enter [my] {name}", "a blank for the {name}"),
)
CLOCK = Phrases(
    (
        "a (clock|time) (setting|control|input) (called|labeled) {name}",
        "a time picker for [the] {name}",
        "a {name} time picker",
        "a time (field|input) (called|for) {name}",
    ),
    ("a way to set the time of {name}", "a clock setting for {name}"),
)
DAY = Phrases(
    (
        "a (calendar|day) (setting|control|input) (called|labeled) {name}",
        "a date picker for [the] {name}",
        "a {name} date [picker]",
        "a date (field|input) (called|for) {name}",
    ),
    ("a way to choose the day of {name}", "a calendar for {name}"),
)
SHOWN = Phrases(
    (
        "a (reading|display|readout) (of|for) [the] {name}",
        "the [current] {name}",
        "a (live|current) {name} (reading|display)",
        "a (meter|monitor) for the {name}",
        "!show how much {name} we have",
        "a {name} (reading|display|readout|gauge|meter)",
        "!(show|display) the {name}",
        "a display (showing|with|that shows) [the] {name}",
        "the {name} (value|now)",
        "a {name} indicator",
    ),
    ("a meter showing the {name}", "!show how much {name} there is", "a live {name} value"),
)
LINE = Phrases(
    ("a (text|line|label|note) (saying|that says|reading) {name}", "the (text|words|message) {name}"),
    ("a caption with {name}", "a notice that reads {name}"),
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
UNITS = ("degrees", "percent", "degrees celsius", "volts", "watts", "meters", "seconds", "liters", "hertz", "watts", "degrees")


def slider(s: Sketch, depth: str = NONE, levels: tuple[str, ...] = names.LEVELS) -> str:
    if s.talk.chance(0.06):
        return s.talk.one(("a slider", "a slider", "a knob", "a dial")) + ranged(s, NONE, depth, 0.9)
    text, tag = s.name(levels)
    said = s.talk.say(SLIDER, name=text)
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
            said = talk.say(TOP, high=text, unit=unit)
            low = NONE
        else:
            (text, low), (other, high) = s.number(a), s.number(b)
            said = talk.say(RANGE, low=text, high=other, unit=unit)
    if talk.chance(0.18):
        text, value = s.number(round(a + (b - a) * float(rng.random())))
        said += " " + talk.say(VALUE, value=text)
    s.add("Slider", start, place=depth, low=low, high=high, value=value)
    return f" {said}"


def switch(s: Sketch, depth: str = NONE) -> str:
    text, tag = s.name(names.DEVICES)
    on = s.talk.chance(0.12)
    s.add("CheckBox", tag, place=depth, value=ON if on else NONE)
    return s.talk.say(SWITCH, name=text) + (" " + s.talk.say(IS_ON) if on else "")


def button(s: Sketch, depth: str = NONE, style: str = NONE) -> str:
    text, tag = s.name(names.BUTTONS, 0.1)
    said, look = s.talk.say(BUTTON, name=text), style
    if s.talk.chance(0.2):
        word = s.talk.one(tuple(ICON_WORDS))
        said += s.talk.one((f" with a {word} icon", f" with a {word} symbol", f" with the {word} icon"))
        look = f"<icon {ICON_WORDS[word]}>"
        assert ICON_WORDS[word] in ICONS
    s.add("Button", tag, place=depth, look=look)
    return said


CHOSEN = (" with {x} selected", " set to {x}", " starting with {x}", " with {x} chosen")


def choices(s: Sketch, depth: str, chosen: bool = True) -> str:
    """Add options, and say them."""
    rng, talk = s.talk.rng, s.talk
    if talk.chance(0.65):
        sets = names.part(names.OPTIONS, s.held)
        own = sets[rng.integers(len(sets))]
        if talk.chance(0.3):
            own = tuple(own[i] for i in rng.permutation(len(own)))
    else:
        own = tuple(names.draw_names(rng, sum(names.OPTIONS, ()), int(rng.integers(2, 5)), s.held, 0.4))
    marked = [s.mark(option) for option in own]
    on = int(rng.integers(len(own))) if chosen and talk.chance(0.25) else -1
    said = talk.listed([text for text, _ in marked])
    said = said.replace(" and ", " or ") if talk.chance(0.35) else said
    for i, (_, tag) in enumerate(marked):
        s.add(OPTION, tag, place=depth, value=ON if i == on else NONE)
    return said + (talk.one(CHOSEN).replace("{x}", own[on]) if on >= 0 else "")


def deeper(depth: str) -> str:
    return DEPTHS[1] if depth == NONE else DEPTHS[DEPTHS.index(depth) + 1]


def picker(s: Sketch, depth: str = NONE) -> str:
    text, tag = s.name(names.PICKS)
    at = len(s.rows)
    many = s.talk.chance(0.1)
    s.add("ChoicePicker", tag, place=depth, look="<style multipleSelection>" if many else NONE)
    options = choices(s, deeper(depth), not many)
    assert s.rows[at].type == "ChoicePicker"
    return s.talk.say(PICKER, name=text, options=options) + (" " + s.talk.say(MANY) if many else "")


def field(s: Sketch, depth: str = NONE) -> str:
    name = names.draw_name(s.talk.rng, names.FIELDS, s.held)
    text, tag = s.mark(name)
    s.add("TextField", tag, place=depth, look=field_look(name))
    return s.talk.say(FIELD, name=text)


def field_look(name: str) -> str:
    if name == "password":
        return "<style obscured>"
    if name in names.NUMERIC:
        return "<style number>"
    return "<style longText>" if name in names.LONG else NONE


def clock(s: Sketch, depth: str = NONE) -> str:
    day = s.talk.chance(0.4)
    text, tag = s.name(names.DEVICES + names.DEEDS + ("departure", "arrival", "wake up", "start", "end", "dinner", "pickup"))
    s.add("DateTimeInput", tag, place=depth, look=f"<style {'date' if day else 'time'}>")
    return s.talk.say(DAY if day else CLOCK, name=text)


def reading(s: Sketch, depth: str = NONE) -> str:
    text, tag = s.name(names.READINGS)
    s.add(READING, tag, place=depth)
    return s.talk.say(SHOWN, name=text)


def line(s: Sketch, depth: str = NONE) -> str:
    text, tag = s.name(names.SAYINGS)
    s.add("Text", tag, place=depth)
    return s.talk.say(LINE, name=text)


CONTROLS = (slider, switch, button, picker, field, clock, reading, line)
SHARES = (0.27, 0.22, 0.2, 0.12, 0.07, 0.03, 0.06, 0.03)


def control(s: Sketch, depth: str = NONE) -> str:
    which = int(s.talk.rng.choice(len(CONTROLS), p=SHARES))
    return CONTROLS[which](s, depth)
