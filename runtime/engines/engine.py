"""Run a bundle's graphs with an engine: takes and returns tensors by name.

Knows roles and tensors. Knows no engine by name (`known_engines` lists them), no audio, no schedule and no text.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.codec_spec import codec_graph, codec_graphs
from unmask.bundle.embedding import Embedding, EmbeddingTable
from unmask.bundle.graph_spec import BundleKind, kind_of
from unmask.bundle.manifest import Bucket, Bundle
from unmask.decoding.canvas import IdRange
from unmask.engines.device_check import check_answers, check_device, on_cpu
from unmask.engines.engine_options import EngineOptions
from unmask.engines.known_engines import ENGINES
from unmask.engines.padding import StaticShapes
from unmask.engines.runner import Arrays, Runner
from unmask.errors import BundleError, InputError

LARGE_BYTES = 1 << 30
FORBIDDEN = np.float32(-1e9)  # finite, so that a row in which every id is forbidden does not become NaN


@dataclass(frozen=True)
class GraphRun:
    """One run of a graph, as an observer sees it. Arrays may be reused after the observer returns; copy those that you keep."""

    role: str
    feeds: Arrays
    outputs: Arrays
    seconds: float  # duration of the run


class Engine:
    """Opens and runs a bundle's graphs. Constructing it opens nothing; `load` opens the graphs.

    It runs graphs of any size if the bundle has them and the engine supports them, and graphs of fixed sizes otherwise.
    Once loaded, graphs of any size may run on several threads if the engine's runner allows it.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: EngineOptions | None = None,
        *,
        observe: Callable[[GraphRun], None] | None = None,
        runner: Runner | None = None,
    ) -> None:
        """observe: called after each run. runner: runs the graphs in place of the engine that the options name."""
        self.bundle = bundle
        self.options = options or EngineOptions()
        self._observe, self._given_runner = observe, runner
        self._tables: dict[Embedding, EmbeddingTable] = {}
        self._biases: dict[tuple[IdRange, ...], NDArray[np.float32]] = {}

    def load(self) -> "Engine":
        """Open every graph that this engine may run. Raises BundleError if one cannot be opened or a role has none.

        Raises InputError if the engine is not installed, the device is missing, or it computes something else than the CPU.
        """
        for role in self.bundle.manifest.roles:
            self.inputs(role)
        self._check_device()
        return self

    def _check_device(self) -> None:
        """Hold a graph of each role against the CPU, if another device is chosen. Raises InputError.

        The smallest one, or the one whose answers the bundle has. Of a large bundle only graphs that give ids: a copy of the
        others for the CPU may not fit into memory.
        """
        if self._given_runner is not None:
            return
        plain, large = on_cpu(self.options), self.bundle.manifest.bytes > LARGE_BYTES
        reference, option = self._runner(plain) if plain else None, ENGINES[self.options.engine].device_option or "engine"
        device = f"--{option} {getattr(self.options, option)}"
        for role in sorted(self.bundle.manifest.roles):
            graphs = self._graphs(role)
            answered = next((graph for graph in graphs if graph.answers), None)
            if answered is not None:
                check_answers(self.runner, answered, self.bundle.path(answered.answers), device)
            elif reference and not (large and all(tensor.dtype != "int64" for tensor in self.kind.graph(role).outputs)):
                smallest = min(graphs, key=lambda graph: sorted(graph.sizes.values()))
                check_device(self.runner, reference, smallest, self.kind.graph(role), device)

    def dynamic(self, role: str) -> bool:
        """Whether a graph of any size runs this role."""
        return role in self._any_size

    @cached_property
    def _any_size(self) -> dict[str, Bucket]:
        """The graphs of any size that this engine runs, codecs included; empty if it runs graphs of fixed sizes only."""
        manifest = self.bundle.manifest
        if self.options.static or not ENGINES[self.options.engine].any_size:
            return {}
        engine, precision = self.options.engine, manifest.precision
        graphs = {**manifest.graphs, **codec_graphs(manifest)}
        return {role: Bucket(engine, role, file, {}, precision) for role, file in graphs.items()}

    @cached_property
    def kind(self) -> BundleKind:
        """The kind of the bundle's graphs. Raises BundleError if this runtime does not know them."""
        return kind_of(self.bundle.manifest)

    @cached_property
    def static(self) -> StaticShapes:
        """Runs the bundle's graphs of fixed sizes for this engine."""
        manifest = self.bundle.manifest
        buckets = tuple(bucket for bucket in manifest.buckets if bucket.engine == self.options.engine)
        return StaticShapes(self.kind, buckets, self.runner.run)

    @cached_property
    def runner(self) -> Runner:
        """The engine's implementation, made on first use."""
        if self._given_runner is not None:
            return self._given_runner
        return self._runner(self.options)

    def _runner(self, options: EngineOptions) -> Runner:
        module, _, name = ENGINES[options.engine].runner.partition(":")
        made: Runner = getattr(importlib.import_module(module), name)(self.bundle, options)
        return made

    def inputs(self, role: str) -> dict[str, tuple[Any, ...]]:
        """Input name -> shape for a role, of its first graph if sizes are fixed. Opens the role's graphs; raises as `load`."""
        shapes = [self.runner.inputs(graph) for graph in self._graphs(role)]
        return shapes[0]

    def outputs(self, role: str) -> tuple[str, ...]:
        """Names of a role's outputs. Opens its first graph."""
        return self.runner.outputs(self._graphs(role)[0])

    def check(self, role: str) -> None:
        """Compare a role's graph with `unmask.bundle.graph_spec`. Opens it; raises BundleError that names the differences."""
        spec, folder, any_size = codec_graph(role) or self.kind.graph(role), self.bundle.folder, self.dynamic(role)
        found, known = set(self.inputs(role)), set(spec.input_names)
        expected = set(spec.any_size(self.bundle.manifest.attention).input_names) if any_size else known
        unknown = found - known if any_size else set()  # graphs of fixed sizes also take masks of the padding
        if unknown or expected - found:  # older graphs of any size take everything that is known
            raise BundleError(f"{folder}: the {role} graph takes {sorted(found)} instead of {sorted(expected)}; export it again")
        missing = set(spec.output_names) - set(self.outputs(role))
        if missing:
            raise BundleError(f"{folder}: the {role} graph does not return {', '.join(sorted(missing))}; export it again")

    def _graphs(self, role: str) -> tuple[Bucket, ...]:
        """The graphs that this engine may run for a role. Raises BundleError if there are none."""
        manifest = self.bundle.manifest
        if role in self._any_size:
            return (self._any_size[role],)
        found = self.static.of(role)
        if not found:
            others = sorted({bucket.engine for bucket in manifest.buckets if bucket.role == role})
            raise BundleError(
                f"{self.bundle.folder}: no {role} graph of fixed sizes for the engine {self.options.engine}; "
                + (f"it has one for --engine {' and '.join(others)}; " if others else "")
                + f"`unmask inspect {self.bundle.folder}` lists its graphs"
            )
        return found

    def run(self, role: str, feeds: Arrays) -> Arrays:
        """Run a role's graph. Tensors have the names, shapes and dtypes of `unmask.bundle.graph_spec`.

        Graphs of any size use contiguous inputs in place, without a copy. Raises InputError if no graph of fixed sizes is large
        enough, and as `load` if the graph is not open yet.
        """
        began = time.perf_counter()
        graph = self._any_size.get(role)
        outputs = self.static(role, feeds) if graph is None else self.runner.run(graph, feeds)
        if self._observe is not None:
            self._observe(GraphRun(role, feeds, outputs, time.perf_counter() - began))
        return outputs

    def embed(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """ids (W,) -> (W, d) float32, rows of the embedding on disk. Raises InputError for an id that has no row."""
        rows = self.bundle.manifest.embedding.total
        if ids.size and not (int(ids.min()) >= 0 and int(ids.max()) < rows):
            raise InputError(
                f"id {int(ids.max()) if int(ids.max()) >= rows else int(ids.min())} is outside the vocabulary of {rows} rows"
            )
        return self.table(self.bundle.manifest.embedding).gather(ids)

    def table(self, embedding: Embedding) -> EmbeddingTable:
        """Open an embedding of the manifest, once for all canvases."""
        if embedding not in self._tables:
            self._tables[embedding] = self.bundle.table(embedding)
        return self._tables[embedding]

    def bias(self, allowed: tuple[tuple[IdRange, ...], ...], within: IdRange | None = None) -> NDArray[np.float32]:
        """Return (1 or R, V) float32: 0 where the row allows an id, and FORBIDDEN elsewhere.

        allowed: id ranges of each row, or one entry for all rows. within: range of ids that a sliced head covers, by default the
        whole vocabulary. Raises InputError for a range outside the vocabulary.
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
