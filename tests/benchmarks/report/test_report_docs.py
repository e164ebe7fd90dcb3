"""Pages made of stored reports: what the repository shows is what its reports say."""

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.report.reports import report, row
from unmask.benchmarks.report.docs import BEGIN, END, Docs, between_marks, everything, main, read_setups, to_paste
from unmask.benchmarks.report.record import Report
from unmask.benchmarks.report.write import to_json
from unmask.errors import InputError

ROOT = Path(__file__).parents[3]


def run_of(median_ms: float, seed: int, threads: int = 1) -> Report:
    samples = np.random.default_rng(seed).normal(median_ms, 0.02 * median_ms, 50)
    return report(row(*samples, threads=threads), row(*samples, scenario="fill", case="default", threads=threads))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Three runs with one thread and two with two, which take longer."""
    for name, medians, threads in (("box", (10, 10, 10.05), 1), ("box 2", (16, 16), 2)):
        (tmp_path / name).mkdir()
        for i, median in enumerate(medians, 1):
            path = tmp_path / name / f"report-{i}.json"
            path.write_text(to_json(run_of(median, i, threads)), encoding="utf-8")
    return tmp_path


def test_the_pages_hold_what_the_stored_reports_say() -> None:
    setups = read_setups(ROOT / "benchmarks" / "reports")
    for name, text in (("docs/benchmarks.md", everything(setups)), ("README.md", to_paste(setups))):
        page = (ROOT / name).read_text(encoding="utf-8")
        assert between_marks(page, text, Path(name)) == page, "run python -m unmask.benchmarks.report.docs"


def test_setups_runs_and_their_comparisons_are_told(stored: Path) -> None:
    text = everything(read_setups(stored))
    assert text.index("## box\n") < text.index("### box: step") < text.index("## box 2\n") < text.index("## box 2 against box")
    assert "- run 1 against run 2: 2 no clear difference" in text
    assert "- run 1 against run 3: " in text
    assert "- all runs but the last against the last: " in text
    assert "| p50 ms of each run |" in text
    against = text[text.index("## box 2 against box") :]
    assert against.count("| slower |") == 2
    assert text.count("\n| 1 | m | 1 | A CPU, 1 |") == 1
    assert text.count("\n| 3 | m | 1 | A CPU, 1 |") == 1


def test_one_row_a_setup_is_pasted(stored: Path) -> None:
    head, rule, *rows = to_paste(read_setups(stored)).splitlines()
    assert head.count("|") == rule.count("|")
    assert [line.split(" | ")[2] for line in rows] == ["A CPU, 1", "A CPU, 2"]
    assert to_paste({}) == everything({}) == ""


def test_only_what_stands_between_the_marks_is_written(stored: Path, tmp_path: Path) -> None:
    page, readme = tmp_path / "page.md", tmp_path / "readme.md"
    for path in (page, readme):
        path.write_text(f"above\n\n{BEGIN}\nformer rows\n{END}\n\nbelow\n", encoding="utf-8")
    for _ in range(2):  # the second time nothing changes
        main(Docs(stored, page, readme))
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"above\n\n{BEGIN}\n\n## box\n")
        assert text.endswith(f"\n\n{END}\n\nbelow\n")
        assert text.count("## box\n") == 1
        assert "former rows" not in text
    assert readme.read_text(encoding="utf-8").count("| m | 1 | A CPU, ") == 2
    with pytest.raises(InputError, match=r"bare.md: put the lines"):
        between_marks("nothing", "x", Path("bare.md"))
