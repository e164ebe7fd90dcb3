"""A panel as a picture, for displays that take one. Knows rows and pixels; needs Pillow, which is imported on first use."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.apps.ui.components import plain, reading
from unmask.apps.ui.screens.openhasp import lines_of
from unmask.apps.ui.slots import READING
from unmask.apps.ui.surface import Panel, Row

GAP, LINE = 12, 44  # pixels at a scale of 1
INK, FAINT, TINT, PAPER, EDGE = "#1c1d21", "#6a6d76", "#1f5fbf", "#ffffff", "#d4d7de"
SIZES = {"h1": 26, "h2": 23, "h3": 20, "h4": 18, "h5": 16, "caption": 13}
ELLIPSIS = "…"

Box = tuple[float, float, float, float]  # left, top, right, bottom


def picture(panel: Panel | None, width: int = 480, height: int = 320) -> NDArray[np.uint8]:
    """(H, width, 3) RGB of a panel, white for an empty screen; higher than `height` where the panel needs it."""
    from PIL import Image

    lines = list(lines_of(panel.rows)) if panel else []
    image = Image.new("RGB", (width, max(height, 2 * GAP + LINE * len(lines))), PAPER)
    brush = _Brush(image)
    for number, side in enumerate(lines):
        wide, top = (width - GAP) / max(1, len(side)), GAP + LINE * number
        for i, (row, options) in enumerate(side):
            left = GAP + i * wide
            brush.row(row, options, (left, top, left + wide - GAP, top + LINE - GAP / 2))
    return np.asarray(image)


class _Brush:
    def __init__(self, image: Any) -> None:
        from PIL import ImageDraw, ImageFont

        self._draw, self._font = ImageDraw.Draw(image), cache(ImageFont.load_default)

    def row(self, row: Row, options: Sequence[Row], box: Box) -> None:
        draw = {
            **{"Slider": self._slider, "CheckBox": self._switch, "Button": self._button, "Divider": self._divider},
            **{"TextField": self._field, "DateTimeInput": self._field},
        }
        if row.type == "ChoicePicker":
            return self._picker(row, options, box)
        if row.type in draw:
            return draw[row.type](row, box)
        text = f"{row.label}: {reading(row)}" if row.type == READING else row.label or f"<{row.icon or row.type.lower()}>"
        self._text(text, box, size=SIZES.get(row.style, 16), bold=row.style.startswith("h"))

    def _text(self, text: str, box: Box, size: int = 16, color: str = INK, anchor: str = "lm", bold: bool = False) -> None:
        """Text in the middle of a box's height, at its left (lm), middle (mm) or right (rm), cut where it is too long."""
        font = self._font(size)
        left, top, right, bottom = box
        if self._draw.textlength(text, font) > right - left:
            while text and self._draw.textlength(text + ELLIPSIS, font) > right - left:
                text = text[:-1]
            text += ELLIPSIS
        x = {"l": left, "m": (left + right) / 2, "r": right}[anchor[0]]
        self._draw.text((x, (top + bottom) / 2), text, color, font, anchor, stroke_width=0.4 if bold else 0)

    def _frame(self, box: Box, fill: str = PAPER, edge: str = EDGE) -> None:
        self._draw.rounded_rectangle(box, 7, fill, edge)

    def _slider(self, row: Row, box: Box) -> None:
        left, top, right, bottom = box
        third, middle = (right - left) / 3, (top + bottom) / 2
        low, high, value = row.low or 0.0, row.high or 100.0, row.value
        now = value if isinstance(value, float) else low
        start, stop = left + third + 40, right - 90
        at = start + (stop - start) * (now - low) / (high - low) if high > low else start
        self._text(row.label, (left, top, left + third, bottom))
        self._text(f"{plain(low)}", (left + third, top, start - 12, bottom), 13, FAINT, "rm")
        self._draw.line((start, middle, stop, middle), EDGE, 4)
        self._draw.line((start, middle, at, middle), TINT, 4)
        self._draw.ellipse((at - 8, middle - 8, at + 8, middle + 8), TINT)
        self._text(f"{plain(high)}", (stop + 12, top, right - 44, bottom), 13, FAINT)
        self._text(f"{plain(now)}", (right - 44, top, right, bottom), 16, INK, "rm")

    def _switch(self, row: Row, box: Box) -> None:
        left, top, right, bottom = box
        on, middle = row.value is True, (top + bottom) / 2
        self._text(row.label, (left, top, right - 52, bottom))
        self._draw.rounded_rectangle((right - 40, middle - 11, right, middle + 11), 11, TINT if on else EDGE)
        at = right - 11 if on else right - 29
        self._draw.ellipse((at - 8, middle - 8, at + 8, middle + 8), PAPER)

    def _button(self, row: Row, box: Box) -> None:
        primary = row.style == "primary"
        self._frame(box, TINT if primary else PAPER, TINT if primary else EDGE)
        text = f"{row.label} ({row.icon})" if row.icon else row.label
        self._text(text, box, color=PAPER if primary else INK, anchor="mm")

    def _picker(self, row: Row, options: Sequence[Row], box: Box) -> None:
        left, top, right, bottom = box
        start = left + (right - left) / 3 if row.label else left
        wide = (right - start) / max(1, len(options))
        self._text(row.label, (left, top, start - GAP, bottom))
        for i, option in enumerate(options):
            chosen, own = option.value is True, (start + i * wide, top + 3, start + (i + 1) * wide - 6, bottom - 3)
            self._frame(own, TINT if chosen else PAPER, TINT if chosen else EDGE)
            self._text(option.label, (own[0] + 4, own[1], own[2] - 4, own[3]), 14, PAPER if chosen else INK, "mm")

    def _field(self, row: Row, box: Box) -> None:
        left, top, right, bottom = box
        start = left + (right - left) / 3
        value: Any = row.value or ""
        self._text(row.label or "Time", (left, top, start - GAP, bottom))
        self._frame((start, top + 3, right, bottom - 3))
        shown = "•" * len(value) if row.style == "obscured" else value
        self._text(shown, (start + 8, top, right - 8, bottom))

    def _divider(self, row: Row, box: Box) -> None:
        del row
        left, top, right, bottom = box
        self._draw.line((left, (top + bottom) / 2, right, (top + bottom) / 2), EDGE, 1)
