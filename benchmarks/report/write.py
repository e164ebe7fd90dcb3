"""A report as files: report.json for programs; report.md, one page of HTML and pictures in plots/ for people."""

import tempfile
from pathlib import Path

from unmask.benchmarks.report.markdown import to_markdown
from unmask.benchmarks.report.page import to_html
from unmask.benchmarks.report.plots import pictures
from unmask.benchmarks.report.record import Report, to_json
from unmask.errors import InputError
from unmask.replaced_files import replace_files
from unmask.system import nearest_folder

JSON = "report.json"
ROOM = 1 << 16  # bytes that are tried


def write_report(report: Report, folder: Path) -> None:
    """The folder is made if it is missing. Files of an earlier report are replaced when all new ones are complete.

    Raises InputError that names the folder if they cannot be written; an earlier report is as it was then.
    """
    shown = pictures(report)
    texts = {JSON: to_json(report), "report.md": to_markdown(report), "report.html": to_html(report, shown)}
    made = {folder / name: text.encode() for name, text in texts.items()}
    made |= {folder / "plots" / f"{name}.png": picture.png for name, picture in shown.items()}
    try:
        (folder / "plots").mkdir(parents=True, exist_ok=True)
        replace_files(made)
    except OSError as error:
        raise InputError(
            f"{folder}: the report cannot be written there ({error.strerror}); what was printed is all of it"
        ) from error


def check_place(folder: Path) -> None:
    """Raises InputError where a report cannot go, before minutes of measuring: tries the nearest folder that exists."""
    there = nearest_folder(folder)
    if not there.is_dir():
        raise InputError(f"{there}: the report is a folder, and this is a file; name another --output")
    try:
        with tempfile.TemporaryFile(dir=there) as trial:
            trial.write(bytes(ROOM))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another --output") from error
