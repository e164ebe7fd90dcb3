"""A picture in the terminal: two pixels a character, gray where nothing is sure."""

from io import StringIO

import numpy as np
from rich.console import Console

from unmask.apps.terminal.picture_view import GRAY, HALF, PictureView, faded, half_blocks
from unmask.decoding.denoiser import Step
from unmask.text.partial import UNKNOWN, Partial

MASK = 99


def step(number: int, ids: list[int], guesses: list[int], sure: list[float]) -> Step:
    left = ids.count(MASK)
    arrays = (np.array(ids), np.array(guesses), np.array(sure, np.float32))
    return Step(number, np.zeros(0, np.int64), *arrays, masked=left, rows=len(ids), seconds=0.1)


def test_each_character_holds_the_means_of_two_pixels() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2, :, 0], pixels[2:, 2:, 2] = 200, 100
    pixels[0, 0, 0] = 0  # one of the four that the first pixel covers
    text = half_blocks(pixels, 2)
    assert text.plain == f"{HALF * 2}\n"
    console = Console(file=StringIO(), color_system="truecolor", force_terminal=True)
    console.print(text, end="")
    out = console.file.getvalue()  # type: ignore[attr-defined]
    assert "38;2;150;0;0;48;2;0;0;0m" in out
    assert "38;2;200;0;0;48;2;0;0;100m" in out


def test_small_pictures_are_enlarged() -> None:
    assert half_blocks(np.zeros((2, 2, 3), np.uint8), 8).plain == f"{HALF * 8}\n" * 4


def test_what_is_not_sure_is_gray() -> None:
    pixels = np.full((8, 8, 3), 200, np.uint8)
    made = faded(pixels, np.array([1.0, 0.0, 0.5, 1.0]))
    assert made[0, 0, 0] == 200
    assert made[0, 7, 0] == int(GRAY)
    assert made[7, 0, 0] == int((200 + GRAY) / 2)
    np.testing.assert_array_equal(faded(pixels, np.ones(3)), pixels)  # no square


def look(now: Step) -> Partial:
    """All but the first and the last position are codes, of which 10 is the first."""
    own, masked = now.tentative[1:-1], now.ids[1:-1] == MASK
    return Partial(np.where(own == MASK, UNKNOWN, own - 10), masked, now.confidence[1:-1])


def test_masks_become_guesses_and_the_last_picture_is_whole() -> None:
    decoded = []

    def decode(codes: tuple[int, ...]) -> np.ndarray:
        decoded.append(codes)
        return np.full((4, 4, 3), 250, np.uint8)

    view = PictureView(decode, look, 1)
    view.console = Console(file=StringIO(), force_terminal=True, color_system="truecolor", width=40)
    first = view.text(step(1, [7, 12, MASK, MASK, MASK, 8], [7, 12, 13, 14, MASK, 8], [1, 1, 0.5, 0, 0, 1]))
    assert first.plain.startswith("pass 1  2/5 places")
    colors = {str(span.style) for span in first.spans}
    last = view.text(step(2, [7, 12, 13, 14, 15, 8], [7, 12, 13, 14, 15, 8], [1] * 6))
    assert decoded == [(2, 3, 4, 0), (2, 3, 4, 5)]
    assert HALF in last.plain
    assert len(colors) > len({str(span.style) for span in last.spans}) == 1


def test_without_a_terminal_nothing_is_decoded() -> None:
    view = PictureView(lambda codes: 1 / 0, look, 1)  # type: ignore[arg-type, return-value]
    view.console = Console(file=StringIO())
    assert view.text(step(1, [7, 12, 8], [7, 12, 8], [1, 1, 1])).plain == "pass 1  2/2 places  3 rows  100 ms\n"
