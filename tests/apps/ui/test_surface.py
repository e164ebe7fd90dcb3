"""What a filled canvas makes of a panel, by hand: new panels, edits that leave the rest alone, and what contradicts itself."""

from dataclasses import replace

import numpy as np
import pytest

from tests.apps.ui.conftest import TEXT, random_canvas
from unmask.apps.ui import slots
from unmask.apps.ui.slots import AFTER, COUNT, EDIT, FIELDS, MASK_ID, NEW, TARGETS, TOKENS, Filled, Slots, allowed, ranges
from unmask.apps.ui.surface import Panel, Row, read, settled
from unmask.apps.ui.words import words_of

THERMOSTAT = words_of("show a thermostat for the bedroom from ten to thirty degrees with a save button")
W = [f"<word {i}>" for i in range(20)]
FILLED = Filled(
    NEW,
    (
        Slots("Text", start=W[5], end=W[5], look="<style h3>"),
        Slots("Slider", start="<label Temperature>", low=W[7], high=W[9]),
        Slots("Button", start=W[13], end=W[13], look="<style primary>"),
    ),
)


def shown(text: str, *rows: Slots, panel: Panel | None = None, kind: str = EDIT) -> Panel:
    found = read(Filled(kind, rows), words_of(text), panel).panel
    assert found is not None
    return found


@pytest.fixture
def thermostat() -> Panel:
    return shown(" ".join(word.shown for word in THERMOSTAT), *FILLED.rows, kind=NEW)


def test_a_thermostat(thermostat: Panel) -> None:
    assert thermostat.rows == (
        Row("Text", label="Bedroom", style="h3", id="title"),
        Row("Slider", label="Temperature", low=10, high=30, value=20.0, id="temperature"),
        Row("Button", label="Save", style="primary", id="save"),
    )


def test_an_edit_changes_what_it_says_and_nothing_else(thermostat: Panel) -> None:
    edited = shown("make the maximum 15", Slots(place=TARGETS[1], high=W[3]), panel=thermostat)
    assert edited.rows[1] == replace(thermostat.rows[1], high=15, value=15)  # the value moves into the range
    assert edited.rows[::2] == thermostat.rows[::2]
    warmer = shown("two warmer", Slots(place=TARGETS[1], value=W[0], look="<style raise>"), panel=thermostat)
    assert warmer.rows[1].value == 22
    renamed = shown("call it office", Slots(place=TARGETS[0], start=W[2]), panel=thermostat)
    assert (renamed.rows[0].label, renamed.rows[0].id) == ("Office", "title")


def test_rows_are_added_removed_and_moved(thermostat: Panel) -> None:
    added = shown("add a fan switch", Slots("CheckBox", start=W[2]), panel=thermostat)
    assert [row.id for row in added.rows] == ["title", "temperature", "fan", "save"]  # above the button
    last = shown("fan last", Slots(slots.LAST, TARGETS[2]), panel=added)
    assert [row.id for row in last.rows] == ["title", "temperature", "save", "fan"]
    first = shown("fan first", Slots(slots.FIRST, TARGETS[3]), panel=last)
    assert [row.id for row in first.rows] == ["title", "fan", "temperature", "save"]  # below the heading
    gone = shown("no fan", Slots(slots.REMOVE, TARGETS[1]), panel=first)
    assert gone.rows == thermostat.rows
    again = shown("add a fan switch", Slots("CheckBox", start=W[2]), panel=gone)
    assert again.rows[2].id == "fan_2"  # an id is never given twice


def test_a_panel_without_its_last_control_closes(thermostat: Panel) -> None:
    rows = tuple(Slots(slots.REMOVE, TARGETS[i]) for i in range(3))
    outcome = read(Filled(EDIT, rows), THERMOSTAT, thermostat)
    assert (outcome.kind, outcome.panel, outcome.changed) == (slots.CLOSE, None, True)


def test_options_follow_their_picker() -> None:
    panel = shown(
        "mode eco and boost",
        Slots("ChoicePicker", start=W[0]),
        Slots("Option", start=W[1]),
        Slots("Option", start=W[3]),
        kind=NEW,
    )
    assert [(row.type, row.depth) for row in panel.rows] == [("ChoicePicker", 0), ("Option", 1), ("Option", 1)]
    chosen = shown("boost", Slots(place=TARGETS[2], value=slots.ON), panel=panel)
    other = shown("eco", Slots(place=TARGETS[1], value=slots.ON), panel=chosen)
    assert [row.value for row in chosen.rows[1:]] == [False, True]
    assert [row.value for row in other.rows[1:]] == [True, False]  # it takes one
    more = shown("also off", Slots("Option", AFTER[2], W[1]), panel=panel)
    assert [row.label for row in more.rows] == ["Mode", "Eco", "Boost", "Off"]


