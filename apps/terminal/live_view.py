"""The live view of a terminal: ended segments scroll up; the open one is at the bottom, above a status line.

Knows events and colors. Knows no audio device and no model. Writes to stderr.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.live import Live
from rich.text import Text

from unmask.speech.events import Event

METER = "▁▂▃▄▅▆▇█"
QUIET_DB = -60.0
DRAWN_HZ = 10
LATE_S = 1.0  # a longer lag is red


@dataclass
class State:
    """Values of the status line."""

    device: str
    level_db: float = QUIET_DB
    lag_s: float = 0.0
    passes: int = 0
    dropped_s: float = 0.0


class TerminalView:
    def __init__(self, device: str, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._state, self._open = State(device), Text("listening", style="dim")
        self._live = Live(console=self.console, refresh_per_second=DRAWN_HZ, get_renderable=self._render, transient=True)
        self._live.start()

    def show_level(self, samples: NDArray[np.float32], lag_s: float) -> None:
        """Update the level meter. samples: (N,) float32 in [-1, 1]. lag_s: how late the captions are."""
        loudest = float(np.abs(samples).max()) if len(samples) else 0.0
        self._state.level_db = 20 * np.log10(max(loudest, 1e-6))
        self._state.lag_s = lag_s

    def show(self, event: Event) -> None:
        if event.event == "segment_ended":
            if event.stable:
                self.console.print(Text(event.stable))
            self._open = Text("")
        elif event.event == "dropped":
            self._state.dropped_s += event.dropped_s
        else:
            self._open = Text.assemble((event.stable, "bold"), (event.tentative, "dim italic"))
            self._state.passes = event.passes or self._state.passes

    def _render(self) -> Text:
        return Text.assemble(self._open, "\n", status(self._state))

    def close(self) -> None:
        self._live.stop()


def status(state: State) -> Text:
    """Level meter, device, lag, passes of the last update, and dropped audio if there is any."""
    height = (max(state.level_db, QUIET_DB) - QUIET_DB) / -QUIET_DB
    bar = METER[min(len(METER) - 1, int(height * len(METER)))]
    text = Text.assemble(
        (f"{bar} ", "green" if state.level_db < -1 else "red"),
        (f"{state.device}  ", "dim"),
        (f"{state.lag_s:.1f} s behind  ", "bold red" if state.lag_s > LATE_S else "dim"),
        (f"{state.passes} passes", "dim"),
    )
    if state.dropped_s:
        text.append(f"  {state.dropped_s:.1f} s dropped: this machine is too slow, or busy", style="bold red")
    return text
