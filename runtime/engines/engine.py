"""Run a bundle's graphs with an engine.

Knows roles and tensors. Knows no audio, no schedule and no text. Engines are imported on first use.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.embedding import Embedding, EmbeddingTable
from unmask.bundle.manifest import Bucket, Bundle
from unmask.decoding.canvas import IdRange
from unmask.engines.coreml import CoremlRunner
from unmask.engines.engine_options import EngineOptions
from unmask.engines.litert import LitertRunner
from unmask.engines.onnx import OnnxRunner, open_session
from unmask.engines.padding import StaticShapes
from unmask.errors import BundleError, InputError

if TYPE_CHECKING:
    import onnxruntime

FORBIDDEN = np.float32(-1e9)  # finite, so that a row with everything forbidden stays a number


class Runner(Protocol):
    """Runs the graphs of fixed sizes that a bundle holds for one engine. Imports its engine on first use."""

    def inputs(self, bucket: Bucket) -> dict[str, tuple[int, ...]]:
        """Shapes by name; opens the graph."""
        ...

    def run(self, bucket: Bucket, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Inputs of exactly the bucket's sizes; all outputs by name."""
        ...


class Engine:
    """A bundle's graphs, opened. Constructing it does nothing; `load` opens the graphs. Thread-safe once loaded.

    With the engine onnx it runs the bundle's graphs of any size where there are such, and its buckets otherwise.
    """

    def __init__(self, bundle: Bundle, options: EngineOptions | None = None) -> None:
        self.bundle = bundle
        self.options = options or EngineOptions()
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        self._tables: dict[Embedding, EmbeddingTable] = {}
        self._biases: dict[tuple[IdRange, ...], NDArray[np.float32]] = {}

    def load(self) -> "Engine":
        """Open every graph that this engine may run. Raises BundleError when one is refused or a role has none."""
        for role in self.bundle.manifest.roles:
            self.inputs(role)
        return self

    def dynamic(self, role: str) -> bool:
        """Whether the role is run by a graph of any size."""
        return self.options.engine == "onnx" and not self.options.static and role in self.bundle.manifest.graphs

    @cached_property
    def static(self) -> StaticShapes:
        """The bundle's graphs of fixed sizes for this engine."""
        manifest = self.bundle.manifest
        buckets = tuple(bucket for bucket in manifest.buckets if bucket.engine == self.options.engine)
        per = manifest.timeline.frames_per_slot if manifest.timeline else None
        return StaticShapes(buckets, per, self._runner.run)

    @cached_property
    def _runner(self) -> Runner:
        return RUNNERS[self.options.engine](self.bundle, self.options)

    def inputs(self, role: str) -> dict[str, tuple[Any, ...]]:
        """Shapes of a role's inputs by name, of its first bucket where sizes are fixed; opens its graphs."""
        if self.dynamic(role):
            return {value.name: tuple(value.shape) for value in self.session(role).get_inputs()}
        found = [self._runner.inputs(bucket) for bucket in self.static.of(role)]
        if not found:
            others = sorted({bucket.engine for bucket in self.bundle.manifest.buckets if bucket.role == role})
            raise BundleError(
                f"{self.bundle.folder}: no {role} graph of fixed sizes for the engine {self.options.engine}; "
                + (f"it has one for --engine {' and '.join(others)}; " if others else "")
                + f"`unmask inspect {self.bundle.folder}` lists what it holds"
            )
        return found[0]

    def session(self, role: str) -> "onnxruntime.InferenceSession":
        """The graph of any size of a role, opened once."""
        if role not in self._sessions:
            self._sessions[role] = self._open(role)
        return self._sessions[role]

    def _open(self, role: str) -> "onnxruntime.InferenceSession":
        return open_session(self.bundle.path(self.bundle.manifest.graphs[role]), self.options)

    def run(self, role: str, feeds: Mapping[str, Any]) -> list[NDArray[Any]]:
        """Run a graph on NumPy arrays; graphs of any size use contiguous inputs in place.

        Raises InputError when graphs of fixed sizes are too small for the call.
        """
        if not self.dynamic(role):
            return self.static(role, feeds)
        outputs: list[NDArray[Any]] = self.session(role).run(None, dict(feeds))
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


RUNNERS: dict[str, Callable[[Bundle, EngineOptions], Runner]] = {
    "onnx": OnnxRunner,
    "litert": LitertRunner,
    "coreml": CoremlRunner,
}