def test_what_contradicts_itself_is_set_right() -> None:
    rows = (
        Row("Option", label="No picker before it"),
        Row("Row", depth=3),
        Row("Slider", depth=2, label="Level", low=30, high=10, value=99.0),
        Row("List"),
        Row("ChoicePicker", label="Empty"),
        Row("Text"),
        Row("CheckBox", label="Fan", value=3.0, icon="star", style="h1"),
    )
    assert [(row.type, row.depth, row.low, row.high, row.value) for row in settled(Panel(rows)).rows] == [
        ("Row", 0, None, None, None),
        ("Slider", 1, 10, 30, 30.0),
        ("CheckBox", 0, None, None, False),
    ]


def test_settling_twice_changes_nothing() -> None:
    rng, words = np.random.default_rng(4), words_of(TEXT)
    for _ in range(500):
        panel = read(random_canvas(rng, len(words), 0, NEW), words, None).panel
        if panel is not None:
            assert settled(panel) == panel
            assert len({row.id for row in panel.rows}) == len(panel.rows) <= slots.ROWS


def test_an_answer_without_sense_leaves_the_panel_alone(thermostat: Panel) -> None:
    for filled in (Filled(slots.CANNOT), Filled(slots.UNCLEAR), Filled(NEW), Filled(EDIT)):
        outcome = read(filled, THERMOSTAT, thermostat)
        assert (outcome.panel, outcome.changed) == (thermostat, False)
    assert read(Filled(slots.CLOSE), THERMOSTAT, thermostat).panel is None
    assert read(Filled(slots.CLOSE), THERMOSTAT, None).kind == slots.UNCLEAR


def test_a_canvas_and_its_ids() -> None:
    assert Filled.of(FILLED.ids) == FILLED
    assert len(FILLED.ids) == 1 + 3 * len(FIELDS)
    assert len(set(TOKENS)) == COUNT


def test_ids_of_a_slot_are_those_that_mean_something() -> None:
    words = words_of("slider from 5 to seven thirty pm")
    names = {slot: {TOKENS[i] for low, high in spans for i in range(low, high)} for slot, spans in allowed(words, 0).items()}
    assert {name for name in names["low"] if name.startswith("<word")} == {W[2]}
    assert {name for name in names["value"] if name.startswith("<word")} == {W[2], W[4]}
    assert {name for name in names["start"] if name.startswith("<word")} == set(W[:5])
    assert {name for name in names["end"] if name.startswith("<word")} == {W[0], *W[2:5]}  # no label ends with "from"
    assert slots.EDIT not in names["kind"]
    assert not names["place"] & {*TARGETS, *AFTER}
    assert all("<mask>" not in own for own in names.values())
    assert "Slider" not in {TOKENS[i] for low, high in allowed(words, 0, ("Text",))["type"] for i in range(low, high)}
    assert ranges([5, 3, 4, 9]) == ((3, 6), (9, 10))
    assert MASK_ID == 0


def test_a_thing_that_two_rows_name_is_there_once() -> None:
    words = words_of("sliders for the fan speed and volume")
    rows = (Slots("Slider", start=W[3], end=W[4]), Slots("Slider", start=W[4]), Slots("Slider", start=W[6]), Slots("Slider"))
    panel = read(Filled(NEW, rows), words, None).panel
    assert panel is not None
    assert [row.label for row in panel.rows] == ["Fan speed", "Volume", "Value"]


def test_labels_of_the_list_and_numbers_are_used_once_and_nothing_is_called_the() -> None:
    words = words_of("a login form and a dial from 5 to 9 with the")
    rows = (
        *(Slots("TextField", start="<label Password>"), Slots("TextField", start="<label Password>")),
        *(Slots("Button", start="<label Password>"), Slots("Slider", low=W[7], high=W[9])),
        *(Slots("Slider", low=W[7], high=W[9]), Slots("CheckBox", start=W[11])),
    )
    panel = read(Filled(NEW, rows), words, None).panel
    assert panel is not None
    assert [row.type for row in panel.rows] == ["TextField", "Button", "Slider"]


def test_one_number_changes_two_rows() -> None:
    panel = read(Filled(NEW, (Slots("Slider", start=W[0]), Slots("Slider", start=W[1]))), words_of("bass treble"), None).panel
    rows = (Slots(place=TARGETS[0], value=W[3]), Slots(place=TARGETS[1], value=W[3]))
    edited = read(Filled(EDIT, rows), words_of("set both to 7"), panel).panel
    assert edited is not None
    assert [row.value for row in edited.rows] == [7, 7]


def test_an_article_after_a_preposition_is_no_part_of_a_name() -> None:
    words = words_of("a thermostat for the kitchen and a note saying the door is open")
    rows = (Slots("Text", start=W[3], end=W[4]), Slots("Text", start=W[9], end=W[12]))
    panel = read(Filled(NEW, rows), words, None).panel
    assert panel is not None
    assert [row.label for row in panel.rows] == ["Kitchen", "The door is open"]
