"""What a pass takes on this device by its number of rows, and the blocks that are worth trying for it.

Reading all weights takes the same time for one row as for several, and multiplying takes longer with each: where the second
overtakes the first differs from device to device, and so does the best size of a block. Knows passes of a backbone and numbers.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmask.benchmarks.measure.harness import Clock, interleave, timed
from unmask.engines.engine import Engine
from unmask.text.denoiser import BackboneDenoiser

ROWS = (1, 2, 4, 8, 16, 32, 64)
BLOCKS = (4, 8, 16, 32, 64)
ROUNDS = 5
TRIED = 3  # sizes of blocks that are worth a trial


@dataclass(frozen=True)
class Curve:
    """Least seconds of a pass that predicts all of its rows."""

    rows: tuple[int, ...]  # increasing, at least two
    seconds: tuple[float, ...]

    def of(self, rows: float) -> float:
        """Between two that were measured along a line, and beyond the last along that of the last two."""
        last = self.rows[-1]
        if rows <= last:
            return float(np.interp(rows, self.rows, self.seconds))
        slope = (self.seconds[-1] - self.seconds[-2]) / (last - self.rows[-2])
        return self.seconds[-1] + slope * (rows - last)

    def __str__(self) -> str:
        each = ", ".join(f"{rows}: {1000 * seconds:.3g}" for rows, seconds in zip(self.rows, self.seconds, strict=True))
        return f"ms of a pass by its rows: {each}"


def measure_curve(engine: Engine, context: int, clock: Clock = time.perf_counter) -> Curve:
    """Passes over the last rows of a canvas. context: positions before them."""
    manifest = engine.bundle.manifest
    allowed = (((0, manifest.vocabulary.size),),)

    def call(rows: int) -> None:
        ids, at = np.full(rows, manifest.vocabulary.mask_id), np.arange(context, context + rows)
        denoisers[rows].window(ids, at, np.arange(rows), allowed)

    most = manifest.positions or 1 << 30
    counts = [rows for rows in ROWS if rows <= ROWS[1] or context + rows <= most]
    denoisers = {rows: BackboneDenoiser(engine, context + rows) for rows in counts}
    taken = interleave({rows: timed(lambda rows=rows: call(rows), clock) for rows in counts}, ROUNDS)
    return Curve(tuple(counts), tuple(min(taken[rows]) for rows in counts))


def block_seconds(curve: Curve, size: int, commits: float) -> float:
    """Predicted seconds of the passes that fill a block of masks.

    commits: of a pass. A pass computes what is masked, and what the pass before it committed.
    """
    total, masked, fresh = 0.0, float(size), min(commits, size)
    while masked > 0:
        total += curve.of(masked + fresh)
        fresh = min(commits, masked)
        masked -= fresh
    return total


def worthwhile_blocks(curve: Curve, length: int, commits: float, sizes: Sequence[int] = BLOCKS) -> list[int]:
    """The sizes whose passes are predicted to fill an answer of `length` positions fastest, at most `TRIED`, in order.

    A block that is smaller than what a pass commits would make it commit less, so such sizes count as what they can commit.
    """
    fitting = [size for size in sizes if size < length]
    return sorted(sorted(fitting, key=lambda size: block_seconds(curve, size, max(1.0, commits)) / size)[:TRIED])
