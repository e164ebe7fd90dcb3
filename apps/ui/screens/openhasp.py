"""A panel as JSON lines that openHASP and HASPmota panels take. Knows objects and pixels. Knows no MQTT.

Values are integers there, so a slider with decimals has all its numbers times ten, and its label says the real ones. A row of
the panel keeps the numbers of its objects in edits; objects that are no longer there are hidden.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from unmask.apps.ui.components import plain, reading
from unmask.apps.ui.slots import OPTION, READING
from unmask.apps.ui.surface import HOLDERS, Panel, Row, block_end
from unmask.errors import InputError

GAP, LINE = 8, 40
LAST_ID = 254


@dataclass
class HaspPanel:
    """The objects of one page, from panel to panel."""

    width: int = 480
    height: int = 320
    numbers: dict[str, int] = field(default_factory=dict)  # id of a row and part -> number of the object
    sent: dict[int, dict[str, Any]] = field(default_factory=dict)

    def lines(self, panel: Panel | None) -> list[dict[str, Any]]:
        """Objects that are new or have changed since the last call, and those to hide. Raises InputError for too many."""
        made = {self._number(part): each for part, each in self._objects(panel)} if panel else {}
        objects = {number: {"page": 1, "id": number, **each} for number, each in made.items()}
        changed = [each for number, each in objects.items() if self.sent.get(number) != each]
        hidden = [
            {"page": 1, "id": number, "obj": each["obj"], "hidden": True}
            for number, each in self.sent.items()
            if number not in objects
        ]
        self.sent = objects
        return changed + hidden

    @property
    def below(self) -> int:
        """Lines of the panel that are below the screen's edge."""
        return len({each["y"] for each in self.sent.values() if each["y"] + each["h"] > self.height})

    def row_of(self, number: int) -> str | None:
        """The id of the row that an object belongs to."""
        return next((part.split(" ")[0] for part, own in self.numbers.items() if own == number), None)

    def _number(self, part: str) -> int:
        if part not in self.numbers:
            if len(self.numbers) >= LAST_ID:
                raise InputError(f"the panel has more than {LAST_ID} objects, which is all that a page holds; close it first")
            self.numbers[part] = len(self.numbers) + 1
        return self.numbers[part]

    def _objects(self, panel: Panel) -> Iterator[tuple[str, dict[str, Any]]]:
        y = GAP
        for side in lines_of(panel.rows):
            wide = (self.width - GAP) // max(1, len(side))
            for i, (row, options) in enumerate(side):
                box = {"x": GAP + i * wide, "y": y, "w": wide - GAP, "h": LINE - GAP}
                yield from _objects_of(row, options, box)
            y += LINE


def lines_of(rows: Sequence[Row]) -> Iterator[list[tuple[Row, Sequence[Row]]]]:
    """Rows that stand next to each other, each with its options."""
    at = 0
    while at < len(rows):
        stop = block_end(rows, at)
        if rows[at].type == "Row":
            inside = [row for row in rows[at + 1 : stop] if row.type not in (*HOLDERS, OPTION)]
            yield [(row, _options(rows, row)) for row in inside]
            at = stop
        elif rows[at].type in HOLDERS or rows[at].type == OPTION:
            at += 1
        else:
            yield [(rows[at], _options(rows, rows[at]))]
            at = stop


def _options(rows: Sequence[Row], row: Row) -> Sequence[Row]:
    at = rows.index(row)
    return rows[at + 1 : block_end(rows, at)] if row.type == "ChoicePicker" else ()


def _objects_of(row: Row, options: Sequence[Row], box: dict[str, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    half = {**box, "w": box["w"] // 2}
    other = {**half, "x": box["x"] + box["w"] // 2}
    value: Any = row.value
    if row.type == "Button":
        yield row.id, {"obj": "btn", **box, "text": row.label}
    elif row.type == "Slider":
        low, high, now = row.low or 0.0, row.high or 0.0, value if isinstance(value, float) else 0.0
        scale = 1 if all(n.is_integer() for n in (low, high, now)) else 10
        yield f"{row.id} label", {"obj": "label", **half, "text": f"{row.label} {plain(low)}–{plain(high)}"}
        numbers = {"min": round(low * scale), "max": round(high * scale), "val": round(now * scale)}
        yield row.id, {"obj": "slider", **other, **numbers}
    elif row.type == "CheckBox":
        yield row.id, {"obj": "checkbox", **box, "text": row.label, "val": int(value is True)}
    elif row.type == "ChoicePicker" and row.style != "multipleSelection":
        chosen = next((i for i, option in enumerate(options) if option.value is True), 0)
        yield f"{row.id} label", {"obj": "label", **half, "text": row.label}
        yield row.id, {"obj": "dropdown", **other, "options": "\n".join(option.label for option in options), "val": chosen}
    elif row.type == "ChoicePicker":
        wide = box["w"] // max(1, len(options))
        for i, option in enumerate(options):
            place = {**box, "x": box["x"] + i * wide, "w": wide}
            yield option.id, {"obj": "checkbox", **place, "text": option.label, "val": int(option.value is True)}
    elif row.type in ("TextField", "DateTimeInput"):
        yield f"{row.id} label", {"obj": "label", **half, "text": row.label}
        yield row.id, {"obj": "textarea", **other, "text": value if isinstance(value, str) else ""}
    elif row.type == "Divider":
        yield row.id, {"obj": "line", **box}
    else:
        text = f"{row.label}: {reading(row)}" if row.type == READING else row.label or row.icon
        yield row.id, {"obj": "label", **box, "text": text}
