"""A panel in a terminal, with what was said and the state: listening, thinking, showing or not understood. Writes to stderr.

On a terminal the panel fills in while somebody speaks; elsewhere each answer is printed once, as plain text.
"""

import shutil
from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.live import Live
from rich.text import Text

State = Literal["listening", "thinking", "showing", "not understood"]
COLORS = {"listening": "dim", "thinking": "yellow", "showing": "green", "not understood": "bold red"}


class PanelView:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.width = min(80, self.console.width if self.console.is_terminal else shutil.get_terminal_size((60, 24)).columns)
        self._live = Live(console=self.console, auto_refresh=False, transient=True) if self.console.is_terminal else None
        if self._live:
            self._live.start()

    def show(self, state: State, transcript: str, lines: Sequence[str]) -> None:
        """What stands so far. lines: of the panel."""
        if self._live:
            text = Text.assemble((transcript, "bold"), "\n", "\n".join(lines), "\n", (state, COLORS[state]))
            self._live.update(text, refresh=True)

    def answer(self, state: State, transcript: str, said: str, lines: Sequence[str]) -> None:
        """A request is answered: it stays above what follows. said: a sentence, where nothing changed."""
        text = Text.assemble(("> " + transcript, "bold"), *(("\n" + said, COLORS[state]),) if said else (), "\n" * bool(lines))
        self.console.print(Text.assemble(text, "\n".join(lines)))
        if self._live:
            self._live.update(Text(state, COLORS[state]), refresh=True)

    def close(self) -> None:
        if self._live:
            self._live.stop()
