"""A backbone bundle's graphs for one canvas: windows that reuse keys and values, and heads sliced by modality.

Implements `unmask.decoding.denoiser.Denoiser` (windows, allowed ids) and `unmask.decoding.reference.Backbone` (whole passes,
whole vocabulary).
Knows tensors, attention masks and which ids each head covers. Knows no schedule and no text.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.graph_spec import BACKBONE, STREAMS
from unmask.bundle.manifest import Manifest
from unmask.decoding.canvas import IdRange
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.input_rows import Rows as GivenRows
from unmask.decoding.row_selection import AttentionLayout
from unmask.engines.engine import Engine
from unmask.errors import BundleError, InputError
from unmask.system import check_memory
from unmask.text.places import NONE

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]
FLOAT = 4  # bytes
SCORES = ("ids", "logits", "logsumexp", "entropy")  # outputs of a head, in the order of `TopKScores`
LOGITS = 5 << 20  # numbers that a head computes at once: 34 rows of 152,000 ids
HIDDEN_FROM = np.float32(-1e9)  # added to attention scores of hidden rows; finite, because some engines cannot compute with -inf


def attention_layout(manifest: Manifest, prompt: int = 0) -> AttentionLayout:
    """The layout that the sampler needs, from a bundle's manifest. prompt: length of the prompt on this canvas."""
    origin = prompt % manifest.block if manifest.block and manifest.blocks_after_prompt else 0
    return AttentionLayout(manifest.logits_shift, manifest.block, origin, prompt if manifest.attention == "prefix" else 0)


