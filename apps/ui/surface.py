"""A panel as rows, and what a filled canvas makes of it: a new panel, or the present one with what an edit changes.

Whatever fills a canvas makes a sound panel: what contradicts itself is left out or set right. Knows no protocol.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from unmask.apps.ui import slots
from unmask.apps.ui.slots import AFTER, DEPTHS, LABELS, NONE, OPTION, POINTERS, READING, TARGETS, Filled, Slots
from unmask.apps.ui.words import Word, label_of

HOLDERS = ("Row", "Column", "List", "Card", "Tabs", "Modal")  # hold the deeper rows after them
INPUTS = ("Slider", "CheckBox", "ChoicePicker", "TextField", "DateTimeInput")
DEFAULT_LABELS = {"Slider": "Value", "CheckBox": "Switch", "TextField": "Text", "Button": "OK"}
UNNAMED = ("Divider", "Icon", *HOLDERS)
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "caption", "body")
STYLED = {
    **{"Text": HEADINGS, "Button": ("primary", "borderless"), "TextField": ("longText", "number", "obscured")},
    **{"ChoicePicker": ("multipleSelection", "chips"), "DateTimeInput": ("date", "time"), "List": ("horizontal",)},
    **{"Divider": ("vertical",), READING: ("minutes", "seconds", "hours")},
}
DEFAULT_RANGE = (0.0, 100.0)
ARTICLES, BEFORE_NAMES = ("the", "a", "an", "my"), ("for", "of", "in", "from", "on", "to", "control", "adjust", "set", "change")

Value = float | str | bool | None


@dataclass(frozen=True)
class Row:
    """A component, an option of the picker before it, or a reading (a value that the device keeps up to date)."""

    type: str
    depth: int = 0
    label: str = ""
    low: float | None = None
    high: float | None = None
    value: Value = None
    icon: str = ""
    style: str = ""
    id: str = ""


@dataclass(frozen=True)
class Panel:
    """Rows in the order of the tree. The ids are unique and stay the same in edits."""

    rows: tuple[Row, ...] = ()
    used: frozenset[str] = field(default_factory=frozenset)  # ids that were given before; none is given again

    def index(self, id: str) -> int | None:
        return next((i for i, row in enumerate(self.rows) if row.id == id), None)


@dataclass(frozen=True)
class Outcome:
    """What a filled canvas says."""

    kind: str
    panel: Panel | None  # None: closed, or nothing to show
    changed: bool = False


def read(filled: Filled, words: Sequence[Word], panel: Panel | None) -> Outcome:
    """What a filled canvas makes of the present panel. Undo is left to the caller, who keeps the panels before."""
    if filled.kind == slots.NEW:
        made = new_panel(filled.rows, words)
        return Outcome(slots.NEW, made, True) if made.rows else Outcome(slots.UNCLEAR, panel)
    if filled.kind == slots.EDIT and panel is not None:
        edited = edit_panel(filled.rows, words, panel)
        if not filled.rows:
            return Outcome(slots.UNCLEAR, panel)
        if not edited.rows:  # the last control is removed
            return Outcome(slots.CLOSE, None, True)
        return Outcome(slots.EDIT, edited, edited.rows != panel.rows)
    if filled.kind == slots.CLOSE and panel is not None:
        return Outcome(slots.CLOSE, None, True)
    if filled.kind == slots.UNDO:
        return Outcome(slots.UNDO, panel)
    return Outcome(slots.CANNOT if filled.kind == slots.CANNOT else slots.UNCLEAR, panel)


# ---- slots to rows


def new_panel(given: Sequence[Slots], words: Sequence[Word]) -> Panel:
    return settled(Panel(tuple(row for each in once(given, words) if (row := _row(each, words)) is not None)))


def once(given: Sequence[Slots], words: Sequence[Word]) -> list[Slots]:
    """The rows without those that repeat an earlier one: nobody asks for one thing twice.

    A row repeats another if it has a word of the other's label, if both are of one type and have the same label of the list, or
    if it has no label of its own and only numbers that earlier rows have. Nothing is called "a" or "the". Changes of rows that
    are there all stay: "set both to ten".
    """
    found, taken, numbers = list[Slots](), set[int](), set[str]()
    for each in given:
        own = set(label_at(each))
        said = {token for token in (each.low, each.high, each.value) if token in POINTERS}
        listed = not own and each.start != NONE and any((each.type, each.start) == (row.type, row.start) for row in found)
        nothing = bool(own) and all(words[i].text in ARTICLES for i in own if i < len(words))
        repeats = taken & own or listed or nothing or (said and said <= numbers and not own)
        if each.place in TARGETS or not repeats:
            found.append(each)
        taken |= own
        numbers |= said
    return found


def label_at(given: Slots) -> range:
    """Numbers of the words that a label is made of; none for a label of the list."""
    if given.start not in POINTERS:
        return range(0)
    first = POINTERS.index(given.start)
    last = POINTERS.index(given.end) if given.end in POINTERS else first
    return range(first, max(first, last) + 1)


def _row(given: Slots, words: Sequence[Word]) -> Row | None:
    if given.type not in (*slots.COMPONENTS, OPTION, READING):
        return None
    depth = DEPTHS.index(given.place) if given.place in DEPTHS else 0
    row = Row(given.type, depth, label(given, words))
    return _changed(row, given, words)


def label(given: Slots, words: Sequence[Word]) -> str:
    """The label of a row; empty for none."""
    if given.start.startswith("<label "):
        name = given.start.removeprefix("<label ").removesuffix(">")
        return name if name in LABELS else ""
    at = [i for i in label_at(given) if i < len(words)]
    if len(at) > 1 and words[at[0]].text in ARTICLES and at[0] and words[at[0] - 1].text in BEFORE_NAMES:
        at = at[1:]  # "for the kitchen" is the kitchen's, and not called "the kitchen"
    return label_of([words[i] for i in at])


def number(token: str, words: Sequence[Word]) -> float | None:
    if token in slots.NUMBERS:
        return float(token[1:])
    if token in POINTERS and (at := POINTERS.index(token)) < len(words):
        return words[at].number
    return None


def _changed(row: Row, given: Slots, words: Sequence[Word]) -> Row:
    """The row with what its slots say besides type, place and label."""
    low, high = number(given.low, words), number(given.high, words)
    row = replace(row, low=row.low if low is None else low, high=row.high if high is None else high)
    if given.look.startswith("<icon "):
        row = replace(row, icon=given.look.removeprefix("<icon ").removesuffix(">"))
    style = given.look.removeprefix("<style ").removesuffix(">") if given.look.startswith("<style ") else ""
    if style and style not in (slots.RAISE, slots.LOWER):
        row = replace(row, style=style)
    if given.value in slots.SWITCHED:
        return replace(row, value=given.value == slots.ON)
    said = number(given.value, words)
    if style in (slots.RAISE, slots.LOWER):
        return _moved(row, said, 1 if style == slots.RAISE else -1)
    if said is not None:
        return replace(row, value=said)
    if given.value in POINTERS and (at := POINTERS.index(given.value)) < len(words):
        return replace(row, value=words[at].time)
    return row


def _moved(row: Row, by: float | None, sign: int) -> Row:
    low, high = (row.low, row.high) if row.low is not None and row.high is not None else DEFAULT_RANGE
    now = row.value if isinstance(row.value, float) else (low + high) / 2
    return replace(row, value=now + sign * ((high - low) / 10 if by is None else by))


def edit_panel(given: Sequence[Slots], words: Sequence[Word], panel: Panel) -> Panel:
    """The panel with what the rows of an edit change; all else is as it was, ids included."""
    names = [row.id for row in panel.rows]
    rows = list(panel.rows)
    for each in once(given, words):
        place = each.place
        if place in TARGETS and TARGETS.index(place) < len(names):
            rows = _change(rows, names[TARGETS.index(place)], each, words)
        elif (row := _row(each, words)) is not None:
            after = names[AFTER.index(place)] if place in AFTER and AFTER.index(place) < len(names) else None
            rows = add_row(rows, row, after)
    return settled(replace(panel, rows=tuple(rows)))


def _change(rows: list[Row], id: str, given: Slots, words: Sequence[Word]) -> list[Row]:
    at = next((i for i, row in enumerate(rows) if row.id == id), None)
    if at is None:
        return rows
    stop = block_end(rows, at)
    if given.type in (slots.REMOVE, slots.FIRST, slots.LAST):
        rest, block = rows[:at] + rows[stop:], rows[at:stop]
        if given.type == slots.REMOVE:
            return rest
        to = _first_place(rest, at, block[0].depth) if given.type == slots.FIRST else _last_place(rest, at, block[0].depth)
        return rest[:to] + block + rest[to:]
    row = _changed(rows[at], given, words)
    row = replace(row, label=label(given, words) or row.label)
    if given.type in slots.COMPONENTS and given.type not in HOLDERS and row.type not in HOLDERS:
        row = replace(row, type=given.type, value=None if given.value == NONE else row.value)
    rows = [*rows[:at], row, *rows[at + 1 :]]
    return _chosen_alone(rows, at) if row.type == OPTION and row.value is True else rows


def block_end(rows: Sequence[Row], at: int) -> int:
    """The index after a row and all that it holds."""
    return next((i for i in range(at + 1, len(rows)) if rows[i].depth <= rows[at].depth), len(rows))


def block(panel: Panel, id: str) -> tuple[Row, ...]:
    """A row of the panel with all that it holds."""
    at = panel.index(id)
    return () if at is None else panel.rows[at : block_end(panel.rows, at)]


def _first_place(rows: Sequence[Row], at: int, depth: int) -> int:
    """Where the first of the rows begins that are held by the same row, a heading left aside."""
    while at and rows[at - 1].depth >= depth:
        at -= 1
    return at + 1 if at < len(rows) and rows[at].type == "Text" and not at else at


def _last_place(rows: Sequence[Row], at: int, depth: int) -> int:
    while at < len(rows) and rows[at].depth >= depth:
        at += 1
    return at


def _chosen_alone(rows: list[Row], at: int) -> list[Row]:
    """Of a picker that takes one option, the others are no longer chosen."""
    holder = next((i for i in range(at, -1, -1) if rows[i].type == "ChoicePicker"), None)
    if holder is None or rows[holder].style == "multipleSelection":
        return rows
    others = range(holder + 1, block_end(rows, holder))
    return [replace(row, value=False) if i in others and i != at else row for i, row in enumerate(rows)]


def add_row(rows: list[Row], row: Row, after: str | None) -> list[Row]:
    """The rows with one more: after the row of that id, or at the end, above the buttons there."""
    at = next((i for i, each in enumerate(rows) if each.id == after), None)
    if row.type == OPTION:
        pickers = [i for i, each in enumerate(rows[: len(rows) if at is None else at + 1]) if each.type == "ChoicePicker"]
        if not pickers:
            return rows
        to, depth = block_end(rows, pickers[-1]), rows[pickers[-1]].depth + 1
    elif at is not None:
        while rows[at].type == OPTION and at:
            at -= 1
        to, depth = block_end(rows, at), rows[at].depth
    else:
        to, depth = len(rows), 0
        while row.type != "Button" and to and rows[to - 1].type == "Button" and rows[to - 1].depth == 0:
            to -= 1
    return [*rows[:to], replace(row, depth=depth), *rows[to:]]


# ---- rows set right


def settled(panel: Panel) -> Panel:
    """The panel without what contradicts itself, every range in order, every value inside its range, every row with an id."""
    rows = _ranged(_held(_nested([row for row in panel.rows if row.label or row.type in (*UNNAMED, *INPUTS, "Button")])))
    rows = rows[: slots.ROWS]
    rows = _held(rows)  # the last holder may have lost what it held
    used = set(panel.used) | {row.id for row in rows if row.id}
    named = []
    for i, row in enumerate(rows):
        if not row.id:
            row = replace(row, id=_new_id(row, i, used))
            used.add(row.id)
        named.append(row)
    return Panel(tuple(named), frozenset(used))


def _nested(rows: Sequence[Row]) -> list[Row]:
    found: list[Row] = []
    for row in rows:
        before = found[-1] if found else None
        if row.type == OPTION:
            picker = next((each for each in reversed(found) if each.type != OPTION), None)
            if picker is not None and picker.type == "ChoicePicker":
                found.append(replace(row, depth=picker.depth + 1))
            continue
        deepest = 0 if before is None else before.depth + (before.type in HOLDERS) - (before.type == OPTION)
        depth = min(row.depth, deepest)
        found.append(replace(row, depth=depth))
    return found


def _held(rows: Sequence[Row]) -> list[Row]:
    """Without holders that hold nothing, pickers without options, and what else of a row means nothing for its type."""
    kept = list(rows)
    while True:
        empty = [i for i, row in enumerate(kept) if row.type in (*HOLDERS, "ChoicePicker") and block_end(kept, i) == i + 1]
        if not empty:
            return kept
        kept = [row for i, row in enumerate(kept) if i not in empty]


def _ranged(rows: Sequence[Row]) -> list[Row]:
    return [_sound(row) for row in rows]


def _sound(row: Row) -> Row:
    style = row.style if row.style in STYLED.get(row.type, ()) else ""
    icon = row.icon if row.type in ("Button", "Icon") else ""
    label = "" if row.type in UNNAMED else row.label or DEFAULT_LABELS.get(row.type, "")
    row = replace(row, label=label, style=style, icon=icon)
    if row.type != "Slider":
        value = row.value
        if row.type in ("CheckBox", OPTION):
            value = value if isinstance(value, bool) else False
        elif row.type == "DateTimeInput":
            value = value if isinstance(value, str) else None
        elif row.type == READING:
            value = value if isinstance(value, float) else None
        else:
            value = None
        return replace(row, low=None, high=None, value=value)
    low, high = _range(row.low, row.high)
    value = row.value if isinstance(row.value, float) and not isinstance(row.value, bool) else (low + high) / 2
    return replace(row, low=low, high=high, value=min(max(value, low), high))


def _range(low: float | None, high: float | None) -> tuple[float, float]:
    """A range in order, with what is not said added."""
    if low is None:
        low = DEFAULT_RANGE[0] if high is None or high > 0 else high - 100
    if high is None:
        high = max(DEFAULT_RANGE[1], low + 100)
    low, high = min(low, high), max(low, high)
    return low, high if high > low else low + 1


def _new_id(row: Row, at: int, used: set[str]) -> str:
    name = re.sub(r"\W+", "_", row.label.lower(), flags=re.ASCII).strip("_")[:32]
    if row.type == "Text" and at == 0:
        name = "title"
    name = name if name and name[0].isalpha() else f"{row.type.lower()}_{name}".strip("_")
    if name in ("root", "body"):
        name += "_1"
    found, number = name, 2
    while found in used:
        found, number = f"{name}_{number}", number + 1
    return found
