"""A report as files: report.json for machines, report.md and one page of HTML for people, pictures in plots/."""

import json
from dataclasses import asdict
from pathlib import Path

from unmask.benchmarks.report.figures import figures
from unmask.benchmarks.report.markdown import to_markdown
from unmask.benchmarks.report.page import to_html
from unmask.benchmarks.report.plots import pictures
from unmask.benchmarks.report.record import FIGURES, Report

JSON = "report.json"


def to_json(report: Report) -> str:
    """Raw samples, and each row's figures beside them; schema.json says what is what."""
    raw = asdict(report)
    for own, row in zip(raw["rows"], report.rows, strict=True):
        own[FIGURES] = asdict(figures(row, report))
    return json.dumps(raw, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def write_report(report: Report, folder: Path) -> None:
    """The folder is made where it is missing; files of an earlier report are written over."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    shown = pictures(report)
    for name, picture in shown.items():
        (folder / "plots" / f"{name}.png").write_bytes(picture.png)
    (folder / JSON).write_text(to_json(report), encoding="utf-8")
    (folder / "report.md").write_text(to_markdown(report), encoding="utf-8")
    (folder / "report.html").write_text(to_html(report, shown), encoding="utf-8")
