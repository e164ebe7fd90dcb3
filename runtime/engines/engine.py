"""Run a bundle's graphs with an engine: tensors by name in, tensors by name out.

Knows roles and tensors. Knows no engine by name, no audio, no schedule and no text.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.embedding import Embedding, EmbeddingTable
from unmask.bundle.graph_spec import BundleKind, kind_of
from unmask.bundle.manifest import Bucket, Bundle
from unmask.decoding.canvas import IdRange
from unmask.engines.engine_options import EngineOptions
from unmask.engines.padding import StaticShapes
from unmask.engines.runner import Arrays, Runner
from unmask.engines.table import ENGINES
from unmask.errors import BundleError, InputError

FORBIDDEN = np.float32(-1e9)  # finite, so that a row with everything forbidden stays a number


@dataclass(frozen=True)
class GraphRun:
    """One run of a graph, as an observer sees it. Arrays may be reused after the observer returns: copy what is kept."""

    role: str
    feeds: Arrays
    outputs: Arrays
    seconds: float


class Engine:
    """A bundle's graphs, opened. Constructing it does nothing; `load` opens the graphs. Thread-safe once loaded.

    An engine that can runs the bundle's graphs of any size where there are some, and graphs of fixed sizes otherwise.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: EngineOptions | None = None,
        *,
        observe: Callable[[GraphRun], None] | None = None,
        runner: Runner | None = None,
    ) -> None:
        """observe: called after each run. runner: what runs the graphs instead of the engine that the options name."""
        self.bundle = bundle
        self.options = options or EngineOptions()
        self._observe, self._given_runner = observe, runner
        self._tables: dict[Embedding, EmbeddingTable] = {}
        self._biases: dict[tuple[IdRange, ...], NDArray[np.float32]] = {}

    def load(self) -> "Engine":
        """Open every graph that this engine may run. Raises BundleError when one is refused or a role has none."""
        for role in self.bundle.manifest.roles:
            self.inputs(role)
        return self

    def dynamic(self, role: str) -> bool:
        """Whether the role is run by a graph of any size."""
        any_size = ENGINES[self.options.engine].any_size and not self.options.static
        return any_size and role in self.bundle.manifest.graphs

    @cached_property
    def kind(self) -> BundleKind:
        """Which graphs the bundle has. Raises BundleError where this runtime does not know them."""
        return kind_of(self.bundle.manifest)

    @cached_property
    def static(self) -> StaticShapes:
        """The bundle's graphs of fixed sizes for this engine."""
        manifest = self.bundle.manifest
        buckets = tuple(bucket for bucket in manifest.buckets if bucket.engine == self.options.engine)
        per = manifest.timeline.frames_per_slot if manifest.timeline else None
        return StaticShapes(self.kind, buckets, per, self.runner.run)

    @cached_property
    def runner(self) -> Runner:
        """What runs the graphs, one at a time."""
        if self._given_runner is not None:
            return self._given_runner
        module, _, name = ENGINES[self.options.engine].runner.partition(":")
        made: Runner = getattr(importlib.import_module(module), name)(self.bundle, self.options)
        return made

    def inputs(self, role: str) -> dict[str, tuple[Any, ...]]:
        """Name -> shape of a role's inputs, of its first graph where sizes are fixed; opens its graphs."""
        shapes = [self.runner.inputs(graph) for graph in self._graphs(role)]
        return shapes[0]

    def outputs(self, role: str) -> tuple[str, ...]:
        """Names of a role's outputs."""
        return self.runner.outputs(self._graphs(role)[0])

    def check(self, role: str) -> None:
        """Hold a role's graph against `unmask.bundle.graph_spec`; opens it. Raises BundleError that names what differs."""
        spec, folder = self.kind.graph(role), self.bundle.folder
        found, expected = self.inputs(role).keys(), set(spec.input_names)
        if not found >= expected or (self.dynamic(role) and found != expected):  # fixed sizes take masks besides
            raise BundleError(f"{folder}: the {role} graph takes {sorted(found)} instead of {sorted(expected)}; export it again")
        unused = set() if self.bundle.manifest.verifier else self.kind.optional_outputs
        missing = set(spec.output_names) - unused - set(self.outputs(role))
        if missing:
            raise BundleError(f"{folder}: the {role} graph does not make {', '.join(sorted(missing))}; export the bundle again")

    def _graphs(self, role: str) -> tuple[Bucket, ...]:
        """Raises BundleError where this engine has none."""
        manifest = self.bundle.manifest
        if self.dynamic(role):
            return (Bucket(self.options.engine, role, manifest.graphs[role], {}, manifest.precision),)
        found = self.static.of(role)
        if not found:
            others = sorted({bucket.engine for bucket in manifest.buckets if bucket.role == role})
            raise BundleError(
                f"{self.bundle.folder}: no {role} graph of fixed sizes for the engine {self.options.engine}; "
                + (f"it has one for --engine {' and '.join(others)}; " if others else "")
                + f"`unmask inspect {self.bundle.folder}` lists what it holds"
            )
        return found

    def run(self, role: str, feeds: Arrays) -> Arrays:
        """Run a graph: tensors by the names that `unmask.bundle.graph_spec` gives them, ids as int64.

        Graphs of any size use contiguous inputs in place. Raises InputError where graphs of fixed sizes are too small.
        """
        began = time.perf_counter()
        outputs = self.runner.run(self._graphs(role)[0], feeds) if self.dynamic(role) else self.static(role, feeds)
        if self._observe is not None:
            self._observe(GraphRun(role, feeds, outputs, time.perf_counter() - began))
        return outputs

    def embed(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """(W,) -> (W, d): a gather from the table on disk. Raises InputError for an id outside it."""
        rows = self.bundle.manifest.embedding.total
        if ids.size and not (int(ids.min()) >= 0 and int(ids.max()) < rows):
            raise InputError(
                f"id {int(ids.max()) if int(ids.max()) >= rows else int(ids.min())} is outside the vocabulary of {rows} rows"
            )
        return self.table(self.bundle.manifest.embedding).gather(ids)

    def table(self, embedding: Embedding) -> EmbeddingTable:
        """An embedding of the manifest, opened once for all canvases."""
        if embedding not in self._tables:
            self._tables[embedding] = self.bundle.table(embedding)
        return self._tables[embedding]

    def bias(self, allowed: tuple[tuple[IdRange, ...], ...], within: IdRange | None = None) -> NDArray[np.float32]:
        """(1 or R, V): 0 where the row may become an id, FORBIDDEN elsewhere. One row serves all when all allow the same.

        within: the ids that a sliced head covers, by default the whole vocabulary.
        """
        rows = [self._bias_row(ranges)[slice(*within) if within else slice(None)] for ranges in allowed]
        return rows[0][None] if len(rows) == 1 else np.stack(rows)

    def _bias_row(self, ranges: tuple[IdRange, ...]) -> NDArray[np.float32]:
        if ranges not in self._biases:
            size = self.bundle.manifest.vocabulary.size
            outside = [ids for ids in ranges if not 0 <= ids[0] < ids[1] <= size]
            if outside:
                raise InputError(f"ids {outside[0][0]}..{outside[0][1] - 1} cannot be allowed: the vocabulary has {size}")
            row = np.full(size, FORBIDDEN)
            for low, high in ranges:
                row[low:high] = 0
            self._biases[ranges] = row
        return self._biases[ranges]
