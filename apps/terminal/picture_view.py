"""Shows a picture on the terminal while its codes are unmasked: half a character for each pixel, gray where nothing is sure.

Knows steps, codes and colors. Knows no codec and no engine.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from unmask.apps.terminal.canvas_view import CanvasView, head
from unmask.decoding.denoiser import Step
from unmask.text.partial import UNKNOWN, Partial

Pixels = NDArray[np.uint8]
HALF = "▀"  # the upper pixel is its color, the lower one its background
COLUMNS = 64  # at most
GRAY = 48.0  # of masks
SHARE = 0.25  # of the time goes into pictures in between, at most


class PictureView(CanvasView):
    """Shows the picture after as many steps as there is time for, and after the last one, on stderr, in place.

    If stderr is not a terminal, the passes are printed without pictures.
    """

    def __init__(self, decode: Callable[[tuple[int, ...]], Pixels], look: Callable[[Step], Partial], start: int) -> None:
        """decode: codes -> (H, W, 3). look: a step -> what stands of the picture. start: the first position after the prompt."""
        self.console = Console(stderr=True)
        self._live = None
        self._decode, self._look, self._start = decode, look, start
        self._began, self._spent = time.perf_counter(), 0.0
        self._picture = Text()

    def text(self, step: Step) -> Text:
        now = time.perf_counter()
        if self.console.is_terminal and (self._spent <= SHARE * (now - self._began) or not step.masked):
            self._picture = half_blocks(self._pixels(step), min(COLUMNS, self.console.width))
            self._spent += time.perf_counter() - now
        return head(step, self._start) + self._picture

    def _pixels(self, step: Step) -> Pixels:
        stands = self._look(step)
        codes = np.where(stands.codes == UNKNOWN, 0, stands.codes)
        known = stands.codes != UNKNOWN
        return faded(self._decode(tuple(codes.tolist())), np.where(known & ~stands.masked, 1, stands.confidence))


def faded(pixels: Pixels, sure: NDArray[np.floating]) -> Pixels:
    """(H, W, 3), and (N,) how sure each code is, row by row: gray where not, if N is a square."""
    side = math.isqrt(len(sure))
    if side * side != len(sure) or pixels.shape[0] % side:
        return pixels
    share = np.kron(sure.reshape(side, side), np.ones((pixels.shape[0] // side, pixels.shape[1] // side)))[..., None]
    made: Pixels = (pixels * share + GRAY * (1 - share)).astype(np.uint8)
    return made


def half_blocks(pixels: Pixels, columns: int) -> Text:
    """(H, W, 3) -> lines of `columns` characters, each with two pixels; each pixel is the mean of what it covers."""
    height, width = pixels.shape[:2]
    rows = max(1, round(columns * height / width / 2))
    small = _means(_means(pixels.astype(np.float64), 2 * rows).swapaxes(0, 1), columns).swapaxes(0, 1).round().astype(int)
    text = Text()
    for row in range(rows):
        for upper, lower in zip(small[2 * row].tolist(), small[2 * row + 1].tolist(), strict=True):
            text.append(HALF, Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower)))
        text.append("\n")
    return text


def _means(pixels: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """(N, ...) -> (size, ...): the mean of each stretch of rows; a stretch has one row at least."""
    ends = np.linspace(0, len(pixels), size + 1)
    rows: Sequence[slice] = [slice(int(a), max(int(a) + 1, int(b))) for a, b in itertools.pairwise(ends)]
    return np.stack([pixels[part].mean(0) for part in rows])
