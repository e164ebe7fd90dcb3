"""Seconds of a processor that Omni-Diffusion's other tasks would take, computed: their rows are counted, and passes of like rows
were measured. A pass of more rows than any measured one takes as long for each row; one of fewer than any, as long as the
smallest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.lab.omni.tasks import Pass, published_masks, request_of, trimmed
from unmask.bundle.manifest import Bundle
from unmask.text.generator import Input

ENCODED = 171  # rows of 10 s of sound
PICTURE = 1024  # codes of a picture that is given
SURE = (4, 1)  # positions that are sure in each pass


@dataclass(frozen=True)
class Computed:
    """A way to fill a task's canvas. `sure`: positions that are sure in each pass; None for whole passes."""

    task: str
    rows: int  # of the canvas
    sure: int | None
    passes: int
    cpu_s: float
    published_passes: int
    published_cpu_s: float


GIVEN: dict[str, tuple[tuple[str, int], ...]] = {
    "tts": (("text", 10),),
    "s2i": (("speech", ENCODED),),
    "vqa": (("text", 6), ("image", PICTURE)),
    "svqa": (("speech", ENCODED), ("image", PICTURE)),
    "sqa": (("text", 5), ("speech", ENCODED)),
}
"""Task -> what it is given, and how many rows of the canvas that takes."""


def computed(bundle: Bundle, cost: Mapping[int, float]) -> Iterator[Computed]:
    """The tasks of GIVEN. cost: rows of a measured pass -> its seconds of a processor."""
    for task, given in GIVEN.items():
        inputs = {name: _given(bundle, name, count) for name, count in given}
        slow = request_of(bundle, task, inputs, published=True)
        passes = len(published_masks(bundle, slow))
        rows, published_s = len(slow.canvas.ids), passes * seconds_of([len(slow.canvas.ids)], cost)
        request, schedule = request_of(bundle, task, inputs, published=False), bundle.schedule(task)
        for sure in SURE if schedule.rule != "quota" else (None,):
            found: list[Pass] = trimmed(None, request, schedule, sure, bundle)[0]
            seconds = seconds_of([one.rows for one in found], cost)
            yield Computed(task, rows, sure, len(found), seconds, passes, published_s)


def _given(bundle: Bundle, name: str, count: int) -> Input:
    if name == "speech":
        return np.zeros((count, bundle.manifest.embedding.width), np.float32)
    return "x" * count if name == "text" else (0,) * count


def seconds_of(rows: list[int], cost: Mapping[int, float]) -> float:
    """Seconds of passes over so many rows."""
    known = sorted(cost)
    most = known[-1]
    return sum(float(np.interp(min(count, most), known, [cost[at] for at in known])) * max(1.0, count / most) for count in rows)
