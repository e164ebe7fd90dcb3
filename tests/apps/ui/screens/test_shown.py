"""Panels as text and as objects of openHASP."""

import json

import numpy as np
import pytest

from tests.apps.ui.conftest import TEXT, random_canvas
from unmask.apps.ui.screens.drawing import cells, drawn
from unmask.apps.ui.screens.openhasp import HaspPanel
from unmask.apps.ui.slots import NEW
from unmask.apps.ui.surface import Panel, Row, read, settled
from unmask.apps.ui.words import words_of
from unmask.errors import InputError

PANEL = settled(
    Panel(
        (
            Row("Text", label="Bedroom", style="h3"),
            Row("Slider", label="Temperature", low=10.0, high=30.0, value=20.0),
            Row("CheckBox", label="Fan", value=True),
            Row("ChoicePicker", label="Mode"),
            Row("Option", 1, "Eco", value=True),
            Row("Option", 1, "Boost"),
            Row("Row"),
            Row("Button", 1, "Save"),
            Row("Button", 1, "Back", icon="arrowBack"),
        )
    )
)


def test_a_drawing() -> None:
    assert drawn(PANEL) == [
        "╭─────────────────────────────────────────────╮",
        "│ BEDROOM                                     │",
        "│ Temperature  10 ━━━━━━━━━━●───────── 30  20 │",
        "│ [x] Fan                                     │",
        "│ Mode: (•) Eco  ( ) Boost                    │",
        "│ [ Save ]   [ <arrowBack> Back ]             │",
        "╰─────────────────────────────────────────────╯",
    ]
    assert drawn(None) == []


@pytest.mark.parametrize("width", [30, 60])
def test_every_panel_fits(width: int) -> None:
    rng, words = np.random.default_rng(5), words_of(TEXT)
    for _ in range(200):
        panel = read(random_canvas(rng, len(words), 0, NEW), words, None).panel
        lines = drawn(panel, width)
        assert all(cells(line) == cells(lines[0]) <= width for line in lines)
    assert cells("水 é e\u0301") == 6


def test_objects_of_openhasp() -> None:
    lines = HaspPanel(480, 320).lines(PANEL)
    found = {each["id"]: each for each in lines}
    assert [each["obj"] for each in lines] == ["label", "label", "slider", "checkbox", "label", "dropdown", "btn", "btn"]
    assert found[3] == {
        "page": 1,
        "id": 3,
        "obj": "slider",
        "x": 240,
        "y": 48,
        "w": 232,
        "h": 32,
        "min": 10,
        "max": 30,
        "val": 20,
    }
    assert found[6]["options"] == "Eco\nBoost"
    assert all(isinstance(value, int | str | bool) for each in lines for value in each.values())
    assert max(each["x"] + each["w"] for each in lines) <= 480


def test_an_edit_sends_the_objects_that_differ() -> None:
    hasp = HaspPanel()
    hasp.lines(PANEL)
    assert hasp.lines(PANEL) == []
    warmer = Panel(tuple(Row(**{**vars(row), "value": 21.5}) if row.type == "Slider" else row for row in PANEL.rows))
    (line,) = hasp.lines(warmer)
    assert (line["id"], line["min"], line["max"], line["val"]) == (3, 100, 300, 215)  # tenths
    gone = hasp.lines(None)
    assert all(each["hidden"] for each in gone)
    assert len(gone) == 8
    assert (hasp.row_of(3), hasp.row_of(99)) == ("temperature", None)
    assert json.dumps(hasp.lines(PANEL))


def test_a_page_holds_so_many_objects() -> None:
    hasp = HaspPanel()
    for i in range(50):
        hasp.lines(settled(Panel(tuple(Row("Text", label=f"{i} {j}") for j in range(6)))))
    with pytest.raises(InputError, match="more than 254 objects"):
        hasp.lines(settled(Panel(tuple(Row("Text", label=f"x {j}", id=f"x{j}") for j in range(16)))))
