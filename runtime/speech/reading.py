"""What a captioner's reader gives: segments that are encoded, and their text with places.

A place is where a token lies in a segment, in the reader's own unit. Knows no graph, no engine and no recording.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Bundle
from unmask.decoding.denoiser import Step
from unmask.decoding.draft import Draft
from unmask.decoding.schedule import Schedule
from unmask.decoding.speculative import VerifyStep
from unmask.errors import BundleError
from unmask.speech.words import TimedTokens

TASK = "caption"
OnStep = Callable[["Segment", Step], None]


@dataclass(frozen=True)
class Decoded:
    """The text of one segment and what it cost."""

    text: TimedTokens
    passes: int
    rows: int


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording, encoded. Each kind of bundle has a kind of segment of its own."""

    start_s: float  # seconds since the start of the recording
    audio_s: float
    samples: NDArray[np.float32]  # (N,) at 16 kHz, what was encoded


class Reader(Protocol):
    """How one kind of bundle reads the sound of a segment."""

    place_s: float
    """Seconds of a unit of places."""
    longest_s: float
    """Longest audio of a segment."""

    def encode(self, samples: NDArray[np.float32], start_s: float = 0.0) -> Segment:
        """Run the encoder over one segment, as `Captioner.encode`."""
        ...

    def steps(self, segment: Segment, schedule: Schedule | None = None) -> Iterator[Step]:
        """Write the text of a segment; yields a Step after each pass."""
        ...

    def decode(
        self, segment: Segment, schedule: Schedule | None = None, draft: Draft | None = None, on_step: OnStep | None = None
    ) -> Decoded:
        """Write the text of a segment, from a draft if there is one, as `Captioner.decode`."""
        ...

    def spans_s(self, places: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(M,) places of successive tokens -> when each begins and ends, in seconds of the segment."""
        ...


def not_a_captioner(bundle: Bundle) -> BundleError:
    """The error of a bundle that does not turn speech into text."""
    family = bundle.manifest.family
    return BundleError(f"{bundle.folder}: family {family!r} does not caption; `unmask generate` runs bundles that write text")


def in_budget(passes: Iterator[VerifyStep], budget_ms: float | None, began: float | None = None) -> Iterator[VerifyStep]:
    """Passes until the budget is spent. A pass that would end after it, judged by the duration of the last one, is not started.

    began: in seconds of `time.perf_counter`, when the time began to count; None: now, and there is one pass whatever the budget.
    """
    start, taken_s = time.perf_counter() if began is None else began, 0.0
    left_s, first = math.inf if budget_ms is None else budget_ms / 1000, began is None
    while first or time.perf_counter() - start + taken_s < left_s:
        check = next(passes, None)
        if check is None:
            return
        taken_s, first = check.seconds, False
        yield check


def as_step(check: VerifyStep, number: int, before: int, mask_id: int) -> Step:
    """A causal model's pass as a Step over the text. number: of the step. before: number of tokens settled before it."""
    settled = np.arange(len(check.text.ids)) < check.agreed
    return Step(
        number,
        np.arange(before, check.agreed),
        np.where(settled, check.text.ids, mask_id),
        check.text.ids,
        check.text.confidence,
        masked=int((~settled).sum()),
        rows=check.rows,
        seconds=check.seconds,
    )
