"""A panel as components of A2UI and a data model. Only what is reachable from the root is made.

Every input is bound to the path of its row's id, and every button sends an event named after its label with what the inputs hold.
Ids of parts of a row have a hyphen, which ids of rows never have. Knows no messages.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unmask.apps.ui.catalog import CONTAINERS, Catalog
from unmask.apps.ui.slots import OPTION, READING
from unmask.apps.ui.surface import INPUTS, Panel, Row, Value, block_end

ROOT, BODY = "root", "body"
SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
MEDIA = ("Image", "Video", "AudioPlayer")


@dataclass
class Compiled:
    """Components by id, in the order of the tree, and the data model."""

    components: dict[str, dict[str, Any]] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)


def compiled(panel: Panel, catalog: Catalog) -> Compiled:
    """The components of a panel that a catalog can show: what it lacks is left out, and what is inside of it comes up."""
    return _Compiler(panel, catalog).whole()


def data_of(row: Row, options: Sequence[Row] = ()) -> Any:
    """What the data model holds for a row."""
    if row.type == "Slider":
        return plain(row.value)
    if row.type == "CheckBox":
        return row.value is True
    if row.type == "ChoicePicker":
        return [choice_of(option) for option in options if option.value is True]
    if row.type == READING:
        return reading(row)
    return row.value or ""


def plain(value: Value) -> Any:
    """Whole numbers without a point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def reading(row: Row) -> str:
    """A time that runs down as 10:00, another value as it is, and a dash for none yet."""
    if not isinstance(row.value, float):
        return "–"
    if row.style not in SECONDS:
        return f"{row.value:g}"
    seconds = round(row.value * SECONDS[row.style])
    hours, rest = divmod(max(seconds, 0), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def choice_of(option: Row) -> str:
    return option.id


def event_name(row: Row) -> str:
    name = re.sub(r"\W+", "_", row.label.lower()).strip("_")
    return name or row.id


class _Compiler:
    def __init__(self, panel: Panel, catalog: Catalog) -> None:
        self._rows, self._catalog, self._made = panel.rows, catalog, Compiled()
        self._holder = next(name for name in CONTAINERS if name in catalog.components)
        inputs = [row.id for row in panel.rows if row.type in INPUTS and row.type in catalog.components]
        self._context = {id: {"path": f"/{id}"} for id in inputs}

    def whole(self) -> Compiled:
        card = "Card" in self._catalog.components
        top = self._reserve(ROOT)
        body = self._reserve(BODY) if card else top
        children = self._children(0, len(self._rows), 0)
        if card:
            self._put(top, "Card", child=BODY)
        self._put(body, self._holder, children=children)
        return self._made

    def _reserve(self, id: str) -> str:
        """Keep the place of a component in the order of the tree, before its children are made."""
        self._made.components[id] = {}
        return id

    def _put(self, id: str, type: str, **properties: Any) -> str:
        component = self._catalog.components[type]
        given = {name: value for name, value in properties.items() if value is not None}
        self._made.components[id] = {"id": id, "component": component.name, **component.written(given)}
        return id

    def _children(self, start: int, stop: int, depth: int) -> list[str]:
        found: list[str] = []
        at = start
        while at < stop:
            end = min(block_end(self._rows, at), stop)
            found += self._row(at, end)
            at = end
        return found

    def _row(self, at: int, stop: int) -> list[str]:
        """The ids of what stands for a row, usually one."""
        row = self._rows[at]
        types = self._catalog.components
        if row.type == READING:
            return [self._reading(row)]
        if row.type == OPTION:
            return []
        if row.type in ("Row", "Column", "List", "Card", "Tabs", "Modal"):
            return self._holding(row, at, stop)
        if row.type not in types:
            return self._children(at + 1, stop, row.depth + 1) if stop > at + 1 and row.type != "ChoicePicker" else []
        if row.type == "ChoicePicker":
            return [self._picker(row, self._rows[at + 1 : stop])]
        if row.type in MEDIA:
            return [self._media(row)]
        makers = {
            **{"Text": self._text, "Icon": self._icon, "Divider": self._divider, "Button": self._button},
            **{"TextField": self._textfield, "CheckBox": self._checkbox, "Slider": self._slider},
            "DateTimeInput": self._datetimeinput,
        }
        return [makers[row.type](row)]

    def _bound(self, row: Row, options: Sequence[Row] = ()) -> dict[str, str]:
        self._made.data[row.id] = data_of(row, options)
        return {"path": f"/{row.id}"}

    # ---- rows that hold others

    def _holding(self, row: Row, at: int, stop: int) -> list[str]:
        if row.type not in self._catalog.components:
            return self._children(at + 1, stop, row.depth + 1)
        self._reserve(row.id)
        children = self._children(at + 1, stop, row.depth + 1)
        if not children:
            del self._made.components[row.id]
            return []
        if row.type == "Card":
            self._put(row.id, "Card", child=self._one(row, children))
        elif row.type == "Tabs":
            named = {each.id: each.label for each in self._rows}
            tabs = [{"title": named.get(id) or f"{i}", "child": id} for i, id in enumerate(children, 1)]
            self._put(row.id, "Tabs", tabs=tabs)
        elif row.type == "Modal":
            if len(children) < 2:
                del self._made.components[row.id]
                return children
            self._put(row.id, "Modal", trigger=children[0], content=self._one(row, children[1:]))
        else:
            axis = "horizontal" if row.type == "List" and row.style == "horizontal" else None
            self._put(row.id, row.type, children=children, direction=axis)
        return [row.id]

    def _one(self, row: Row, children: list[str]) -> str:
        return children[0] if len(children) == 1 else self._put(f"{row.id}-body", self._holder, children=children)

    # ---- single rows

    def _text(self, row: Row) -> str:
        return self._put(row.id, "Text", text=row.label, variant=row.style or None)

    def _caption(self, row: Row) -> str:
        return self._put(f"{row.id}-label", "Text", text=row.label, variant="caption")

    def _reading(self, row: Row) -> str:
        size = "h1" if row.style in SECONDS and row.value is not None else "h2"
        self._reserve(row.id)
        caption = self._caption(row)
        value = self._put(f"{row.id}-value", "Text", text=self._bound(row), variant=size)
        return self._put(row.id, self._holder, children=[caption, value])

    def _media(self, row: Row) -> str:
        self._reserve(row.id)
        caption = self._caption(row)
        told = None if row.type == "Video" else row.label
        shown = self._put(f"{row.id}-{row.type.lower()}", row.type, url=self._bound(row), description=told)
        return self._put(row.id, self._holder, children=[caption, shown])

    def _icon(self, row: Row) -> str:
        return self._put(row.id, "Icon", name=row.icon or "info")

    def _divider(self, row: Row) -> str:
        return self._put(row.id, "Divider", axis="vertical" if row.style == "vertical" else None)

    def _button(self, row: Row) -> str:
        self._reserve(row.id)
        child = f"{row.id}-label"
        if row.icon and {"Icon", "Row"} <= self._catalog.components.keys():
            child = self._reserve(f"{row.id}-content")
            icon = self._put(f"{row.id}-icon", "Icon", name=row.icon)
            self._put(child, "Row", children=[icon, self._put(f"{row.id}-label", "Text", text=row.label)])
        else:
            self._put(child, "Text", text=row.label)
        action = {"event": {"name": event_name(row), "context": dict(self._context)}}
        return self._put(row.id, "Button", child=child, action=action, variant=row.style or None)

    def _textfield(self, row: Row) -> str:
        return self._put(row.id, "TextField", label=row.label, value=self._bound(row), variant=row.style or None)

    def _checkbox(self, row: Row) -> str:
        return self._put(row.id, "CheckBox", label=row.label, value=self._bound(row))

    def _slider(self, row: Row) -> str:
        low, high = plain(row.low), plain(row.high)
        return self._put(row.id, "Slider", label=row.label, min=low, max=high, value=self._bound(row))

    def _datetimeinput(self, row: Row) -> str:
        date, time = row.style == "date", row.style != "date"
        label = row.label or None
        return self._put(row.id, "DateTimeInput", label=label, value=self._bound(row), enableDate=date, enableTime=time)

    def _picker(self, row: Row, options: Sequence[Row]) -> str:
        many = "multipleSelection" if row.style == "multipleSelection" else None
        return self._put(
            row.id,
            "ChoicePicker",
            label=row.label or None,
            options=[{"label": option.label, "value": choice_of(option)} for option in options],
            value=self._bound(row, options),
            variant=many,
            displayStyle="chips" if row.style == "chips" else None,
        )


def with_data(panel: Panel, data: Mapping[str, Any]) -> Panel:
    """The panel with the values that its inputs hold by now. Values of another type are left out."""
    rows = list(panel.rows)
    for at, row in enumerate(rows):
        value = data.get(row.id)
        if row.type == "Slider" and isinstance(value, int | float) and not isinstance(value, bool):
            rows[at] = replace(row, value=float(value))
        elif row.type == "CheckBox" and isinstance(value, bool):
            rows[at] = replace(row, value=value)
        elif row.type in ("TextField", "DateTimeInput") and isinstance(value, str):
            rows[at] = replace(row, value=value or None)
        elif row.type == "ChoicePicker" and isinstance(value, list):
            for i in range(at + 1, block_end(rows, at)):
                rows[i] = replace(rows[i], value=choice_of(rows[i]) in value)
    return replace(panel, rows=tuple(rows))
