"""A board from request to request, with canvases by hand in place of a model: previews, diffs, undo, events of the screen."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from unmask.apps.ui import slots
from unmask.apps.ui.board import Board
from unmask.apps.ui.catalog import Catalog, basic
from unmask.apps.ui.messages import opened, panel_of
from unmask.apps.ui.slots import NEW, Filled, Slots
from unmask.apps.ui.surface import Panel
from unmask.apps.ui.words import Word
from unmask.decoding.denoiser import Step
from unmask.errors import InputError

W = [f"<word {i}>" for i in range(20)]
TARGETS = slots.TARGETS
VOLUME = Slots("Slider", start=W[0], low="=0", high="=10")
ANSWERS = {
    "volume": Filled(NEW, (VOLUME,)),
    "volume and fan": Filled(NEW, (VOLUME, Slots("CheckBox", start=W[2]))),
    "volume seven": Filled(slots.EDIT, (Slots(place=TARGETS[0], value=W[1]),)),
    "limit 5": Filled(slots.EDIT, (Slots(place=TARGETS[0], high=W[1]),)),
    "fan": Filled(slots.EDIT, (Slots("CheckBox", start=W[0]),)),
    "no fan": Filled(slots.EDIT, (Slots(slots.REMOVE, TARGETS[1]),)),
    "undo": Filled(slots.UNDO),
    "close": Filled(slots.CLOSE),
    "book a flight": Filled(slots.CANNOT),
    "ok button": Filled(NEW, (Slots("Button", start=W[0]),)),
}


class Scripted:
    def steps(
        self, words: Sequence[Word], panel: Panel | None, catalog: Catalog, schedule: object
    ) -> Iterator[tuple[Filled, Step]]:
        del panel, catalog, schedule
        none = np.zeros(0)
        filled = ANSWERS[" ".join(word.shown.lower() for word in words)]
        yield filled, Step(1, none.astype(int), none.astype(int), none.astype(int), none.astype(np.float32), 0, 9, 0.5)


@pytest.fixture
def board() -> Board:
    return Board(Scripted())  # type: ignore[arg-type]


def keys(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [key for message in messages for key in message if key != "version"]


def change(path: str, value: Any) -> dict[str, Any]:
    return {"version": "v0.9", "change": {"surfaceId": "main", "path": path, "value": value}}


def test_only_what_differs_is_sent(board: Board) -> None:
    assert keys(board.ask("volume").messages) == ["createSurface", "updateDataModel", "updateComponents"]
    (message,) = board.ask("volume seven").messages
    assert message["updateDataModel"] == {"surfaceId": "main", "path": "/volume", "value": 7}
    data, components = board.ask("limit 5").messages
    assert data["updateDataModel"]["value"] == 5
    assert [each["id"] for each in components["updateComponents"]["components"]] == ["volume"]
    reply = board.ask("limit 5")
    assert (reply.messages, reply.said) == ((), "It is like that already.")


def test_messages_replayed_are_what_is_shown(board: Board) -> None:
    sent: list[dict[str, Any]] = []
    for text in ("volume", "volume seven", "fan", "limit 5", "no fan", "undo", "undo", "ok button", "undo"):
        sent += board.ask(text).messages
        assert board.panel is not None
        assert board.live is not None
        assert panel_of(sent, basic()).rows == board.panel.rows, text
        assert sum("createSurface" in each for each in sent) - sum("deleteSurface" in each for each in sent) == 1


def test_undo_leads_back_to_the_empty_screen(board: Board) -> None:
    board.ask("volume")
    board.ask("fan")
    assert keys(board.ask("undo").messages) == ["updateComponents", "updateDataModel"]
    assert keys(board.ask("undo").messages) == ["deleteSurface"]
    reply = board.ask("close")
    assert (reply.kind, reply.messages) == ("unclear", ())


def test_what_was_closed_comes_back(board: Board) -> None:
    board.ask("volume and fan")
    panel = board.panel
    assert keys(board.ask("close").messages) == ["deleteSurface"]
    assert "createSurface" in keys(board.ask("undo").messages)
    assert board.panel == panel
    assert not Board(Scripted()).ask("undo").messages  # type: ignore[arg-type]
    assert board.ask("undo").said == ""
    assert board.ask("undo").said == "There is nothing to take back."


def test_undo_keeps_what_the_user_has_set_since(board: Board) -> None:
    board.ask("volume")
    board.take(change("/volume", 3))
    board.ask("fan")
    board.take(change("/volume", 4))
    board.ask("undo")
    assert board.live is not None
    assert board.live.data == {"volume": 4}
    board.ask("limit 5")
    board.take(change("/volume", 2))
    board.ask("undo")  # the range changed, so the slider is as it was then
    assert board.live.data == {"volume": 4}


def test_a_preview_grows_into_the_answer(board: Board) -> None:
    first, then, last = board.preview("volume"), board.preview("volume and fan"), board.ask("volume and fan")
    assert keys(first.messages) == ["createSurface", "updateDataModel", "updateComponents"]
    assert "createSurface" not in keys(then.messages)
    assert last.messages == ()
    assert board.past == [None]
    assert board.preview("ok button").messages == ()  # what is shown is not replaced by half a request


def test_a_preview_that_was_nothing_is_taken_away(board: Board) -> None:
    board.preview("volume")
    reply = board.ask("book a flight")
    assert keys(reply.messages) == ["deleteSurface"]
    assert reply.said.startswith("I can only show panels")
    assert board.past == []


def test_at_a_pause_a_change_is_shown_and_the_end_of_the_request_says_no_more(board: Board) -> None:
    board.ask("volume")
    assert board.preview("volume seven").messages == ()
    (shown,) = board.preview("volume seven", paused=True).messages
    assert shown["updateDataModel"]["value"] == 7
    assert board.ask("volume seven").messages == ()
    assert (len(board.past), keys(board.ask("undo").messages)) == (2, ["updateDataModel"])


def test_words_after_a_pause_start_from_what_was_there_before_it(board: Board) -> None:
    sent = [*board.ask("volume").messages, *board.preview("volume seven", paused=True).messages]
    board.take(change("/volume", 6))  # moved while somebody speaks
    sent += board.ask("fan").messages
    assert board.panel is not None
    assert board.live is not None
    assert [(row.label, row.value) for row in board.panel.rows] == [("Volume", 6), ("Fan", False)]
    assert board.live.data == {"volume": 6, "fan": False}
    sent += board.preview("ok button", paused=True).messages
    sent += board.ask("book a flight").messages
    assert [(row.label, row.value) for row in panel_of(sent, basic()).rows] == [("Volume", 6), ("Fan", False)]
    assert board.live.data == {"volume": 6, "fan": False}


def test_what_a_user_has_moved_stays_and_is_clamped(board: Board) -> None:
    board.ask("volume")
    board.take(change("/volume", 8))
    assert keys(board.ask("fan").messages) == ["updateDataModel", "updateComponents"]  # of the fan alone
    assert board.ask("limit 5").messages[0]["updateDataModel"]["value"] == 5


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (7, "an event is an object"),
        ({"version": "v0.8", "action": {}}, "an event is an object"),
        ({"version": "v0.9"}, "has an action, or a change"),
        ({"version": "v0.9", "action": {"name": "save"}}, "an action needs surfaceId"),
        ({"version": "v0.9", "change": {"path": 3}}, "a change has a path and a value"),
        (change("/speed", 3), "/speed is no input"),
        (change("/volume", "loud"), "cannot hold 'loud'"),
        (change("/volume", True), "cannot hold True"),
    ],
)
def test_a_broken_event_changes_nothing(board: Board, event: Any, said: str) -> None:
    board.ask("volume")
    with pytest.raises(InputError, match=said):
        board.take(event)
    assert board.live is not None
    assert board.live.data == {"volume": 5}


def test_an_action_comes_back(board: Board) -> None:
    board.ask("ok button")
    action = {"name": "ok", "surfaceId": "main", "sourceComponentId": "ok", "timestamp": "2026-11-28T09:30:00Z", "context": {}}
    assert board.take({"version": "v0.9", "action": action}) == action
    with pytest.raises(InputError, match="main/cancel is not on the screen"):
        board.take({"version": "v0.9", "action": {**action, "sourceComponentId": "cancel"}})


def test_a_late_client_gets_all(board: Board) -> None:
    board.ask("volume")
    board.take(change("/volume", 8))
    assert board.live is not None
    late = panel_of(opened(board.live, basic()), basic())
    assert late.rows[0].value == 8
