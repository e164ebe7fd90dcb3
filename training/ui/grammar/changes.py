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
from unmask.training.ui.grammar.controls import ICON_WORDS, UNITS, control, said_range
from unmask.training.ui.grammar.phrasing import Talk
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


def slide(s: Sketch, panel: Panel, at: int) -> str:
    """A change of a slider."""
    it, rng = pointed(s, panel, at), s.talk.rng
    n = float(rng.integers(0, 200)) if s.talk.chance(0.5) else float(5 * rng.integers(0, 40))
    unit, target = s.talk.one(UNITS), TARGETS[at]
    which = s.talk.one(("high", "high", "low", "range", "value", "value", "value", "up", "down"))
    alone = sum(row.type == "Slider" for row in panel.rows) == 1
    if which in ("high", "low"):
        text, tag = s.number(n)
        said = s.talk.say("bound" if which == "high" else "floor", it="{it}", n=text, unit=unit)
        if "{it}" not in said and not alone:
            said += " for {it}"
        s.rows.append(Slots(place=target, low=tag) if which == "low" else Slots(place=target, high=tag))
    elif which == "range":
        span, low, high = said_range(s, n, n + float(rng.integers(1, 100)), unit)
        said = s.talk.say("span", it="{it}", range=span)
        if "{it}" not in said and not alone:
            said += " for {it}"
        s.rows.append(Slots(place=target, low=low, high=high))
    elif which == "value":
        text, tag = s.number(n)
        said = s.talk.say("setting", it="{it}", n=text, unit=unit)
        if "{it}" not in said and not alone:
            said += " for {it}"
        s.rows.append(Slots(place=target, value=tag))
    else:
        said, value = s.talk.say("upward" if which == "up" else "downward", it="{it}"), NONE
        if s.talk.chance(0.4):
            text, value = s.number(float(rng.integers(1, 30)))
            said += f" by {text}"
        s.rows.append(Slots(place=target, value=value, look=f"<style {RAISE if which == 'up' else LOWER}>"))
    return said.replace("{it}", it)


def turn(s: Sketch, panel: Panel, at: int) -> str:
    """Switch on or off; items of a list are checked off."""
    row, it = panel.rows[at], pointed(s, panel, at)
    on = s.talk.chance(0.5)
    s.rows.append(Slots(place=TARGETS[at], value=ON if on else OFF))
    if row.depth and s.talk.chance(0.7):
        label = row.label.lower()
        done = ("(check|tick) [off] {it}", "?{it} is done", "mark {it} as done", "?i (have|got|did) {it}", "?{it} done")
        return s.talk.say(done if on else ("uncheck {it}", "?{it} is not done", "untick {it}")).replace("{it}", label)
    said = s.talk.say("turn", it="{it}")
    if not on:
        said = said.replace(" on", " off").replace("enable", "disable").replace("activate", "deactivate")
    return said.replace("{it}", it)


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
    return s.talk.say("rename", it=by_name(s, panel, at), new=new)


def by_name(s: Sketch, panel: Panel, at: int) -> str:
    """Words for a row, but not "it", which may as well be the whole panel."""
    it = pointed(s, panel, at)
    return f"the {panel.rows[at].label.lower()}" if it == "it" else it


def drop(s: Sketch, panel: Panel, at: int) -> str:
    s.rows.append(Slots(REMOVE, TARGETS[at]))
    return s.talk.say("drop", it=by_name(s, panel, at))


def move(s: Sketch, panel: Panel, at: int) -> str:
    where = s.talk.one((FIRST, LAST))
    s.rows.append(Slots(where, TARGETS[at]))
    return s.talk.say("move_first" if where == FIRST else "move_last", it=pointed(s, panel, at))


def add(s: Sketch, panel: Panel, at: int) -> str:
    del at
    s.talk.parts_only = True
    what = control(s)
    s.talk.parts_only = False
    return s.talk.say("add", what=what)


def extend(s: Sketch, panel: Panel, at: int) -> str:
    """One or two more of what there is: items of a list, options of a picker."""
    row = panel.rows[at]
    if row.type == OPTION:
        text, tag = s.name(names.OPTIONS, 0.4)
        s.rows.append(Slots(OPTION, AFTER[at], tag))
        return s.talk.say("choice", what=text)
    own = [s.mark(name) for name in names.draw_names(s.talk.rng, names.ITEMS, 1 + s.talk.chance(0.3), s.held)]
    s.rows += [Slots("CheckBox", AFTER[at], tag) for _, tag in own]
    return s.talk.say("more", what=s.talk.listed([text for text, _ in own]))


def choose(s: Sketch, panel: Panel, at: int) -> str:
    holder = next(row for row in panel.rows[at::-1] if row.type == "ChoicePicker")
    s.rows.append(Slots(place=TARGETS[at], value=ON))
    return s.talk.say("choosing", it=panel.rows[at].label.lower(), holder=holder.label.lower() or "choice")


def icon(s: Sketch, panel: Panel, at: int) -> str:
    word = s.talk.one(tuple(ICON_WORDS))
    s.rows.append(Slots(place=TARGETS[at], look=f"<icon {ICON_WORDS[word]}>"))
    return s.talk.say("icon", it=pointed(s, panel, at), word=word)


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
    count = 2 if talk.chance(0.18, practiced=0.3) and len(possible) > 3 else 1
    which = talk.rng.choice(len(possible), count, replace=False, p=[w / sum(weights) for w in weights])
    said = [possible[i][0](s, panel, possible[i][1]) for i in which]  # type: ignore[operator]
    text = said[0] if count == 1 else talk.one(BOTH).replace("{a}", said[0]).replace("{b}", said[1])
    task = "edit " + (possible[which[0]][0].__name__ if count == 1 else "two")  # type: ignore[attr-defined]
    return s.finish(EDIT, talk.whole(text, "order"), panel, task)
