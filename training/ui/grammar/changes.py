"""Requests that change a panel."""

from unmask.apps.ui.slots import (
    AFTER,
    EDIT,
    FIRST,
    LAST,
    LOWER,
    NONE,
    OFF,
    ON,
    OPTION,
    RAISE,
    REMOVE,
    TARGETS,
    Slots,
)
from unmask.apps.ui.surface import Panel, Row
from unmask.training.ui.grammar import names
from unmask.training.ui.grammar.controls import ICON_WORDS, RANGE, UNITS, control
from unmask.training.ui.grammar.panels import SENTENCE
from unmask.training.ui.grammar.phrasing import ORDER, Phrases, Talk
from unmask.training.ui.grammar.sketch import Example, Sketch

NOUNS = {
    "Slider": ("slider", "slider", "control", "knob"),
    "CheckBox": ("switch", "switch", "toggle"),
    "Button": ("button",),
    "ChoicePicker": ("picker", "menu", "choice", "options"),
    "TextField": ("field", "text field", "box"),
    "Reading": ("reading", "display", "value"),
    "DateTimeInput": ("time", "time picker"),
    "Option": ("option", "choice"),
    "Text": ("text", "title", "heading"),
    "Image": ("picture", "image"),
    "Video": ("video", "camera"),
}
ORDINALS = ("first", "second", "third", "fourth", "fifth")


def pointed(s: Sketch, panel: Panel, at: int) -> str:
    """Words for a row of the panel, from which it can be told from the others."""
    row = panel.rows[at]
    same = [i for i, each in enumerate(panel.rows) if each.type == row.type]
    noun = s.talk.one(NOUNS.get(row.type, ("thing",)))
    if len(same) == 1 and s.talk.chance(0.35) and row.type != OPTION:
        return s.talk.one((f"the {noun}", f"the {noun}", "it")) if row.type in ("Slider", "CheckBox") else f"the {noun}"
    if 1 < len(same) <= 5 and s.talk.chance(0.12) and row.type not in ("Text",):
        return s.talk.one(
            (
                f"the {ORDINALS[same.index(at)]} {noun}",
                f"the last {noun}" if at == same[-1] else f"the {ORDINALS[same.index(at)]} {noun}",
            )
        )
    label = row.label.lower()
    return s.talk.one((label, f"the {label}", f"the {label}", f"the {label} {noun}", f"{label} {noun}"))


BOUND = Phrases(
    (
        "(make|set|change) the (maximum|max) [of {it}] [to] {n} [{unit}]",
        "?{it} (should|must) go up to {n}",
        "(cap|limit) the (maximum|value) of {it} at {n}",
        "?{it} must not go (over|above) {n}",
        "?the (top|upper end|limit) of {it} should be {n}",
        "let {it} go up to {n} [{unit}]",
        "?the maximum [of {it}] (should be|is) {n}",
        "?(maximum|max) [of {it}] {n}",
        "(raise|lower|increase|reduce) the (maximum|limit) [of {it}] to {n}",
        "limit {it} to {n}",
        "?{it} (at most|no more than) {n}",
        "(use|take) {n} as the (maximum|max) [of {it}]",
    ),
    ("cap {it} at {n}", "?{it} must not exceed {n}", "?the top of {it} is {n}"),
)
FLOOR = Phrases(
    (
        "(make|set|change) the (minimum|min) [of {it}] [to] {n} [{unit}]",
        "?{it} should (start|begin) (at|from) {n}",
        "?{it} must not be (below|lower than|under) {n}",
        "?the (bottom|lower end) of {it} should be {n}",
        "?the minimum [of {it}] (should be|is) {n}",
        "?(minimum|min) [of {it}] {n}",
        "(raise|lower) the minimum [of {it}] to {n}",
        "?{it} (at least|no less than) {n}",
        "(use|take) {n} as the (minimum|min) [of {it}]",
    ),
    ("?{it} must not go below {n}", "?the bottom of {it} is {n}", "?nothing lower than {n} for {it}"),
)
SPAN = Phrases(
    ("(make|let) {it} go {range}", "change the range [of {it}] {range}", "?{it} (should|must) (go|be) {range}"),
    ("?i want {it} {range}", "rescale {it} {range}"),
)
SETTING = Phrases(
    (
        "set {it} to {n} [{unit}]",
        "(put|turn) {it} (to|on|at) {n}",
        "?{it} to {n} [{unit}]",
        "change {it} to {n}",
        "(move|shift|slide) {it} (up|down) to {n}",
        "?i want {it} at {n}",
        "make {it} {n} [{unit}]",
        "set the value [of {it}] to {n}",
        "?{it} should be [at] {n}",
        "(bring|get) {it} to {n} [{unit}]",
        "?{it} {n}",
    ),
    ("?{it} at {n} [{unit}]", "move {it} to {n}", "?i want {it} on {n}"),
)
UPWARD = Phrases(
    (
        "(bring|move) {it} up [a bit|a notch]",
        "bump up {it}",
        "turn {it} up",
        "(increase|raise) {it}",
        "turn up {it}",
        "make {it} (higher|louder|brighter|warmer)",
        "?a bit more {it}",
    ),
    ("bump {it} up", "?{it} up a notch"),
)
DOWNWARD = Phrases(
    (
        "turn {it} down",
        "(decrease|lower|reduce) {it}",
        "turn down {it}",
        "make {it} (lower|quieter|darker|cooler)",
        "?a bit less {it}",
    ),
    ("bring {it} down", "?{it} down a notch"),
)


