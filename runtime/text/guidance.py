"""Classifier-free guidance: a second pass over the same canvas after an unconditional prompt, which predictions lead away from.

Hidden rows are mixed and not logits, which is the same since the head is linear. Knows denoisers and prompts. Knows no text.
"""

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.canvas import IdRange
from unmask.decoding.denoiser import TopKScores
from unmask.engines.engine import Engine
from unmask.errors import BundleError
from unmask.text.denoiser import BackboneDenoiser

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]


class Guided:
    """A denoiser that guides chosen passes. Not thread-safe.

    Each token of the canvas is paired with itself after the unconditional prompt, whose rows are all computed anew in every
    guided pass. Logits are u + (guidance + 1)(c - u), for conditional c and unconditional u.
    """

    def __init__(
        self,
        denoiser: BackboneDenoiser,
        away: BackboneDenoiser,
        prompt: Ids,
        replaced: int,
        guidance: float,
        passes: tuple[int, int | None],
    ) -> None:
        """away: for the canvas after the unconditional `prompt` (U,). replaced: length of the conditional prompt. passes: the
        first guided pass, from 1, and the last, None for all after it."""
        self._denoiser, self._away, self._prompt, self._replaced = denoiser, away, prompt, replaced
        self._strength, self._passes = np.float32(guidance + 1), passes
        self._ids: Ids = np.zeros(0, np.int64)
        self._number = 0
        self.rows = 0
        """Rows that the last pass computed besides its own."""

    def reset(self) -> None:
        self._denoiser.reset()
        self._number, self._ids = 0, np.zeros(0, np.int64)

    def window(self, ids: Ids, positions: Ids, wanted: Ids, allowed: tuple[tuple[IdRange, ...], ...]) -> TopKScores:
        self._number += 1
        if len(self._ids) <= positions[-1]:  # the first pass has every position
            self._ids = np.resize(self._ids, positions[-1] + 1)
        self._ids[positions] = ids
        first, last = self._passes
        predicted = positions[wanted]
        hidden = self._denoiser.hidden_window(ids, positions, predicted)
        self.rows = 0
        if first <= self._number and (last is None or self._number <= last):
            canvas = np.concatenate([self._prompt, self._ids[self._replaced :]])
            away = self._away.hidden(canvas, predicted - self._replaced + len(self._prompt))
            hidden, self.rows = away + self._strength * (hidden - away), len(canvas)
        return self._denoiser.among(hidden, allowed)


class Unconditional:
    """The same canvas after an unconditional prompt, for guidance as in Omni-Diffusion's published code.

    This prompt is shorter, so the sequence is padded with rows of zeros at the end, which are attended to. Predictions are read
    at the conditional row's index, so a token of the canvas is paired with a later one. Both are quirks of the published code.
    """

    def __init__(self, engine: Engine, denoiser: BackboneDenoiser, prompt: Ids, replaced: int) -> None:
        """prompt: (U,) ids of the unconditional prompt. replaced: length of the conditional prompt. Raises BundleError if U is
        larger."""
        if len(prompt) > replaced:
            raise BundleError(f"the unconditional prompt has {len(prompt)} tokens, more than the prompt's {replaced}")
        self._engine, self._denoiser, self._prompt, self._replaced = engine, denoiser, prompt, replaced

    def hidden(self, ids: Ids, wanted: Ids) -> Rows:
        rows = self._engine.embed(np.concatenate([self._prompt, ids[self._replaced :]]))
        return self._denoiser.hidden_of(np.pad(rows, ((0, len(ids) - len(rows)), (0, 0))), wanted)

    def numbers(self, hidden: Rows, scale: float) -> TopKScores:
        return self._denoiser.numbers(hidden, scale)
