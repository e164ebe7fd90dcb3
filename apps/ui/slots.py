"""The canvas of a panel: its slots, and the tokens that may stand in each. Data and ids; knows no model and no protocol.

A canvas is the kind of the answer and then rows of slots. A row is a component, or a change of one; rows come in the order of the
tree, each with its depth in it. Labels, numbers and times that a request says are pointers to its words.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from unmask.apps.ui.words import Word

ROWS = 16
WORDS = 64
MASK, NONE = "<mask>", "<none>"
KINDS = ("<new>", "<edit>", "<undo>", "<close>", "<cannot>", "<unclear>")
NEW, EDIT, UNDO, CLOSE, CANNOT, UNCLEAR = KINDS
OPTION, READING = "Option", "Reading"  # rows that are not components of their own: see `forms`
COMPONENTS = (
    *("Text", "Image", "Icon", "Video", "AudioPlayer", "Row", "Column", "List", "Card", "Tabs", "Modal", "Divider", "Button"),
    *("TextField", "CheckBox", "ChoicePicker", "Slider", "DateTimeInput"),
)
REMOVE, FIRST, LAST = CHANGES = ("<remove>", "<first>", "<last>")
DEPTHS = tuple(f"<depth {i}>" for i in range(4))
TARGETS = tuple(f"<row {i}>" for i in range(ROWS))  # the row of the present panel that a row changes
AFTER = tuple(f"<after {i}>" for i in range(ROWS))  # or that a new row follows
POINTERS = tuple(f"<word {i}>" for i in range(WORDS))
LABELS = (
    *(
        "Temperature",
        "Brightness",
        "Volume",
        "Speed",
        "Position",
        "Thermostat",
        "Timer",
        "Alarm",
        "Time",
        "Date",
        "Days",
        "Light",
    ),
    *("Start", "Pause", "Reset", "Save", "Cancel", "OK", "Submit", "Send", "Apply", "Log in", "Yes", "No", "Play", "Previous"),
    *(
        "Next",
        "Stop",
        "Name",
        "Email",
        "Password",
        "Phone",
        "Message",
        "Address",
        "Music",
        "Now playing",
        "Settings",
        "Dashboard",
    ),
    *("List", "To do", "Form", "Options", "Choice", "Switch", "Value", "Confirm", "Level", "Remaining", "Snooze", "Up", "Down"),
)
NUMBERS = tuple(
    f"={n}" for n in (-20, -10, 0, 1, 5, 7, 10, 15, 18, 20, 21, 22, 25, 30, 35, 40, 50, 60, 75, 80, 100, 120, 180, 255)
)
ON, OFF = SWITCHED = ("<on>", "<off>")
ICONS = (
    *("accountCircle", "add", "arrowBack", "arrowForward", "attachFile", "calendarToday", "call", "camera", "check", "close"),
    *("delete", "download", "edit", "event", "error", "fastForward", "favorite", "favoriteOff", "folder", "help", "home", "info"),
    *("locationOn", "lock", "lockOpen", "mail", "menu", "moreVert", "moreHoriz", "notificationsOff", "notifications", "pause"),
    *("payment", "person", "phone", "photo", "play", "print", "refresh", "rewind", "search", "send", "settings", "share"),
    *("shoppingCart", "skipNext", "skipPrevious", "star", "starHalf", "starOff", "stop", "upload", "visibility", "visibilityOff"),
    *("volumeDown", "volumeMute", "volumeOff", "volumeUp", "warning"),
)
RAISE, LOWER = "raise", "lower"  # of an edit: the value is a difference
STYLES = (
    *("h1", "h2", "h3", "h4", "h5", "caption", "body", "primary", "borderless", "longText", "number", "obscured"),
    *("multipleSelection", "chips", "date", "time", "horizontal", "vertical", "minutes", "seconds", "hours", RAISE, LOWER),
)
LOOKS = (*(f"<icon {name}>" for name in ICONS), *(f"<style {name}>" for name in STYLES))
NAMED, PARTLY_NAMED, REPEATED = MENTIONS = (
    "<named>",  # of a row in the prompt: the request has its label,
    "<partly named>",  # or a part of it
    "<repeated>",  # of a word of the request: it was said before
)
SPARE = (*MENTIONS, *(f"<spare {i}>" for i in range(3, 8)))
MARKS = ("<number>", "<time>", *(f"<{n}>" for n in range(13)))  # words of a request that are numbers and times
TOKENS = (
    *(MASK, NONE, *KINDS, *COMPONENTS, OPTION, READING, *CHANGES, *DEPTHS, *TARGETS, *AFTER, *POINTERS),
    *(*(f"<label {name}>" for name in LABELS), *NUMBERS, *SWITCHED, *LOOKS, *SPARE, *MARKS),
)
IDS = {token: i for i, token in enumerate(TOKENS)}
MASK_ID, NONE_ID = IDS[MASK], IDS[NONE]
COUNT = len(TOKENS)


class Slots(NamedTuple):
    """The tokens of one row. NONE: nothing is said, so an answer takes the catalog's default and an edit leaves it as it is."""

    type: str = NONE  # a component, or a change; NONE of a row that stands for nothing
    place: str = NONE  # depth in the tree; of an edit the row that is changed or followed
    start: str = NONE  # first word of the label, or a label of the list
    end: str = NONE  # last word of the label
    low: str = NONE
    high: str = NONE
    value: str = NONE
    look: str = NONE  # an icon or a style


