"""A panel as a picture."""

import numpy as np

from tests.apps.ui.conftest import TEXT, random_canvas
from tests.apps.ui.screens.test_shown import PANEL
from unmask.apps.ui.screens.picture import TINT, picture
from unmask.apps.ui.slots import NEW
from unmask.apps.ui.surface import Panel, Row, read, settled
from unmask.apps.ui.words import words_of

TINTED = tuple(bytes.fromhex(TINT[1:]))


def tinted(panel: Panel | None) -> np.ndarray:
    return (picture(panel) == TINTED).all(2)


def test_it_has_the_size_that_is_asked_for_and_an_empty_one_is_white() -> None:
    shown = picture(PANEL, 320, 240)
    assert (shown.dtype, shown.shape[1:]) == (np.uint8, (320, 3))
    assert shown.shape[0] >= 240
    assert picture(None).shape == (320, 480, 3)
    assert (picture(None) == 255).all()


def test_a_slider_and_a_switch_show_what_they_hold() -> None:
    def slider(value: float) -> int:
        panel = settled(Panel((Row("Slider", label="Volume", low=0.0, high=10.0, value=value),)))
        return int(np.flatnonzero(tinted(panel).any(0))[-1])

    ends = [slider(value) for value in (0.0, 5.0, 10.0)]
    assert ends == sorted(ends)
    assert ends[1] - ends[0] == ends[2] - ends[1]
    off, on = (tinted(settled(Panel((Row("CheckBox", label="Fan", value=value),)))).sum() for value in (False, True))
    assert off == 0
    assert on > 300


def test_every_panel_has_a_picture() -> None:
    rng, words = np.random.default_rng(5), words_of(TEXT)
    for _ in range(60):
        panel = read(random_canvas(rng, len(words), 0, NEW), words, None).panel
        assert picture(panel).shape[1] == 480
