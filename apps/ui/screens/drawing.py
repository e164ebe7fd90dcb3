"""A panel as lines of text, for a terminal and for tests. Knows rows and widths. Knows no colors and no protocol."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from unmask.apps.ui.components import plain, reading
from unmask.apps.ui.slots import OPTION, READING
from unmask.apps.ui.surface import HOLDERS, Panel, Row, block_end

BAR = 20  # cells of a slider


def drawn(panel: Panel | None, width: int = 60) -> list[str]:
    """The lines of a panel in a border, none of them wider than `width`; none for an empty screen."""
    if panel is None:
        return []
    lines = _lines(panel.rows, 0, len(panel.rows), width - 4)
    inner = min(width - 4, max(24, *(cells(line) for line in lines)))
    edge = "─" * (inner + 2)
    return [f"╭{edge}╮", *(f"│ {_padded(line, inner)} │" for line in lines), f"╰{edge}╯"]


def cells(text: str) -> int:
    """Columns of a terminal that a text takes. Letters of East Asia take two."""
    return sum((unicodedata.east_asian_width(c) in "WF") + 1 for c in text if not unicodedata.combining(c))


def _padded(line: str, width: int) -> str:
    while cells(line) > width:
        line = line[:-2] + "…"
    return line + " " * (width - cells(line))


def _lines(rows: Sequence[Row], start: int, stop: int, width: int) -> list[str]:
    found: list[str] = []
    at = start
    while at < stop:
        end = min(block_end(rows, at), stop)
        row = rows[at]
        if row.type == "ChoicePicker":
            found.append(_picker(row, rows[at + 1 : end]))
        elif row.type == "Row" or (row.type == "List" and row.style == "horizontal"):
            found += _beside(rows, at + 1, end, width)
        elif row.type in HOLDERS:
            inside = _lines(rows, at + 1, end, width - 2)
            found += [f"  {line}" for line in inside] if row.type != "List" else inside
        elif row.type != OPTION:
            found.append(_single(row))
        at = end
    return found


def _beside(rows: Sequence[Row], start: int, stop: int, width: int) -> list[str]:
    """Rows next to each other, or below each other where they do not fit."""
    lines = _lines(rows, start, stop, width)
    one = "   ".join(lines)
    return [one] if cells(one) <= width else lines


def _picker(row: Row, options: Sequence[Row]) -> str:
    many = row.style == "multipleSelection"
    marks = ("[x]", "[ ]") if many else ("(•)", "( )")
    shown = "  ".join(f"{marks[option.value is not True]} {option.label}" for option in options)
    return f"{row.label}: {shown}" if row.label else shown


def _single(row: Row) -> str:
    value: Any = row.value
    if row.type == "Text":
        return row.label.upper() if row.style in ("h1", "h2", "h3") else row.label
    if row.type == "Slider":
        low, high = row.low or 0.0, row.high or 100.0
        now = value if isinstance(value, float) else low
        at = round((BAR - 1) * (now - low) / (high - low)) if high > low else 0
        bar = "━" * at + "●" + "─" * (BAR - 1 - at)
        return f"{row.label}  {plain(low)} {bar} {plain(high)}  {plain(now)}"
    if row.type == "CheckBox":
        return f"[{'x' if value is True else ' '}] {row.label}"
    if row.type == "Button":
        icon = f"<{row.icon}> " if row.icon else ""
        return f"[ {icon}{row.label} ]"
    if row.type == READING:
        return f"{row.label}: {reading(row)}"
    if row.type == "TextField":
        text = "•" * len(value) if row.style == "obscured" and isinstance(value, str) else value or ""
        return f"{row.label}: {text}{'_' * (12 - len(text))}"
    if row.type == "DateTimeInput":
        return f"{row.label or 'Time'}: {value or ('____-__-__' if row.style == 'date' else '__:__')}"
    if row.type == "Divider":
        return "─" * 12
    return f"<{row.icon or row.type.lower()}{': ' + row.label if row.label else ''}>"
