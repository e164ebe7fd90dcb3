"""A report as files: report.json for programs; report.md, one page of HTML and pictures in plots/ for people."""

from pathlib import Path

from unmask.benchmarks.report.markdown import to_markdown
from unmask.benchmarks.report.page import to_html
from unmask.benchmarks.report.plots import pictures
from unmask.benchmarks.report.record import Report, to_json

JSON = "report.json"


def write_report(report: Report, folder: Path) -> None:
    """The folder is made if it is missing; files of an earlier report are overwritten."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    shown = pictures(report)
    for name, picture in shown.items():
        (folder / "plots" / f"{name}.png").write_bytes(picture.png)
    (folder / JSON).write_text(to_json(report), encoding="utf-8")
    (folder / "report.md").write_text(to_markdown(report), encoding="utf-8")
    (folder / "report.html").write_text(to_html(report, shown), encoding="utf-8")
