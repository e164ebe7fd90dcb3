"""Bars of progress with the time left, on stderr, and only on a terminal."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


def bar(console: Console) -> Progress:
    """A bar that is gone when it stops. What is printed to stdout while it is up stays on stdout, also where that is a file."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)


class DelayedProgress:
    """How far a recording is captioned. Appears after a second."""

    def __init__(self, name: str) -> None:
        self._began = time.monotonic()
        self._bar = bar(Console(stderr=True))
        self._task = self._bar.add_task(name, total=None)

    def reached(self, audio_s: float, expected_s: float | None) -> None:
        """expected_s: how long the recording seems to be by now; None: unknown."""
        self._bar.update(self._task, completed=audio_s, total=expected_s)
        if time.monotonic() - self._began > 1 and self._bar.console.is_terminal:
            self._bar.start()

    def close(self) -> None:
        if self._bar.live.is_started:  # stopping a bar that never started prints an empty line
            self._bar.stop()