FIELDS = Slots._fields
SIZE = 1 + ROWS * len(FIELDS)  # positions of a canvas


class Filled(NamedTuple):
    """A whole canvas in tokens."""

    kind: str
    rows: tuple[Slots, ...] = ()

    @property
    def ids(self) -> list[int]:
        """(1 + 8 R,) ids of the kind and of the R rows."""
        return [IDS[self.kind], *(IDS[token] for row in self.rows for token in row)]

    @staticmethod
    def of(ids: Sequence[int]) -> "Filled":
        """The canvas that has these ids, (1 + 8 R,), without the empty rows at its end."""
        names = [TOKENS[i] for i in ids]
        width = len(FIELDS)
        rows = [Slots(*names[at : at + width]) for at in range(1, len(names), width)]
        while rows and rows[-1] == Slots():
            rows.pop()
        return Filled(names[0], tuple(rows))


NEVER_FIRST = {",", "or", "of", "than", "which", "along", "called", "named", "labeled", "titled"}
NEVER_LAST = {
    *(",", "and", "or", "with", "without", "along", "together", "of", "at", "into", "from", "between", "also", "the", "an"),
    *("my", "that", "which", "where", "whose", "than", "called", "named", "labeled", "titled"),
}
"""Words that join others: those that no label begins with, and those that none ends with."""


def allowed(words: Sequence[Word], panel: int, types: Iterable[str] = COMPONENTS) -> dict[str, tuple[tuple[int, int], ...]]:
    """The ids that may stand in a slot, as half-open ranges: by its name, with `kind` for that of the answer.

    words: of the request. panel: number of rows of the present panel, 0 for none. types: components of the catalog.
    """
    pointers = POINTERS[: len(words)]
    numbers = [pointer for pointer, word in zip(pointers, words, strict=False) if word.number is not None]
    times = [pointer for pointer, word in zip(pointers, words, strict=False) if word.time is not None]
    known = set(types)
    own = [name for name in COMPONENTS if name in known]
    own += [OPTION] if "ChoicePicker" in known else []
    own += [READING] if "Text" in known else []
    there = panel > 0
    first, last = (
        [pointer for pointer, word in zip(pointers, words, strict=False) if word.text not in never]
        for never in (NEVER_FIRST, NEVER_LAST)
    )
    found = {
        "kind": KINDS if there else (NEW, UNDO, CANNOT, UNCLEAR),
        "type": (NONE, *own, *(CHANGES if there else ())),
        "place": (NONE, *DEPTHS, *TARGETS[:panel], *AFTER[:panel]),
        "start": (NONE, *first, *(f"<label {name}>" for name in LABELS)),
        "end": (NONE, *last),
        "low": (NONE, *numbers, *NUMBERS),
        "high": (NONE, *numbers, *NUMBERS),
        "value": (NONE, *numbers, *times, *NUMBERS, *SWITCHED),
        "look": (NONE, *LOOKS),
    }
    return {slot: ranges(IDS[token] for token in tokens) for slot, tokens in found.items()}


def ranges(ids: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Ids as half-open ranges, in order."""
    found: list[tuple[int, int]] = []
    for i in sorted(ids):
        if found and found[-1][1] == i:
            found[-1] = (found[-1][0], i + 1)
        else:
            found.append((i, i + 1))
    return tuple(found)
