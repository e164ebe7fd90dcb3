"""`unmask ui` with the bundle that ships: typed and spoken requests, what goes to stdout, and what is told."""

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.apps.conftest import CLIPS, Command
from unmask.apps.cli.tasks.ui import PANELS
from unmask.apps.ui.catalog import basic
from unmask.apps.ui.messages import panel_of

THERMOSTAT = "show a thermostat for the bedroom from ten to thirty degrees with a save button"
MAXIMUM = "make the maximum twenty five"


def messages(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_thermostat_and_an_edit(command: Command) -> None:
    result = command("ui", "--text", THERMOSTAT, MAXIMUM)
    assert result.code == 0
    found = messages(result.out)
    rows = panel_of(found, basic()).rows
    assert [(row.type, row.label, row.low, row.high) for row in rows] == [
        ("Text", "Bedroom", None, None),
        ("Slider", "Temperature", 10, 25),
        ("Button", "Save", None, None),
    ]
    (edit,) = [each for each in found[3:] if "updateComponents" in each]
    assert [each["id"] for each in edit["updateComponents"]["components"]] == ["temperature"]
    assert "Temperature  10 ━" in result.err


def test_other_formats(command: Command) -> None:
    drawing = command("ui", "--text", THERMOSTAT, "--format", "text")
    assert "│ BEDROOM " in drawing.out
    assert drawing.err == ""
    objects = messages(command("ui", "--text", THERMOSTAT, "--format", "openhasp", "--size", "320x240", "--quiet").out)
    assert [each["obj"] for each in objects] == ["label", "label", "slider", "btn"]
    assert max(each["x"] + each["w"] for each in objects) <= 320
    low = command("ui", "--text", THERMOSTAT, "--format", "openhasp", "--size", "320x100", "--quiet")
    assert messages(low.out) == objects
    assert low.err == "unmask: 1 lines of the panel are below the edge of 320x100; give a larger --size\n"


def test_what_is_not_understood_changes_nothing(command: Command) -> None:
    result = command("ui", "--text", THERMOSTAT, "book me a flight to paris")
    assert len(messages(result.out)) == 3
    assert "I can only show panels" in result.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--text", "?!"), "there are no words in the request"),
        (("--text", "word " * 200), "the request has 200 words; at most 64"),
        (("--text", "a slider", "--size", "9x9"), "--size: read only with --format openhasp and --output"),
        (("--text", "a slider", "--size", "big", "--format", "openhasp"), "--size is 'big'; write it as 480x320"),
        (("--text", "a slider", "--size", "5000x320", "--format", "openhasp"), "write it as 480x320, at most 4096x4096"),
        (("--text", "a slider", "--realtime"), "--realtime: only for speech; leave out --text"),
        (("clip.wav", "--text", "a slider"), "requests are either typed or spoken"),
        (("--text", "a slider", "--catalog", "nowhere.json"), "nowhere.json: cannot be read (No such file or directory)"),
        (("--text", "a slider", "--bundle", "models/moonshine-tiny-en"), "makes no panels"),
    ],
)
def test_what_cannot_be_done_is_told(command: Command, line: tuple[str, ...], said: str) -> None:
    result = command("ui", *line)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_requests_and_events_on_standard_input(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    change = {"version": "v0.9", "change": {"surfaceId": "main", "path": "/temperature", "value": 28}}
    infinite = json.dumps(change).replace("28", "1e999")
    lines = [
        THERMOSTAT,
        json.dumps(change),
        infinite,
        "{broken",
        '{"a":' * 100_000,
        json.dumps({**change, "version": "v9"}),
        MAXIMUM,
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    result = command("ui", "--text", "-", "--quiet")
    data = [each["updateDataModel"] for each in messages(result.out)[3:] if "updateDataModel" in each]
    assert data == [{"surfaceId": "main", "path": "/temperature", "value": 25}]  # moved to 28, and clamped
    assert [line.split(" (")[0] for line in result.err.splitlines()] == [
        *["unmask: an event is one line of JSON"] * 3,
        'unmask: an event is an object with "version": "v0.9"',
    ]


def test_makers_widgets(command: Command, tmp_path: Path) -> None:
    catalog = {"catalogId": "mine", "components": {"Box": {"as": "Column"}, "Text": {}, "Dial": {"as": "Slider"}}}
    (tmp_path / "mine.json").write_text(json.dumps(catalog), encoding="utf-8")
    found = messages(command("ui", "--text", THERMOSTAT, "--catalog", tmp_path / "mine.json", "--quiet").out)
    kinds = {each["component"] for m in found for each in m.get("updateComponents", {}).get("components", ())}
    assert kinds == {"Box", "Text", "Dial"}


def test_a_recording_that_asks_for_nothing(command: Command) -> None:
    result = command("ui", CLIPS / "lj-jail.flac")
    assert result.code == 0
    assert result.err.startswith("> The inadequacy of the jail")


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite says the request")
def test_a_spoken_request(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "request.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", "show a thermostat for the kitchen", "-o", path], check=True)
    result = command("ui", path)
    assert result.code == 0, result.err
    assert [(row.type, row.label) for row in panel_of(messages(result.out), basic()).rows] == [
        ("Text", "Kitchen"),
        ("Slider", "Temperature"),
    ]


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in PANELS.iterdir()) < 20 << 20
