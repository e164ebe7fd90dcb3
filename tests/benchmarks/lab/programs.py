"""A program of the laboratory as a person runs it, inside this process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.lab.program import run
from tests.apps.conftest import Result


class Program:
    """Runs a program's `main` with a command line."""

    def __init__(self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capfd, self._monkeypatch = capfd, monkeypatch

    def __call__(self, main: Callable[..., None], *arguments: str | Path) -> Result:
        self._monkeypatch.setattr("sys.argv", ["program", *map(str, arguments)])
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run(main)
        out, err = self._capfd.readouterr()
        message = f"{ended.value.code}\n" if isinstance(ended.value.code, str) else ""  # as Python prints it
        return Result(1 if message else int(ended.value.code or 0), out, err + message)


@pytest.fixture
def program(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(capfd, monkeypatch)
