"""Messages in the wire form of A2UI v1.0, and its events."""

from typing import Any

import pytest

from tests.apps.ui.test_board import Scripted
from unmask.apps.ui.board import Board
from unmask.apps.ui.catalog import basic
from unmask.apps.ui.components import compiled
from unmask.apps.ui.messages import opened
from unmask.apps.ui.slots import READING
from unmask.apps.ui.surface import Panel, Row, settled
from unmask.apps.ui.wire import Wire
from unmask.errors import InputError


@pytest.fixture
def board() -> Board:
    return Board(Scripted())  # type: ignore[arg-type]


def test_v0_9_is_as_it_is_made(board: Board) -> None:
    messages = board.ask("volume").messages
    assert tuple(Wire().written(messages)) == messages


def test_v1_0_has_its_own_catalog_and_null_for_what_is_gone(board: Board) -> None:
    wire = Wire("v1.0")
    sent: list[dict[str, Any]] = []
    for text in ("volume", "fan", "no fan"):
        sent += wire.written(board.ask(text).messages)
    assert {each["version"] for each in sent} == {"v1.0"}
    assert sent[0]["createSurface"] == {
        "surfaceId": "main",
        "catalogId": "https://a2ui.org/specification/v1_0/catalogs/basic/catalog.json",
    }
    assert sent[-1]["updateDataModel"] == {"surfaceId": "main", "path": "/fan", "value": None}


def test_v1_0_uses_no_surface_twice_and_events_find_the_present_one(board: Board) -> None:
    wire = Wire("v1.0")
    first, second = (list(wire.written(board.ask(text).messages)) for text in ("volume", "ok button"))
    assert [each[next(k for k in each if k != "version")]["surfaceId"] for each in (first[0], *second)] == [
        *("main", "main", "main-2"),
        "main-2",
    ]
    action = {"name": "ok", "surfaceId": "main-2", "sourceComponentId": "ok", "timestamp": "2026-11-28T09:30:00Z", "context": {}}
    assert board.take(wire.event({"version": "v1.0", "action": action})) == {**action, "surfaceId": "main"}
    with pytest.raises(InputError, match="main-1/ok is not on the screen"):
        board.take(wire.event({"version": "v1.0", "action": {**action, "surfaceId": "main-1"}}))
    with pytest.raises(InputError, match=r'"version": "v1\.0"'):
        wire.event({"version": "v0.9", "action": action})


def test_headings_of_v1_0_are_markdown() -> None:
    caption = Row("Text", label="Open", style="caption")
    panel = settled(Panel((Row("Text", label="Lab", style="h3"), caption, Row(READING, label="Heat"))))
    *_, last = Wire("v1.0").written(opened(compiled(panel, basic()), basic()))
    parts = last["updateComponents"]["components"]
    texts = [(each["text"], each.get("variant")) for each in parts if each["component"] == "Text"]
    heat = {"call": "formatString", "args": {"value": "## ${/heat}"}}
    assert texts == [("### Lab", None), ("Open", "caption"), ("Heat", "caption"), (heat, None)]
