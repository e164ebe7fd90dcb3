"""Requests for new panels, with the panels: one function for each kind."""

from unmask.apps.ui.slots import DEPTHS, NEW, READING
from unmask.training.ui.grammar import names
from unmask.training.ui.grammar.appliances import alarm, alone, dimmer, pick, player, sliders, switches, thermostat, timer
from unmask.training.ui.grammar.controls import controls, field_look
from unmask.training.ui.grammar.phrasing import Talk
from unmask.training.ui.grammar.sketch import Example, Sketch
from unmask.training.ui.grammar.titles import HEAD, buttons, expanded, fused

BOARDS = ("board", "overview", "summary", "status", "screen", "page", "panel", "table", "grid")  # not for a single reading
CHAINED = 0.25  # share of controls with a phrase before each: "a slider plus a switch and below it a button"
FIRST_ADDED = 0.05  # share of first panels that are asked for as if there was one: "add a slider"


def form(s: Sketch) -> str:
    name, tag = s.name(names.FORMS)
    own = names.draw_names(s.talk.rng, names.FIELDS, int(s.talk.rng.integers(1, 6)), s.held)
    marked = [s.mark(field) for field in own]
    s.add("Text", tag, look=HEAD)
    for field, (_, start) in zip(own, marked, strict=True):
        s.add("TextField", start, look=field_look(field))
    said = s.talk.say("form", name=name, fields=s.talk.listed([text for text, _ in marked]))
    if s.talk.chance(0.45):
        text, start = s.name(names.BUTTONS, 0.2)
        s.add("Button", start, look="<style primary>")
        return f"{said} {s.talk.say('and')} {s.talk.part('button', name=text)}"
    s.add("Button", "Submit", look="<style primary>")
    return said


def login(s: Sketch) -> str:
    text, tag = s.mark(s.talk.one(("login", "login form", "log in", "login screen", "sign in", "sign in form")))
    s.add("Text", tag, look=HEAD)
    s.add("TextField", "Email")
    s.add("TextField", "Password", look="<style obscured>")
    s.add("Button", "Log in", look="<style primary>")
    return f"a {text}"


def todo(s: Sketch) -> str:
    name = s.name(names.LISTS)
    items = [s.mark(item) for item in names.draw_names(s.talk.rng, names.ITEMS, int(s.talk.rng.integers(1, 7)), s.held)]
    said, title = fused(s, s.talk.say("listed", items=s.talk.listed([text for text, _ in items])), name, "list", "List")
    s.add("Text", title, look=HEAD)
    s.add("List")
    for _, start in items:
        s.add("CheckBox", start, place=DEPTHS[1])
    return said


def dashboard(s: Sketch) -> str:
    own = [s.mark(name) for name in names.draw_names(s.talk.rng, names.READINGS, int(s.talk.rng.integers(1, 6)), s.held)]
    the = s.talk.one(("", "the ", "current "))
    listed = s.talk.listed([the + text for text, _ in own])
    said, title = fused(s, s.talk.say("dash", list=listed), s.name(names.ROOMS), "dashboard", "Dashboard")
    if len(own) == 1 and title == "Dashboard" and not any(word in said for word in BOARDS):
        s.add(READING, own[0][1])  # "show the temperature"
        return said
    s.add("Text", title, look=HEAD)
    s.add("Row")
    for _, start in own:
        s.add(READING, start, place=DEPTHS[1])
    return said


def mixed(s: Sketch) -> str:
    """Different controls, with a title or without."""
    count = int(s.talk.rng.choice([1, 2, 3, 4, 5], p=[0.15, 0.35, 0.25, 0.15, 0.1]))
    title = s.talk.chance(0.5)
    if title:
        text, tag = s.name(names.TITLES + names.ROOMS + names.DEVICES)
        s.add("Text", tag, look=HEAD)
    s.talk.parts_only = title or count > 1
    parts = controls(s, count)
    s.talk.parts_only = False
    listed = s.talk.chained(parts) if s.talk.chance(CHAINED) else s.talk.listed(parts)
    return s.talk.say("mixed", title=text, list=listed) if title else listed