class BackboneDenoiser:
    """The window and head graphs for a canvas of `length` positions, the first `prompt` of which are the prompt. Not thread-safe.

    Keeps the keys and values of all rows between passes; `reset` forgets them. given: rows that replace embeddings. places: as
    `place_rows` gives them, for all positions. Raises InputError if the given rows' width is not the model's, BundleError if the
    window graph is not the one that this runtime knows. Passes that need more memory than is free raise InputError.
    """

    def __init__(
        self, engine: Engine, length: int, prompt: int = 0, given: GivenRows | None = None, places: Ids | None = None
    ) -> None:
        self._engine, self._length, self._prompt, self._given, self._places = engine, length, prompt, given, places
        self._manifest = engine.bundle.manifest
        self._layout = attention_layout(self._manifest, prompt)
        width = self._manifest.embedding.width
        if given is not None and given.values.shape[1] != width:
            raise InputError(f"rows of width {given.values.shape[1]} were given; {self._manifest.name} takes width {width}")
        if engine.kind not in (BACKBONE, STREAMS):
            raise BundleError(f"{engine.bundle.folder}: has the graphs of a {engine.kind.name}, not of a backbone")
        engine.check("window")
        layers, heads, _, width = engine.inputs("window")["cache_k"]
        self._heads = max(heads, self._manifest.embedding.width // width)  # of queries, at least
        self._masked = "mask" in engine.inputs("window")  # the graph decides: see `GraphSpec.any_size`
        kept = 2 * layers * heads * length * width * FLOAT
        check_memory(2 * kept, f"keeping keys and values of {length} positions")  # a pass gets a copy
        self._k: Rows = np.zeros((layers, heads, length, width), np.float32)
        self._v: Rows = np.zeros_like(self._k)

    def reset(self) -> None:
        self._k[:] = 0
        self._v[:] = 0

    # ---- windows

    def window(self, ids: Ids, positions: Ids, wanted: Ids, allowed: tuple[tuple[IdRange, ...], ...]) -> TopKScores:
        return self.predict(ids, positions, positions[wanted], allowed)

    def predict(self, ids: Ids, positions: Ids, predicted: Ids, allowed: tuple[tuple[IdRange, ...], ...]) -> TopKScores:
        """`window`, for predicted positions (R,) that may lie outside the window if the rows that predict them are in it."""
        return self.among(self.hidden_window(ids, positions, predicted), allowed)

    def hidden_window(self, ids: Ids, positions: Ids, predicted: Ids) -> Rows:
        """The pass of `predict` without its head: (R, d), the head's input for each predicted position."""
        sources = np.searchsorted(positions, self._layout.sources(predicted))
        return self.compute(self._embed(ids, positions), positions, sources)

    def _embed(self, ids: Ids, positions: Ids) -> Rows:
        """(W,) ids at increasing positions -> (W, d), with given rows in place of embeddings, and those of places added."""
        rows = self._engine.embed(ids)
        if self._given is not None:
            _, at, which = np.intersect1d(positions, self._given.positions, assume_unique=True, return_indices=True)
            rows[at] = self._given.values[which]
        if self._places is not None:
            own = self._places[positions]
            rows[own != NONE] += self._engine.embed(own[own != NONE])
        return rows

    def compute(self, rows: Rows, positions: Ids, sources: Ids) -> Rows:
        """Compute rows (W, d), keep their keys and values, and return the hidden rows at the indices `sources`, (R, d)."""
        stop = self._seen(int(positions[-1]))
        matrices = self._heads + self._masked  # of rows and positions
        check_memory(len(positions) * stop * matrices * FLOAT, f"a pass over {len(positions)} rows and {stop} positions")
        asked = sources if len(sources) else np.zeros(1, np.int64)  # a pass that only updates keys and values predicts nothing
        feeds: dict[str, NDArray[Any]] = {
            "rows": rows,
            "positions": positions,
            "wanted": asked,
            "cache_k": np.ascontiguousarray(self._k[:, :, :stop]),
            "cache_v": np.ascontiguousarray(self._v[:, :, :stop]),
        }
        if self._masked:
            feeds["mask"] = self._mask(positions, stop)
        made = self._engine.run("window", feeds)
        self._k[:, :, positions] = made["k"]
        self._v[:, :, positions] = made["v"]
        return made["hidden"][: len(sources)]

    def _seen(self, last: int) -> int:
        """Number of positions that the row at `last` attends to."""
        if self._layout.block is not None:
            return self._layout.block_at(last, self._length)[1]
        if self._manifest.attention == "prefix" and last < self._prompt:
            return self._prompt
        return self._length

    def _mask(self, positions: Ids, stop: int) -> Rows:
        """(W, stop): 0 where a row attends to a position, HIDDEN_FROM elsewhere."""
        if self._manifest.attention == "full":  # graphs of fixed sizes hide their padding, and older ones of any size take it
            return np.zeros((len(positions), stop), np.float32)
        reach = np.array([self._seen(int(position)) for position in positions])
        return np.where(np.arange(stop) < reach[:, None], np.float32(0), HIDDEN_FROM)

    # ---- heads

    def among(self, hidden: Rows, allowed: tuple[tuple[IdRange, ...], ...]) -> TopKScores:
        """Scores of the allowed ids, from the smallest head that covers them."""
        if len(allowed) == 1:
            return self._head(hidden, allowed[0])
        parts = [(np.flatnonzero([a == ranges for a in allowed]), ranges) for ranges in dict.fromkeys(allowed)]
        found = [(at, self._head(hidden[at], ranges)) for at, ranges in parts]
        if not found:
            return _nothing()
        back = np.argsort(np.concatenate([at for at, _ in found]))
        k = min(scores.ids.shape[1] for _, scores in found)
        whole = (
            np.concatenate([getattr(n, name)[..., :k] if name in ("ids", "logits") else getattr(n, name) for _, n in found])[back]
            for name in SCORES
        )
        return TopKScores(*whole)

    def _head(self, hidden: Rows, ranges: tuple[IdRange, ...]) -> TopKScores:
        if not len(hidden):
            return _nothing()
        role, (start, stop) = self._smallest(ranges)
        bias = self._engine.bias((ranges,), (start, stop))
        return self._scores(role, hidden, bias, 1.0)

    def _scores(self, role: str, hidden: Rows, bias: Rows, scale: float) -> TopKScores:
        """bias: (1, V). Rows are taken in parts, so that memory does not grow with them."""
        count = max(1, LOGITS // bias.shape[-1])
        check_memory(min(count, len(hidden)) * bias.shape[-1] * FLOAT, f"predicting {len(hidden)} positions in one pass")
        more = {"bias": bias, "scale": np.full(1, scale, np.float32)}
        parts = [self._engine.run(role, {"hidden": hidden[at : at + count], **more}) for at in range(0, len(hidden), count)]
        whole = parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in SCORES}
        return TopKScores(*(whole[name] for name in SCORES))

    def _smallest(self, ranges: tuple[IdRange, ...]) -> tuple[str, IdRange]:
        """Role and id range of the smallest head that covers all the ranges."""
        manifest = self._manifest
        heads: dict[str, IdRange] = {"head": (0, manifest.vocabulary.size)}
        for modality, (low, high) in manifest.vocabulary.ranges.items():
            if f"head_{modality}" in manifest.roles:
                heads[f"head_{modality}"] = (low, high)
        first, last = min(low for low, _ in ranges), max(high for _, high in ranges)
        fitting = [(high - low, role) for role, (low, high) in heads.items() if low <= first and last <= high]
        role = min(fitting)[1] if fitting else "head"
        return role, heads[role]

    # ---- the published way: all rows in every pass

    def hidden(self, ids: Ids, wanted: Ids) -> Rows:
        """Compute all rows and reuse nothing: ids (N,), wanted (R,) positions to predict -> (R, d)."""
        return self.hidden_of(self._embed(ids, np.arange(len(ids))), wanted)

    def hidden_of(self, rows: Rows, wanted: Ids) -> Rows:
        """`hidden` for embedded rows (N, d)."""
        self.reset()
        return self.compute(rows, np.arange(len(rows)), self._layout.sources(wanted))

    def numbers(self, hidden: Rows, scale: float) -> TopKScores:
        """Scores over the whole vocabulary, from logits * scale. hidden: (R, d)."""
        bias = self._engine.bias((((0, self._manifest.vocabulary.size),),))
        return self._scores("head", hidden, bias, scale)


def _nothing() -> TopKScores:
    empty = np.zeros(0, np.float32)
    return TopKScores(np.zeros((0, 1), np.int64), np.zeros((0, 1), np.float32), empty, empty)
