"""A report's files: JSON by its schema and read back, one page that needs nothing else, pictures of what was measured."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.benchmarks.report.reports import report, row
from unmask.benchmarks.report.page import to_html
from unmask.benchmarks.report.plots import PICTURES, pictures
from unmask.benchmarks.report.record import Report, read_report
from unmask.benchmarks.report.write import to_json, write_report
from unmask.errors import InputError

SCHEMA = json.loads((files("unmask.benchmarks.report") / "schema.json").read_text(encoding="utf-8"))


def full() -> Report:
    """One row of every kind."""
    soak = {"latency_s": tuple((i / 10, 0.1) for i in range(40)), "rss_mib": ((0.0, 100.0),), "temperature_c": ((0.0, 40.0),)}
    return report(
        row(*range(1, 12), rows=8, macs=1e6, bytes=1e6),
        row(*range(11, 22), case="16 rows", rows=16),
        row(*range(5, 16), scenario="fill", case="default <1 & 2>", rows=30, tokens=10, error_rate=0.1),
        row(50, 60, scenario="caption", case="offline a", audio_s=2.0),
        row(-100, 200, scenario="caption", case="live a", measure="stable", audio_s=2.0, series={"backlog_s": ((0.0, 0.1),)}),
        row(900, 1000, scenario="load", case="warm"),
        row(*[100] * 40, scenario="soak", case="1 minute", measure="call", series=soak),
        skipped={"peer": "not installed"},
    )


def test_json_is_valid_and_read_back_as_it_was(tmp_path: Path) -> None:
    own = full()
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(to_json(own)), SCHEMA)
    (tmp_path / "report.json").write_text(to_json(own), encoding="utf-8")
    again = read_report(tmp_path / "report.json")
    assert again.rows == own.rows
    assert to_json(again) == to_json(own)
    assert json.loads(to_json(own))["rows"][0]["figures"]["p50_ms"] == 6


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.pop("ceiling"),
        lambda raw: raw.update(format=2),
        lambda raw: raw.update(comment="a"),
        lambda raw: raw["rows"][0].update(samples_us=[]),
        lambda raw: raw["rows"][0].update(samples_us=[0.5]),
        lambda raw: raw["rows"][0]["figures"].pop("p50_ms"),
        lambda raw: raw.update(energy={"joules": 1.0, "seconds": 1.0, "source": "guess"}),
    ],
)
def test_the_schema_refuses(change: Any) -> None:
    raw = json.loads(to_json(full()))
    change(raw)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(raw, SCHEMA)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "rows": []}', '{"format": 1, "rows": [{}]}', '{"format": 1}'])
def test_what_is_no_report_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(str(path))):
        read_report(path)
    with pytest.raises(InputError, match="nowhere"):
        read_report(Path("nowhere.json"))


def test_every_picture_is_drawn_and_what_was_not_measured_has_none() -> None:
    shown = pictures(full())
    assert set(shown) == set(PICTURES)
    assert all(picture.png.startswith(b"\x89PNG") for picture in shown.values())
    assert set(pictures(report(row(1, 2, scenario="load")))) == {"load"}


class Links(HTMLParser):
    """Collects what a page loads, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.sources, self.tags, self.text = list[str](), list[str](), list[str]()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_needs_nothing_else() -> None:
    own = full()
    page = Links()
    page.feed(to_html(own, pictures(own)))
    assert len(page.sources) == len(PICTURES)
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "default <1 & 2>" in page.text
    assert "6.00 (2.00 to 10.0)" in page.text


def test_files_of_an_earlier_report_are_written_over(tmp_path: Path) -> None:
    write_report(full(), tmp_path / "a")
    write_report(replace(full(), created="2027-01-01T00:00:00+00:00"), tmp_path / "a")
    assert read_report(tmp_path / "a" / "report.json").created.startswith("2027")
    assert (tmp_path / "a" / "report.md").read_text(encoding="utf-8").startswith("# unmask bench: m")
    assert (tmp_path / "a" / "plots" / "window.png").is_file()
