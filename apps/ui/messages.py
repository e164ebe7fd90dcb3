"""Messages of A2UI v0.9: a new panel, what an edit changes, and the panel that messages describe."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from unmask.apps.ui.catalog import Catalog
from unmask.apps.ui.components import BODY, ROOT, Compiled
from unmask.apps.ui.slots import OPTION, READING
from unmask.apps.ui.surface import HOLDERS, Panel, Row, settled

VERSION: Final = "v0.9"
SURFACE = "main"
Message = dict[str, Any]


def message(key: str, **content: Any) -> Message:
    return {"version": VERSION, key: {"surfaceId": SURFACE, **content}}


def opened(made: Compiled, catalog: Catalog) -> list[Message]:
    """Messages that show a panel on an empty screen."""
    found = [message("createSurface", catalogId=catalog.id)]
    if made.data:
        found.append(message("updateDataModel", path="/", value=made.data))
    return [*found, message("updateComponents", components=list(made.components.values()))]


def closed() -> Message:
    return message("deleteSurface")


def changes(before: Compiled, after: Compiled) -> list[Message]:
    """Messages that make one panel out of another: only what differs. Data that is new comes before what shows it."""
    found = [
        message("updateDataModel", path=f"/{id}", value=value)
        for id, value in after.data.items()
        if id not in before.data or before.data[id] != value
    ]
    parts = [each for id, each in after.components.items() if before.components.get(id) != each]
    if parts:
        found.append(message("updateComponents", components=parts))
    return found + [message("updateDataModel", path=f"/{id}") for id in before.data if id not in after.data]


# ---- messages to rows


def panel_of(messages: Iterable[Mapping[str, Any]], catalog: Catalog) -> Panel:
    """The panel that messages describe, as far as rows can say it."""
    components: dict[str, dict[str, Any]] = {}
    data: dict[str, Any] = {}
    types = {component.name: (type, component) for type, component in catalog.components.items()}
    for each in messages:
        if "deleteSurface" in each:
            components, data = {}, {}
        for component in each.get("updateComponents", {}).get("components", ()):
            type, own = types.get(component["component"], (component["component"], None))
            components[component["id"]] = {**(own.read(component) if own else component), "component": type}
        if (update := each.get("updateDataModel")) is not None:
            _update(data, update.get("path", "/"), update.get("value"))
    rows = _rows(components, data, ROOT, 0, set()) if ROOT in components else []
    return settled(Panel(tuple(rows)))


def _update(data: dict[str, Any], path: str, value: Any) -> None:
    if path == "/":
        data.clear()
        data.update(value if isinstance(value, dict) else {})
    elif value is None:
        data.pop(path[1:], None)
    else:
        data[path[1:]] = value


def _rows(components: dict[str, dict[str, Any]], data: dict[str, Any], id: str, depth: int, seen: set[str]) -> list[Row]:
    each = components.get(id)
    if each is None or id in seen:
        return []
    seen = seen | {id}
    type = each["component"]
    inside = [child for child in _held(each) if child in components]

    def below(deeper: int) -> list[Row]:
        return [row for child in inside for row in _rows(components, data, child, deeper, seen)]

    if id in (ROOT, BODY) or id.endswith("-body"):
        return below(depth)
    if (part := _named_parts(id, components)) is not None:
        return [_parted(id, part, components, data, depth)]
    if type in HOLDERS:
        style = "horizontal" if each.get("direction") == "horizontal" else ""
        return [Row(type, depth, style=style, id=id), *below(depth + 1)]
    return _single(each, components, data, depth)


def _held(each: Mapping[str, Any]) -> list[str]:
    """Ids of the components that one holds."""
    children = each.get("children")
    found = list(children) if isinstance(children, list) else []
    found += [tab.get("child", "") for tab in each.get("tabs", ())]
    return found + [each[key] for key in ("child", "trigger", "content") if isinstance(each.get(key), str)]


def _named_parts(id: str, components: Mapping[str, Any]) -> str | None:
    """The part of a reading or a medium, which are a caption and something below it."""
    children = components[id].get("children")
    return next(
        (part for part in ("value", "image", "video", "audioplayer") if children == [f"{id}-label", f"{id}-{part}"]), None
    )


def _parted(id: str, part: str, components: Mapping[str, Any], data: Mapping[str, Any], depth: int) -> Row:
    label = str(components[f"{id}-label"].get("text", ""))
    if part != "value":
        return Row(components[f"{id}-{part}"]["component"], depth, label, value=None, id=id)
    text = str(data.get(id, ""))
    style, value = "", None
    if ":" in text:
        numbers = [int(n) for n in text.split(":")]
        seconds = sum(n * 60**i for i, n in enumerate(reversed(numbers)))
        style = next(name for name, size in (("hours", 3600), ("minutes", 60), ("seconds", 1)) if seconds % size == 0)
        value = seconds / {"hours": 3600, "minutes": 60, "seconds": 1}[style]
    elif text.lstrip("-").replace(".", "", 1).isdigit():
        value = float(text)
    return Row(READING, depth, label, value=value, style=style, id=id)


def _single(each: Mapping[str, Any], components: Mapping[str, Any], data: Mapping[str, Any], depth: int) -> list[Row]:
    type, id = each["component"], each["id"]
    style = each.get("variant") or each.get("displayStyle") or each.get("axis") or ""
    row = Row(type, depth, _literal(each.get("label", each.get("text")), data), style=str(style), id=id)
    value = _value(each.get("value"), data)
    if type == "Button":
        return [
            _with(row, label=_label_under(each.get("child"), components, data), icon=_icon_under(each.get("child"), components))
        ]
    if type == "Icon":
        return [_with(row, icon=each["name"] if isinstance(each.get("name"), str) else "")]
    if type == "Slider":
        return [
            _with(row, low=float(each.get("min", 0)), high=float(each["max"]), value=float(value) if _number(value) else None)
        ]
    if type == "DateTimeInput":
        return [_with(row, value=value or None, style="date" if each.get("enableDate") else "time")]
    if type == "ChoicePicker":
        chosen = value if isinstance(value, list) else []
        options = [
            Row(OPTION, depth + 1, _literal(option.get("label"), data), value=option.get("value") in chosen, id=option["value"])
            for option in each.get("options", ())
        ]
        return [row, *options]
    return [_with(row, value=value if isinstance(value, bool | str) else None)]


def _with(row: Row, **more: Any) -> Row:
    return Row(**{**vars(row), **more})


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(value: Any, data: Mapping[str, Any]) -> Any:
    return data.get(value["path"][1:]) if isinstance(value, dict) and isinstance(value.get("path"), str) else value


def _literal(value: Any, data: Mapping[str, Any]) -> str:
    found = _value(value, data)
    return found if isinstance(found, str) else ""


def _label_under(id: Any, components: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    each = components.get(id, {})
    if each.get("component") == "Text":
        return _literal(each.get("text"), data)
    return next((text for child in _held(each) if (text := _label_under(child, components, data))), "")


def _icon_under(id: Any, components: Mapping[str, Any]) -> str:
    each = components.get(id, {})
    if each.get("component") == "Icon":
        return each["name"] if isinstance(each.get("name"), str) else ""
    return next((icon for child in _held(each) if (icon := _icon_under(child, components))), "")
