"""What is on the screen, from request to request: panels, the messages that lead from one to the next, undo, and what comes back.

Knows a filler and a catalog. Knows no audio and no screen. One board belongs to one screen; it is not thread-safe.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unmask.apps.ui import slots
from unmask.apps.ui.catalog import Catalog, basic
from unmask.apps.ui.components import Compiled, compiled, with_data
from unmask.apps.ui.filler import Filler
from unmask.apps.ui.messages import SURFACE, VERSION, Message, changes, closed, opened
from unmask.apps.ui.surface import Outcome, Panel, block, read
from unmask.apps.ui.words import Word, words_of
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError

SAID = {
    slots.CANNOT: "I can only show panels: sliders, switches, choices, buttons, fields, lists, timers and readings.",
    slots.UNCLEAR: "I did not understand that. Say what to show, such as: a slider for the volume from zero to ten.",
    slots.EDIT: "It is like that already.",
    slots.UNDO: "There is nothing to take back.",
}
MOST_PAST = 50  # panels that undo leads back to


@dataclass(frozen=True)
class Reply:
    """What a request led to."""

    kind: str  # of the answer: new, edit, undo, close, cannot or unclear
    messages: tuple[Message, ...] = ()
    said: str = ""  # a sentence where nothing changed
    passes: int = 0
    rows: int = 0  # computed in these passes
    seconds: float = 0.0  # of these passes


@dataclass
class Board:
    filler: Filler
    catalog: Catalog = field(default_factory=basic)
    schedule: Schedule | None = None
    panel: Panel | None = None
    past: list[Panel | None] = field(default_factory=list)
    live: Compiled | None = None  # what the screen has by now, with what its inputs hold
    before: Compiled | None = None  # what it had before a preview took its place
    previewing: bool = False
    _heard: tuple[Sequence[Word], Panel | None, Outcome, dict[str, Any]] | None = None  # the last request, and what it led to

    def ask(self, text: str) -> Reply:
        """Answer a request. Raises InputError for one without words or with too many; the screen stays as it is."""
        outcome, cost = self._outcome(text)
        kind, said, target = outcome.kind.strip("<>"), "", outcome.panel
        if outcome.kind == slots.UNDO and self.past:
            target = self._taken_back(self.past.pop())
        elif outcome.changed:
            self.past = [*self.past[1 - MOST_PAST :], self._now()]
        else:
            said = SAID[outcome.kind]
        messages = self._show(target, self._anew(outcome))
        self.panel, self.before, self.previewing = target, None, False
        return Reply(kind, tuple(messages), said, **cost)

    def preview(self, text: str, paused: bool = False) -> Reply:
        """What a request that is not finished leads to so far: a new panel is shown already where the screen is empty.

        paused: the speaker pauses after these words, so that they may be all: new panels and changes are shown on any screen.
        The whole request may still lead to something else, and `ask` has to follow. Raises as `ask`.
        """
        outcome, cost = self._outcome(text)
        shown = outcome.changed and outcome.kind in ((slots.NEW, slots.EDIT) if paused else (slots.NEW,) * (self.panel is None))
        messages: list[Message] = []
        if shown:
            anew = self._anew(outcome)
            if not self.previewing:
                self.before, self.previewing = self.live, True
            messages = self._show(outcome.panel, anew)
        return Reply(outcome.kind.strip("<>"), tuple(messages), **cost)

    def _anew(self, outcome: Outcome) -> bool:
        """Whether a panel takes the place of another one, of which no preview has taken the place."""
        return outcome.kind == slots.NEW and self.panel is not None and not self.previewing

    def _outcome(self, text: str) -> tuple[Outcome, dict[str, Any]]:
        """What a request says. What a pause was answered with is not computed again at its end."""
        words, panel = words_of(text), self._now()
        if self._heard and self._heard[:2] == (words, panel):
            return self._heard[2:]
        steps = list(self.filler.steps(words, panel, self.catalog, self.schedule))
        cost = {
            "passes": len(steps),
            "rows": sum(step.rows for _, step in steps),
            "seconds": sum(step.seconds for _, step in steps),
        }
        outcome = read(steps[-1][0], words, panel)
        self._heard = words, panel, outcome, cost
        return outcome, cost

    def _now(self) -> Panel | None:
        """The panel with what its inputs hold by now."""
        shown = self.before if self.previewing else self.live
        return with_data(self.panel, shown.data) if self.panel and shown else self.panel

    def _show(self, panel: Panel | None, anew: bool) -> list[Message]:
        """Messages that make the screen show a panel. anew: it is another one than the screen has, and not a change of it."""
        before = self.live
        if panel is None:
            self.live = None
            return [closed()] if before else []
        self.live = compiled(panel, self.catalog)
        if before is None:
            return opened(self.live, self.catalog)
        return [closed(), *opened(self.live, self.catalog)] if anew else changes(before, self.live)

    def _taken_back(self, past: Panel | None) -> Panel | None:
        """The panel before, in which inputs that the request did not change hold what they hold by now."""
        shown = self.before if self.previewing else self.live
        if past is None or self.panel is None or shown is None:
            return past
        now = {row.id: block(self.panel, row.id) for row in self.panel.rows}
        kept = {row.id for row in past.rows if now.get(row.id) == block(past, row.id)}
        return with_data(past, {id: value for id, value in shown.data.items() if id in kept})

    def take(self, event: Any) -> dict[str, Any] | None:
        """An event of the screen: an action, which is returned, or a change of an input, which is kept.

        Raises InputError that says what is wrong with an event; nothing changes then.
        """
        if not isinstance(event, Mapping) or event.get("version") != VERSION:
            raise InputError(f'an event is an object with "version": "{VERSION}"')
        if "change" in event:
            self._change(event["change"])
            return None
        action = event.get("action")
        if not isinstance(action, Mapping):
            raise InputError("an event has an action, or a change")
        wanted = {"name": str, "surfaceId": str, "sourceComponentId": str, "timestamp": str, "context": dict}
        for key, kind in wanted.items():
            if not isinstance(action.get(key), kind):
                raise InputError(f"an action needs {key}, which is {action.get(key)!r}")
        if self.live is None or action["surfaceId"] != SURFACE or action["sourceComponentId"] not in self.live.components:
            raise InputError(f"{action['surfaceId']}/{action['sourceComponentId']} is not on the screen")
        return dict(action)

    def _change(self, change: Any) -> None:
        if not isinstance(change, Mapping) or not isinstance(change.get("path"), str) or "value" not in change:
            raise InputError("a change has a path and a value")
        id = change["path"].removeprefix("/")
        if self.live is None or id not in self.live.data:
            raise InputError(f"{change['path']} is no input on the screen")
        if type(self.live.data[id]) is not type(change["value"]) and not _numbers(self.live.data[id], change["value"]):
            raise InputError(f"{change['path']} holds {self.live.data[id]!r}, and cannot hold {change['value']!r}")
        self.live.data[id] = change["value"]
        if self.previewing and self.before and id in self.before.data:
            self.before.data[id] = change["value"]


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) for value in values)
