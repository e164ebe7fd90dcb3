"""Requests for new panels, with the panels: one function for each kind."""

from unmask.apps.ui.slots import DEPTHS, NEW, READING
from unmask.training.ui.grammar import names
from unmask.training.ui.grammar.appliances import alarm, dimmer, pick, player, sliders, switches, thermostat, timer
from unmask.training.ui.grammar.controls import BUTTON, control, field_look
from unmask.training.ui.grammar.phrasing import ORDER, STATEMENT, Phrases, Talk
from unmask.training.ui.grammar.sketch import Example, Sketch
from unmask.training.ui.grammar.titles import AND, HEAD, buttons, expanded, fused

ASK = Phrases(
    (
        "(show|give|get|make|build|draw) [me] {what} [please]",
        "[please] (show|display|open|create|make) {what}",
        "i (want|need|would like|'d like) {what}",
        "(can|could) you (show|make|give|draw) [me] {what}",
        "{what}",
        "{what} please",
        "put {what} on the (screen|display|panel)",
        "(we need|let's have|let me have|i want to see) {what}",
        "(hey|ok|okay|so|well) [please] (show|give) [me] {what}",
        "i want a (panel|screen|page) with {what}",
        "(let me see|just|now) {what}",
        "(i'd like|i would like|we would like) to (have|see|get) {what}",
        "(there should be|we could use|i could use|i am looking for) {what}",
        "[please] (render|generate|prepare|design|start) {what} [for me]",
        "(will you|can you) (show|make) me {what}",
        "(can|may) i (have|get) {what}",
        "a (panel|screen|page) (with|that has|containing) {what}",
        "{what} (for me|on the screen|right here|if you can)",
    ),
    (
        "could i (get|have) {what}",
        "bring up {what}",
        "set up {what} for me",
        "how about {what}",
        "would you (display|put up) {what}",
        "i'd love to have {what} here",
        "time for {what}",
    ),
)


FORM = Phrases(
    (
        "a {name} form (with|for|asking for) {fields}",
        "a {name} form with [fields for] {fields}",
        "a form (called|named) {name} with {fields}",
        "a {name} sheet with {fields}",
        "!collect {fields} for the {name} form",
        "?people enter {fields} in a form for {name}",
        "a form for {name} with {fields}",
        "a {name} (page|screen) (with|asking for) {fields}",
        "[a] {name} form {fields}",
        "a {name} form (containing|where i enter|that has) {fields}",
    ),
    ("a {name} sheet where people enter {fields}", "!collect {fields} in a {name} form"),
)


def form(s: Sketch) -> str:
    name, tag = s.name(names.FORMS)
    own = names.draw_names(s.talk.rng, names.FIELDS, int(s.talk.rng.integers(1, 6)), s.held)
    marked = [s.mark(field) for field in own]
    s.add("Text", tag, look=HEAD)
    for field, (_, start) in zip(own, marked, strict=True):
        s.add("TextField", start, look=field_look(field))
    said = s.talk.say(FORM, name=name, fields=s.talk.listed([text for text, _ in marked]))
    if s.talk.chance(0.45):
        text, start = s.name(names.BUTTONS, 0.1)
        s.add("Button", start, look="<style primary>")
        return f"{said} {s.talk.say(AND)} {s.talk.say(BUTTON, name=text)}"
    s.add("Button", "Submit", look="<style primary>")
    return said


def login(s: Sketch) -> str:
    text, tag = s.mark(s.talk.one(("login", "login form", "log in", "login screen", "sign in", "sign in form")))
    s.add("Text", tag, look=HEAD)
    s.add("TextField", "Email")
    s.add("TextField", "Password", look="<style obscured>")
    s.add("Button", "Log in", look="<style primary>")
    return f"a {text}"


LISTED = Phrases(
    (
        "a {name} list with {items}",
        "a {name} list that has {items}",
        "!write {items} on (my|the|a) {name} list",
        "a {name} list (containing|of|for|saying) {items}",
        "[my] {name} list {items}",
        "a list (called|named) {name} with {items}",
        "a (checklist|check list|list) for {name} with {items}",
        "!put {items} on (my|the|a) {name} list",
        "a {name} list where i can tick off {items}",
    ),
    ("{items} on a {name} list", "a {name} list that has {items} on it", "!write down {items} as a {name} list"),
)


def todo(s: Sketch) -> str:
    name = s.name(names.LISTS)
    items = [s.mark(item) for item in names.draw_names(s.talk.rng, names.ITEMS, int(s.talk.rng.integers(1, 7)), s.held)]
    said, title = fused(s, s.talk.say(LISTED, items=s.talk.listed([text for text, _ in items])), name, "list", "List")
    s.add("Text", title, look=HEAD)
    s.add("List")
    for _, start in items:
        s.add("CheckBox", start, place=DEPTHS[1])
    return said