def confirmation(s: Sketch) -> str:
    text, tag = s.name(names.DEEDS)
    said = s.talk.say("confirm", deed=text)
    s.add("Text", tag, look=HEAD)
    s.add("Row")
    yes, no = "Yes", "No"
    if s.talk.chance(0.25):
        (a, yes), (b, no) = (s.mark(name) for name in names.draw_names(s.talk.rng, names.BUTTONS, 2, s.held))
        said += s.talk.one((f" with {a} and {b}", f" with the buttons {a} and {b}", f" with {a} and {b} buttons"))
    s.add("Button", yes, place=DEPTHS[1], look="<style primary>")
    s.add("Button", no, place=DEPTHS[1])
    return said


def notice(s: Sketch) -> str:
    text, tag = s.name(names.SAYINGS)
    s.add("Text", tag, look=HEAD)
    return expanded(
        s,
        s.talk.one(
            (
                *(
                    "a (message|note|sign|notice) (saying|that says|reading) {t}",
                    "the (message|words|text) {t}",
                    "the sentence {t}",
                ),
                *("[just] the words {t} [in big]", "a (big|large) (sign|text|headline) {t}", "{t} as a (message|text|headline)"),
                *("a sign with [the words] {t}", "a (poster|banner|label) (saying|that reads) {t}", "(text|message|sign) {t}"),
            )
        ),
    ).replace("{t}", text)


def remote(s: Sketch) -> str:
    """A row of buttons."""
    own = [s.mark(name) for name in names.draw_names(s.talk.rng, names.BUTTONS, int(s.talk.rng.integers(2, 6)), s.held)]
    listed = s.talk.listed([text for text, _ in own])
    s.add("Row")
    for _, tag in own:
        s.add("Button", tag, place=DEPTHS[1])
    return (
        expanded(
            s,
            s.talk.one(
                (
                    *(
                        "[a row of|{n}] buttons for {l}",
                        "buttons {l}",
                        "[a row of] buttons (called|labeled|saying) {l}",
                        "{l} buttons",
                    ),
                    *(
                        "[a line of|{n}] (keys|push buttons) for {l}",
                        "{l} as [{n}] buttons",
                        "(the|[{n}]) buttons {l} [in a row]",
                    ),
                    *("a (remote|remote control|keypad|button bar) with {l}", "[{n}] buttons (with|that say|marked|named) {l}"),
                    *("a button each for {l}", "a row (of|with) {l} buttons", "(keys|buttons) to press for {l}"),
                )
            ),
        )
        .replace("{l}", listed)
        .replace("{n}", str(len(own)))
    )


def view(s: Sketch) -> str:
    kind, words = (("Video", ("camera", "video", "live view")), ("Image", ("picture", "photo", "image")))[int(s.talk.chance(0.4))]
    name, tag = s.name(names.VIEWS)
    word = s.talk.one(words)
    bare = name[name.index("\x02") + 1 : -1]
    if s.talk.chance(0.5):
        text, tag = s.mark(f"{bare} {word}")
        said = f"the {text}"
    else:
        said = s.talk.one((f"a {word} of the {name}", f"the {word} of the {name}", f"a {word} from the {name}"))
    s.add(kind, tag)
    return said + buttons(s, 0.25)


KINDS = {
    **{thermostat: 9, dimmer: 4, sliders: 9, switches: 9, pick: 8, timer: 5, alarm: 5, player: 5, form: 7, login: 1, todo: 7},
    **{dashboard: 6, mixed: 26, confirmation: 4, notice: 2, remote: 4, view: 2, alone: 3},
}
PRACTICED = {mixed: 1.7, pick: 1.6, dashboard: 1.4, todo: 1.3, form: 1.2, thermostat: 0.5, dimmer: 0.5, timer: 0.7, alarm: 0.7}
"""How much more often training draws a kind: those that are learned first less often, and longer ones more."""


def draw_panel(talk: Talk, first: bool = False) -> Example:
    """A request for a new panel. first: nothing is shown yet."""
    kinds = list(KINDS)
    weights = [KINDS[each] * (1 if talk.held else PRACTICED.get(each, 1)) for each in kinds]
    make = kinds[int(talk.rng.choice(len(kinds), p=[w / sum(weights) for w in weights]))]
    s = Sketch(talk)
    what = make(s)
    asked = "add" if first and talk.chance(FIRST_ADDED) else "ask"
    return s.finish(NEW, talk.whole(what, asked), None, f"new {make.__name__}")