def slide(s: Sketch, panel: Panel, at: int) -> str:
    """A change of a slider."""
    it, rng = pointed(s, panel, at), s.talk.rng
    n = float(rng.integers(0, 200)) if s.talk.chance(0.5) else float(5 * rng.integers(0, 40))
    unit, target = s.talk.one(UNITS), TARGETS[at]
    which = s.talk.one(("high", "high", "low", "range", "value", "value", "value", "up", "down"))
    alone = sum(row.type == "Slider" for row in panel.rows) == 1
    if which in ("high", "low"):
        text, tag = s.number(n)
        said = s.talk.say(BOUND if which == "high" else FLOOR, it="{it}", n=text, unit=unit)
        if "{it}" not in said and not alone:
            said += " for {it}"
        s.rows.append(Slots(place=target, low=tag) if which == "low" else Slots(place=target, high=tag))
    elif which == "range":
        (a, low), (b, high) = s.number(n), s.number(n + float(rng.integers(1, 100)))
        said = s.talk.say(SPAN, it="{it}", range=s.talk.say(RANGE, low=a, high=b, unit=unit))
        if "{it}" not in said and not alone:
            said += " for {it}"
        s.rows.append(Slots(place=target, low=low, high=high))
    elif which == "value":
        text, tag = s.number(n)
        said = s.talk.say(SETTING, it="{it}", n=text, unit=unit)
        if "{it}" not in said and not alone:
            said += " for {it}"
        s.rows.append(Slots(place=target, value=tag))
    else:
        said, value = s.talk.say(UPWARD if which == "up" else DOWNWARD, it="{it}"), NONE
        if s.talk.chance(0.4):
            text, value = s.number(float(rng.integers(1, 30)))
            said += f" by {text}"
        s.rows.append(Slots(place=target, value=value, look=f"<style {RAISE if which == 'up' else LOWER}>"))
    return said.replace("{it}", it)


TURN = Phrases(
    (
        "(put|get|have) {it} switched on",
        "?i want {it} on",
        "turn {it} on",
        "switch {it} on",
        "switch on {it}",
        "turn on {it}",
        "(enable|activate) {it}",
        "?{it} on",
    ),
    ("let {it} be on", "put {it} on"),
)


def turn(s: Sketch, panel: Panel, at: int) -> str:
    """Switch on or off; items of a list are checked off."""
    row, it = panel.rows[at], pointed(s, panel, at)
    on = s.talk.chance(0.5)
    s.rows.append(Slots(place=TARGETS[at], value=ON if on else OFF))
    if row.depth and s.talk.chance(0.7):
        label = row.label.lower()
        done = ("(check|tick) [off] {it}", "?{it} is done", "mark {it} as done", "?i (have|got|did) {it}", "?{it} done")
        return s.talk.say(done if on else ("uncheck {it}", "?{it} is not done", "untick {it}")).replace("{it}", label)
    said = s.talk.say(TURN, it="{it}")
    if not on:
        said = said.replace(" on", " off").replace("enable", "disable").replace("activate", "deactivate")
    return said.replace("{it}", it)