DASH = Phrases(
    (
        "a [{name}] dashboard (with|of|showing|for) {list}",
        "a status (page|screen|board) with {list}",
        "a (monitor|display|page) (showing|with) {list}",
        "!(read out|let me watch) {list}",
        "a dashboard (with|for) {list} [please]",
        "!(show|display) [the] {list}",
        "an overview of {list}",
        "a (board|screen) (showing|that shows) {list}",
        "?i want to (see|watch) {list}",
    ),
    ("a display that reads out {list}", "!let me see {list} at a glance", "a monitor for {list}"),
)


def dashboard(s: Sketch) -> str:
    own = [s.mark(name) for name in names.draw_names(s.talk.rng, names.READINGS, int(s.talk.rng.integers(1, 6)), s.held)]
    the = s.talk.one(("", "the ", "current "))
    listed = s.talk.listed([the + text for text, _ in own])
    said, title = fused(s, s.talk.say(DASH, list=listed), s.name(names.ROOMS), "dashboard", "Dashboard")
    s.add("Text", title, look=HEAD)
    s.add("Row")
    for _, start in own:
        s.add(READING, start, place=DEPTHS[1])
    return said


MIXED = Phrases(
    (
        "a (panel|screen|page) (called|named|titled) {title} with {list}",
        "a {title} (panel|screen|page) with {list}",
        "{title} settings with {list}",
        "a {title} board with {list}",
        "one (page|panel) (called|for) {title} holding {list}",
        "a (panel|page) for [the] {title} with {list}",
        "controls for [the] {title} {list}",
        "a (panel|screen) for [the] {title} that has {list}",
        "[the] {title} with {list}",
    ),
    ("a {title} board that has {list}", "one page about {title} holding {list}"),
)


def mixed(s: Sketch) -> str:
    """Different controls, with a title or without."""
    count = int(s.talk.rng.choice([1, 2, 3, 4, 5], p=[0.15, 0.35, 0.25, 0.15, 0.1]))
    title = s.talk.chance(0.5)
    if title:
        text, tag = s.name(names.TITLES + names.ROOMS + names.DEVICES)
        s.add("Text", tag, look=HEAD)
    s.talk.parts_only = title or count > 1
    parts = [control(s) for _ in range(count)]
    s.talk.parts_only = False
    listed = s.talk.listed(parts)
    return s.talk.say(MIXED, title=text, list=listed) if title else listed


CONFIRM = Phrases(
    (
        "!ask [me] (whether|if) (to|i should|we should) {deed}",
        "a confirmation to {deed}",
        "!ask for confirmation (before you|to) {deed}",
        "!ask [me] to confirm {deed}",
        "?confirm {deed}",
        "!(make sure|double check) before (you|we) {deed}",
        "a yes or no (card|question) whether to {deed}",
        "!(check|ask) if i really want to {deed}",
        "?(should i|do you want to|shall we) {deed}",
        "a (question|dialog|card) (whether|asking) to {deed}",
    ),
    ("!make sure i want to {deed}", "a yes or no question {deed}", "!double check before you {deed}"),
)


def confirmation(s: Sketch) -> str:
    text, tag = s.name(names.DEEDS)
    said = s.talk.say(CONFIRM, deed=text)
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
            ("a (message|note|sign|notice) (saying|that says|reading) {t}", "the (message|words|text) {t}", "the sentence {t}")
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
                ("[a row of|{n}] buttons for {l}", "buttons {l}", "[a row of] buttons (called|labeled|saying) {l}", "{l} buttons")
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
    **{dashboard: 6, mixed: 26, confirmation: 4, notice: 2, remote: 4, view: 2},
}


SENTENCE = {
    ORDER: Phrases(
        ("{x}", "{x}", "{x} please", "[please|now] {x}", "(can|could) you {x}", "(ok|okay|now|hey|so) {x}", "{x} for me"),
        ("would you {x}", "i'd like you to {x}", "go ahead and {x}"),
    ),
    STATEMENT: Phrases(("{x}", "{x}", "{x} please", "(ok|okay|now|hey|so|well) {x}"), ("hmm {x}", "listen {x}")),
}


def draw_panel(talk: Talk, kind: object = None) -> Example:
    """A request for a new panel."""
    kinds = list(KINDS)
    weights = [KINDS[each] for each in kinds]
    make = kinds[int(talk.rng.choice(len(kinds), p=[w / sum(weights) for w in weights]))]
    s = Sketch(talk)
    what = make(s)
    said = talk.say(SENTENCE[talk.mood], x=what) if talk.mood else talk.say(ASK, what=what)
    return s.finish(NEW, said, None, f"new {make.__name__}")
