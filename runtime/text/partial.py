"""What stands in an answer after a pass: for each modality the best guesses, which of them are masks, and how sure they are.

Knows requests and steps. Knows no codec: what is made of a partial picture or sound is its caller's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Vocabulary
from unmask.decoding.denoiser import Step
from unmask.text.generator import Request

UNKNOWN = -1
THOUGHT = "thought"


@dataclass(frozen=True)
class Partial:
    """A modality's positions in an answer, one after another."""

    codes: NDArray[np.int64]
    """(N,) committed codes, and at masks the best guess; UNKNOWN where nothing was predicted, or an id of another modality."""
    masked: NDArray[np.bool_]
    """(N,) True where nothing is committed yet."""
    confidence: NDArray[np.float32]
    """(N,) probability of the guess when it was last computed; 1 where kept, 0 where unknown."""


def partial(request: Request, step: Step, vocabulary: Vocabulary) -> dict[str, Partial]:
    """Modality -> what stands of it after a step, and THOUGHT -> that of what is not said. Given ids are in none."""
    at, places = request.prompt, dict[tuple[str, str], list[int]]()
    for piece in request.answer:
        if piece.modality:
            name = THOUGHT if piece.thought else piece.modality
            places.setdefault((name, piece.modality), []).extend(range(at, at + piece.size))
        at += piece.size
    return {name: _partial(modality, np.array(own), step, vocabulary) for (name, modality), own in places.items()}


def _partial(modality: str, places: NDArray[np.int64], step: Step, vocabulary: Vocabulary) -> Partial:
    low, high = vocabulary.ranges.get(modality, (0, vocabulary.size))
    guesses, masked = step.tentative[places], step.ids[places] == vocabulary.mask_id
    known = (guesses >= low) & (guesses < high) & (guesses != vocabulary.mask_id)
    sure = np.where(known, step.confidence[places], np.float32(0))
    return Partial(np.where(known, guesses - low, UNKNOWN), masked, sure)