RENAME = Phrases(
    (
        "rename {it} [to] {new}",
        "?{it} is really called {new}",
        "give {it} (another|the) label {new}",
        "call {it} {new} [instead]",
        "(change|set) the (name|label) of {it} to {new}",
        "?{it} should be (called|named) {new}",
        "label {it} {new}",
        "name {it} {new}",
        "(make|let) {it} say {new}",
        "?{it} (is now|becomes) {new}",
        "(change|rename) {it} to {new}",
    ),
    ("?{it} is really {new}", "give {it} the name {new}", "let {it} read {new}"),
)


def rename(s: Sketch, panel: Panel, at: int) -> str:
    row = panel.rows[at]
    pools = {
        "Slider": names.LEVELS,
        "CheckBox": names.DEVICES,
        "Button": names.BUTTONS,
        "TextField": names.FIELDS,
        "Text": names.TITLES,
    }
    new, tag = s.name(pools.get(row.type, names.READINGS))
    s.rows.append(Slots(place=TARGETS[at], start=tag))
    it = pointed(s, panel, at)
    if it == "it":
        it = f"the {row.label.lower()}"
    return s.talk.say(RENAME, it=it, new=new)


DROP = Phrases(
    (
        "(remove|delete|drop) {it}",
        "take {it} (away|out|off)",
        "get rid of {it}",
        "?i don't (need|want) {it}",
        "(leave out|erase|clear) {it}",
        "?without {it}",
        "throw {it} (away|off)",
        "?{it} can go away",
        "?let's lose {it} too",
        "?no {it}",
    ),
    ("lose {it}", "?{it} can go", "throw {it} out"),
)


def drop(s: Sketch, panel: Panel, at: int) -> str:
    s.rows.append(Slots(REMOVE, TARGETS[at]))
    return s.talk.say(DROP, it=pointed(s, panel, at))


MOVE = {
    FIRST: Phrases(
        ("(move|put) {it} (first|to the top|at the top|up top)", "?{it} (first|on top)", "?{it} should be first"),
        ("start with {it}",),
    ),
    LAST: Phrases(
        ("(move|put) {it} (last|to the (end|bottom)|at the (end|bottom))", "?{it} (last|at the bottom)"), ("end with {it}",)
    ),
}


def move(s: Sketch, panel: Panel, at: int) -> str:
    where = s.talk.one((FIRST, LAST))
    s.rows.append(Slots(where, TARGETS[at]))
    return s.talk.say(MOVE[where], it=pointed(s, panel, at))


ADD = Phrases(
    (
        "add {what}",
        "?(also|and) {what}",
        "?(there should also be|we also need) {what}",
        "insert {what}",
        "(add|put in|include) {what} [too|as well]",
        "?i also (want|need) {what}",
        "give me {what} too",
    ),
    ("?there should be {what} as well", "throw in {what}", "?it needs {what}"),
)


def add(s: Sketch, panel: Panel, at: int) -> str:
    del at
    s.talk.parts_only = True
    what = control(s)
    s.talk.parts_only = False
    return s.talk.say(ADD, what=what)


MORE = Phrases(
    (
        "add {what} [to the list]",
        "(put|write) {what} on the list",
        "?{what} too",
        "?we (also|still) need {what}",
        "?and {what}",
        "?also {what}",
    ),
    ("?don't forget {what}", "?{what} is missing", "append {what}"),
)
CHOICE = Phrases(
    (
        "add [an option] {what} [as an option]",
        "add the (option|choice) {what}",
        "also offer {what}",
        "include {what} as a choice",
    ),
    ("let me also pick {what}", "?one more option {what}"),
)


