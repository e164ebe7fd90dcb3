"""What a bundle is asked when it is measured, and what it answers. Knows arrays. Knows no kind of bundle."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.engines.engine import Engine
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.calibration.instrumented import InstrumentedEngine


@dataclass(frozen=True)
class State:
    """A partially masked canvas, a finished text that a causal model reads, or the empty slots of a transcript's draft."""

    source: int  # index of the recordings' segment, or of the prompt
    role: str  # graph that answers: window or context
    ratio: float | None  # share of masked positions of a canvas
    ids: NDArray[np.int64] = field(repr=False)  # (N,)
    rows: NDArray[np.int64] = field(repr=False)  # (M,) what is predicted: masked positions, a text's tokens and its end, slots


class Subject(Protocol):
    """One bundle with the recordings or prompts that it is measured on."""

    engine: Engine

    def prepare(self) -> None:
        """Run what comes before all passes: the encoder."""

    def states(self) -> list[State]:
        """Canvases that this bundle filled, partially masked again, and its own texts. The same seed gives the same states."""
        ...

    def ask(self, state: State) -> None:
        """Run one pass on a state."""

    def logits(self, state: State) -> NDArray[np.float32]:
        """Logits (M, V) over all ids that can be predicted. The engine must be tapped by `whole_logits`."""
        ...

    def texts(self) -> list[str]:
        """The bundle's answer to each recording or prompt, with its own schedule."""
        ...


def masked_again(
    source: int, start: NDArray[np.int64], filled: NDArray[np.int64], material: Material, rng: np.random.Generator
) -> list[State]:
    """A denoiser sees neither only text nor only masks, so positions of its own filled canvas are masked again.

    start: the canvas before it was filled. Only its masked positions are masked again."""
    own = np.flatnonzero(start != filled)
    mask_id = start[own[0]]
    states = []
    for ratio in material.ratios:
        count = max(1, round(ratio * len(own)))
        for _ in range(material.draws if count < len(own) else 1):  # all positions can be drawn in one way only
            rows = np.sort(rng.permutation(own)[:count])
            ids = filled.copy()
            ids[rows] = mask_id
            states.append(State(source, "window", ratio, ids, rows))
    return states


def tapped(engine: Engine, role: str) -> NDArray[Any]:
    """What `whole_logits` tapped in a graph's last run."""
    assert isinstance(engine, InstrumentedEngine)
    return engine.last[role][0]
