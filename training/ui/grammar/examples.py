"""Examples of all tasks: requests with the panel that they are said to and the canvas that answers them."""

import numpy as np

from unmask.apps.ui.surface import Panel, read
from unmask.training.ui.grammar.changes import draw_change
from unmask.training.ui.grammar.others import draw_other
from unmask.training.ui.grammar.panels import draw_panel
from unmask.training.ui.grammar.phrasing import Talk
from unmask.training.ui.grammar.sketch import Example, TooLong

SHARES, PRACTICED = (0.55, 0.33), (0.58, 0.36)  # of new panels and changes; the rest: undo, close, what no panel answers
OVER_SHARE = 0.2  # of new panels, those asked for while another is shown


def draw(rng: np.random.Generator, held: bool = False) -> Example:
    """One example. held: of phrasings and names that training never sees."""
    while True:
        try:
            example = _draw(rng, Talk(rng, held))
        except TooLong:
            continue
        if example.words and (example.strange or not held):
            return example


def _draw(rng: np.random.Generator, talk: Talk) -> Example:
    kind, (new, change) = rng.random(), SHARES if talk.held else PRACTICED
    if kind < new:
        over = rng.random() < OVER_SHARE
        made = draw_panel(talk, first=not over)
        return Example(**{**vars(made), "panel": shown(rng)}) if over else made
    if kind < new + change:
        return draw_change(talk, shown(rng, talk.held))
    return draw_other(talk, shown(rng) if rng.random() < 0.75 else None)


def shown(rng: np.random.Generator, held: bool = False) -> Panel:
    """A panel that was asked for before, now and then changed since."""
    while True:
        try:
            made = draw_panel(Talk(rng, held and rng.random() < 0.5))
            panel = read(made.filled, made.words, None).panel
            assert panel is not None
            while panel and rng.random() < 0.2:
                change = draw_change(Talk(rng, False), panel)
                panel = read(change.filled, change.words, panel).panel
        except TooLong:
            continue
        if panel:
            return panel
