"""Run a bundle's graphs with an engine and serve the denoiser protocol.

Knows roles and tensors. Knows no audio, no schedule and no text. Engines are imported on first use.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.buckets import Static
from unmask.bundle import Bucket, Bundle, Verifier
from unmask.canvas import IdRange
from unmask.coreml_runner import CoremlRunner
from unmask.errors import BundleError, InputError
from unmask.litert_runner import LitertRunner
from unmask.onnx_runner import OnnxRunner, open_session
from unmask.options import EngineOptions
from unmask.sampler import Numbers
from unmask.table import Embedding, Table

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
        self._tables: dict[Embedding, Table] = {}
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
    def static(self) -> Static:
        """The bundle's graphs of fixed sizes for this engine."""
        manifest = self.bundle.manifest
        buckets = tuple(bucket for bucket in manifest.buckets if bucket.engine == self.options.engine)
        per = manifest.timeline.frames_per_slot if manifest.timeline else None
        return Static(buckets, per, self._runner.run)

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

    def table(self, embedding: Embedding) -> Table:
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


class CanvasDenoiser:
    """The window graph over one canvas, with the context that belongs to it. Implements `unmask.sampler.Denoiser`.

    context: named tensors from the context graph, used in place on every pass. cache_shape: (L, H, N, d / H) of the keys
    and of the values that the canvas's rows leave behind. Not thread-safe: one canvas, one denoiser.
    """

    def __init__(
        self, engine: Engine, context: Mapping[str, NDArray[np.float32]], cache_shape: tuple[int, int, int, int]
    ) -> None:
        self._engine = engine
        self._context = dict(context)
        self._k = np.zeros(cache_shape, dtype=np.float32)
        self._v = np.zeros(cache_shape, dtype=np.float32)

    def reset(self) -> None:
        self._k[:] = 0
        self._v[:] = 0

    def window(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        wanted: NDArray[np.int64],
        allowed: tuple[tuple[IdRange, ...], ...],
    ) -> Numbers:
        best, top, logsumexp, entropy, k, v = self._engine.run("window", self.feeds(ids, positions, wanted, allowed))
        self._k[:, :, positions] = k
        self._v[:, :, positions] = v
        return Numbers(best, top, logsumexp, entropy)

    def feeds(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        wanted: NDArray[np.int64],
        allowed: tuple[tuple[IdRange, ...], ...],
    ) -> dict[str, NDArray[Any]]:
        """The window graph's inputs, by name; context and caches are this object's own arrays, not copies."""
        own = {"cache_k": self._k, "cache_v": self._v, **self._context}
        bias = self._engine.bias(allowed)
        return {"rows": self._engine.embed(ids), "positions": positions, "wanted": wanted, "bias": bias, **own}


class CanvasVerifier:
    """The verify graph over one recording. Implements `unmask.verify.Verifier`. Not thread-safe.

    context: `verify_k` and `verify_v` from the context graph, (L, H, T, d / H), used in place on every pass.
    """

    def __init__(self, engine: Engine, manifest: Verifier, context: Mapping[str, NDArray[np.float32]]) -> None:
        self._engine, self._context = engine, dict(context)
        self._prompt = np.asarray(manifest.prompt, dtype=np.int64)
        self._table, self._positions = engine.table(manifest.embedding), manifest.positions
        self.reset()

    @property
    def longest(self) -> int | None:
        """Tokens of the longest text that it can read; None where the bundle does not say."""
        held = [self._positions] if self._positions is not None else []
        if not self._engine.dynamic("verify"):  # any part of a text may be new, the rest past
            held.append(max((min(b.sizes["tokens"], b.sizes["past"]) for b in self._engine.static.of("verify")), default=0))
        return max(0, min(held) - len(self._prompt)) if held else None

    def reset(self) -> None:
        layers, heads, _, size = self._context["verify_k"].shape
        self._k = self._v = np.zeros((layers, heads, 0, size), dtype=np.float32)

    def expect(self, ids: NDArray[np.int64], known: int) -> Numbers:
        read = len(self._prompt) + known - 1 if known else 0  # rows whose keys and values stay
        rows = self._table.gather(np.concatenate([self._prompt, ids])[read:])
        past = {"past_k": self._k[:, :, :read], "past_v": self._v[:, :, :read]}
        best, top, logsumexp, k, v = self._engine.run("verify", {"rows": rows, **past, **self._context})
        self._k, self._v = np.concatenate([past["past_k"], k], 2), np.concatenate([past["past_v"], v], 2)
        own = slice(0 if known else len(self._prompt) - 1, None)  # the prompt's earlier rows expect nothing
        return Numbers(best[own], top[own], logsumexp[own], np.zeros_like(logsumexp[own]))
