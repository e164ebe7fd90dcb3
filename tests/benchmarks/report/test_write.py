"""A report's files: JSON that is read back strictly, one page that needs nothing else, pictures of what was measured."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.report.reports import report, row
from unmask import replaced_files
from unmask.benchmarks.report.markdown import to_markdown
from unmask.benchmarks.report.page import to_html
from unmask.benchmarks.report.plots import PICTURES, pictures
from unmask.benchmarks.report.record import Report, read_report, to_json
from unmask.benchmarks.report.write import write_report
from unmask.errors import InputError

ROOT = Path(__file__).parents[3]


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


@pytest.mark.slow
def test_an_earlier_report_stays_until_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(full(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    begun = replaced_files.open_part

    def full_disk(path: Path) -> tuple[int, Path]:
        if path.name == "report.html":
            raise OSError(28, "No space left on device")
        return begun(path)

    monkeypatch.setattr(replaced_files, "open_part", full_disk)
    with pytest.raises(InputError, match=r"the report cannot be written there \(No space left on device\)"):
        write_report(replace(full(), version="9"), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_json_is_read_back_as_it_was(tmp_path: Path) -> None:
    own = full()
    (tmp_path / "report.json").write_text(to_json(own), encoding="utf-8")
    assert read_report(tmp_path / "report.json") == own


STORED = sorted((ROOT / "benchmarks" / "reports").rglob("report-*.json"))


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_stored_reports_are_read_and_their_tables_are_theirs(path: Path) -> None:
    report, page = read_report(path), path.with_suffix(".md")
    assert not page.exists() or page.read_text(encoding="utf-8") == to_markdown(report)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda raw: raw.pop("ceiling"), "'ceiling' is missing"),
        (lambda raw: raw.update(format=1), "report format 1, but this version reads 2"),
        (lambda raw: raw.update(comment="a"), "unknown key 'comment'"),
        (lambda raw: raw["rows"][0].update(samples_us=[]), "step, m, 8 rows: a row has at least one sample"),
        (lambda raw: raw["rows"][0].update(samples_us=[0.5]), r"rows\[0\].samples_us\[0\]: expected int"),
        (lambda raw: raw["rows"][0].update(samples_us=["fast"]), r"rows\[0\].samples_us\[0\]: expected int"),
        (lambda raw: raw["rows"][0].update(samples_us=[10**400]), r"samples_us\[0\]: 1000.* is too large for a number"),
        (lambda raw: raw["rows"][0].update(error_rate=float("nan")), "NaN is not a finite number"),
        (lambda raw: raw.update(overhead_s=float("inf")), "Infinity is not a finite number"),
        (lambda raw: raw.update(ceiling=[{}]), r"ceiling\[0\]: the key 'threads' is missing"),
        (lambda raw: raw.update(machine={}), "machine: the key 'cpu' is missing"),
        (lambda raw: raw["machine"].pop("cpu"), "machine: the key 'cpu' is missing"),
        (lambda raw: raw.update(energy={"joules": 1.0, "source": "rapl"}), "energy: the key 'seconds' is missing"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(change: Any, place: str, tmp_path: Path) -> None:
    raw = json.loads(to_json(full()))
    change(raw)
    (tmp_path / "report.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(InputError, match=place):
        read_report(tmp_path / "report.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 3, "rows": []}', '{"format": 2, "rows": [{}]}', '{"format": 2}'])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
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


@pytest.mark.slow
def test_files_of_an_earlier_report_are_overwritten(tmp_path: Path) -> None:
    write_report(full(), tmp_path / "a")
    write_report(replace(full(), created="2027-01-01T00:00:00+00:00"), tmp_path / "a")
    assert read_report(tmp_path / "a" / "report.json").created.startswith("2027")
    assert (tmp_path / "a" / "report.md").read_text(encoding="utf-8").startswith("# unmask bench: m")
    assert (tmp_path / "a" / "plots" / "window.png").is_file()
