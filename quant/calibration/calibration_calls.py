"""Calls of a captioner's graphs to measure ranges of activations on, for graphs of fixed sizes.

Captions each recording as it is and cut to the lengths that the graphs take, so that every graph is called. Knows bundles and
recordings. Knows no converter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Bucket, Bundle
from unmask.decoding.schedule import Schedule
from unmask.engines.engine import Engine, GraphRun
from unmask.engines.padding import Padding, Sizes, fits
from unmask.export.litert import ENGINE, signature_of
from unmask.export.modules.static import FixedGraph
from unmask.speech.captioner import Captioner
from unmask.speech.transcript import TASK

PARTLY = Schedule(rule="quota", passes=3)  # passes with all, two thirds and one third of the canvas masked
MOST_CALLS = 6  # calls kept for each graph
Feeds = Mapping[str, NDArray[Any]]


class Recorder:
    """Observes an engine and keeps the inputs of its graphs."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, NDArray[Any]]]] = []

    def __call__(self, run: GraphRun) -> None:
        """Keep a call. Large arrays stay as they are during a recording; caches change from pass to pass and are copied."""
        reused = ("cache_k", "cache_v")
        kept = {n: array if array.nbytes > 1 << 16 and n not in reused else array.copy() for n, array in run.feeds.items()}
        self.calls.append((run.role, kept))


class Padded(Sequence[dict[str, NDArray[Any]]]):
    """Calls of one graph, padded on access: all of them at once would not fit into memory."""

    def __init__(self, graph: FixedGraph, padding: Padding, calls: Iterable[Feeds]) -> None:
        self._bucket = Bucket(ENGINE, graph.role, "", graph.sizes, "fp32")
        self._padding, self._calls = padding, list(calls)

    def __len__(self) -> int:
        return len(self._calls)

    def __getitem__(self, i: Any) -> Any:
        feeds, role = self._calls[i], self._bucket.role
        return self._padding.pad(role, feeds, self._padding.sizes(role, feeds), self._bucket)


def record_calls(bundle: Bundle, recordings: Iterable[NDArray[np.float32]], graphs: Sequence[FixedGraph]) -> dict[str, Padded]:
    """Signature -> up to `MOST_CALLS` calls that fit its graph, the largest first.

    bundle: with graphs of any size. recordings: (N,) float32 samples at 16 kHz each.
    """
    recorder = Recorder()
    captioner = Captioner(bundle, engine=Engine(bundle, observe=recorder))
    lengths, schedule = asked_for(bundle, [graph.sizes for graph in graphs if graph.role == "context"])
    for recording in recordings:
        for count in (*lengths, len(recording)):
            if 0 < count <= len(recording):
                captioner.caption(recording[:count])
                captioner.caption(recording[:count], schedule)
    padding = Padding(captioner.engine.kind)
    return {signature_of(graph): Padded(graph, padding, held(graph, padding, recorder.calls)) for graph in graphs}


def asked_for(bundle: Bundle, contexts: Iterable[Sizes]) -> tuple[list[int], Schedule]:
    """Samples of the longest recording of each context graph, and a schedule whose passes the default one has not."""
    whole = replace(bundle.schedule(TASK), verify_lookahead=None)  # reads a draft at once
    return [sizes["samples"] for sizes in contexts], whole


def held(graph: FixedGraph, padding: Padding, calls: Iterable[tuple[str, Feeds]]) -> list[Feeds]:
    """Up to `MOST_CALLS` of the calls that fit a graph, from the largest to the smallest."""
    fitting = [feeds for role, feeds in calls if role == graph.role and fits(padding.sizes(role, feeds), graph.sizes)]
    fitting.sort(key=lambda feeds: -sum(array.size for array in feeds.values()))
    return [fitting[i] for i in np.unique(np.linspace(0, len(fitting) - 1, min(MOST_CALLS, len(fitting))).astype(int))]