def extend(s: Sketch, panel: Panel, at: int) -> str:
    """One or two more of what there is: items of a list, options of a picker."""
    row = panel.rows[at]
    if row.type == OPTION:
        text, tag = s.name(sum(names.OPTIONS, ()), 0.4)
        s.rows.append(Slots(OPTION, AFTER[at], tag))
        return s.talk.say(CHOICE, what=text)
    own = [s.mark(name) for name in names.draw_names(s.talk.rng, names.ITEMS, 1 + s.talk.chance(0.3), s.held)]
    s.rows += [Slots("CheckBox", AFTER[at], tag) for _, tag in own]
    return s.talk.say(MORE, what=s.talk.listed([text for text, _ in own]))


CHOOSE = Phrases(
    (
        "(choose|select|pick) {it}",
        "?{it} please",
        "(change|turn) [the] {holder} to {it}",
        "set (it|the {holder}) to {it}",
        "?{holder} {it}",
        "switch to {it}",
        "(take|use) {it}",
        "?i want {it}",
    ),
    ("go with {it}", "make it {it}", "?{it} it is"),
)


def choose(s: Sketch, panel: Panel, at: int) -> str:
    holder = next(row for row in panel.rows[at::-1] if row.type == "ChoicePicker")
    s.rows.append(Slots(place=TARGETS[at], value=ON))
    return s.talk.say(CHOOSE, it=panel.rows[at].label.lower(), holder=holder.label.lower() or "choice")


ICON = Phrases(
    ("(give|put) {it} a {word} icon", "add a {word} icon to {it}", "?{it} with a {word} icon"), ("?{it} needs a {word} symbol",)
)


def icon(s: Sketch, panel: Panel, at: int) -> str:
    word = s.talk.one(tuple(ICON_WORDS))
    s.rows.append(Slots(place=TARGETS[at], look=f"<icon {ICON_WORDS[word]}>"))
    return s.talk.say(ICON, it=pointed(s, panel, at), word=word)


def targets(panel: Panel) -> list[tuple[object, int, float]]:
    """(change, row, weight) of what can be asked of a panel."""
    found: list[tuple[object, int, float]] = [(add, 0, 4.0)]
    last = {row.type if not row.depth or row.type == OPTION else "item": i for i, row in enumerate(panel.rows)}
    for i, row in enumerate(panel.rows):
        found += {
            "Slider": [(slide, i, 9.0), (rename, i, 1.5), (drop, i, 1.5), (move, i, 0.7)],
            "CheckBox": [(turn, i, 3.0), (rename, i, 1.0), (drop, i, 1.0), (move, i, 0.4)],
            "Button": [(rename, i, 1.0), (drop, i, 1.0), (icon, i, 1.5)],
            "TextField": [(rename, i, 0.7), (drop, i, 0.8)],
            OPTION: [(choose, i, 1.2), (drop, i, 0.6)],
            "Text": [(rename, i, 1.5)],
            "Reading": [(drop, i, 0.6), (rename, i, 0.4)],
            "ChoicePicker": [(rename, i, 0.5)] * bool(row.label),
        }.get(row.type, [])
        if (row.type == OPTION and i == last.get(OPTION)) or (row.type == "CheckBox" and row.depth and i == last.get("item")):
            found.append((extend, i, 6.0))
    return found


def told_apart(panel: Panel, row: Row) -> bool:
    return sum(each.label.lower() == row.label.lower() for each in panel.rows) == 1


BOTH = ("{a} and {b}", "{a} and {b}", "{a}, {b}", "{a} and then {b}")


def draw_change(talk: Talk, panel: Panel) -> Example:
    """A request that changes a panel, mostly one thing."""
    s = Sketch(talk)
    possible = [each for each in targets(panel) if each[0] is add or told_apart(panel, panel.rows[each[1]])]
    weights = [each[2] for each in possible]
    count = 2 if talk.chance(0.18) and len(possible) > 3 else 1
    which = talk.rng.choice(len(possible), count, replace=False, p=[w / sum(weights) for w in weights])
    said = [possible[i][0](s, panel, possible[i][1]) for i in which]  # type: ignore[operator]
    text = said[0] if count == 1 else talk.one(BOTH).replace("{a}", said[0]).replace("{b}", said[1])
    task = "edit " + (possible[which[0]][0].__name__ if count == 1 else "two")  # type: ignore[attr-defined]
    return s.finish(EDIT, talk.say(SENTENCE[talk.mood or ORDER], x=text), panel, task)
