"""A captioner's graphs for one segment: the denoiser of its canvas of slots, and the causal model that verifies its text.

Knows roles and tensors. Knows no audio, no schedule and no text.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Verifier
from unmask.decoding.canvas import IdRange
from unmask.decoding.denoiser import TopKScores
from unmask.engines.engine import Engine


class TimelineDenoiser:
    """The window graph for one canvas, with that segment's context. Implements `unmask.decoding.denoiser.Denoiser`.

    context: tensors of the context graph by name, used in place on every pass. cache_shape: (L, H, N, d / H), the shape of the
    kept keys and of the kept values of the canvas's rows. Not thread-safe; use one denoiser per canvas.
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
    ) -> TopKScores:
        made = self._engine.run("window", self.feeds(ids, positions, wanted, allowed))
        self._k[:, :, positions] = made["k"]
        self._v[:, :, positions] = made["v"]
        return TopKScores(made["ids"], made["logits"], made["logsumexp"], made["entropy"])

    def feeds(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        wanted: NDArray[np.int64],
        allowed: tuple[tuple[IdRange, ...], ...],
    ) -> dict[str, NDArray[Any]]:
        """The window graph's inputs, by name. Context and caches are this object's own arrays, not copies."""
        own = {"cache_k": self._k, "cache_v": self._v, **self._context}
        bias = self._engine.bias(allowed)
        return {"rows": self._engine.embed(ids), "positions": positions, "wanted": wanted, "bias": bias, **own}


class TimelineVerifier:
    """The verify graph for one segment. Implements `unmask.decoding.speculative.Verifier`. Not thread-safe.

    context: `verify_k` and `verify_v` of the context graph, (L, H, T, d / H), used in place on every pass.
    """

    def __init__(self, engine: Engine, manifest: Verifier, context: Mapping[str, NDArray[np.float32]]) -> None:
        self._engine, self._context = engine, dict(context)
        self._prompt = np.asarray(manifest.prompt, dtype=np.int64)
        self._table, self._positions = engine.table(manifest.embedding), manifest.positions
        self.reset()

    @property
    def longest(self) -> int | None:
        """Number of tokens of the longest text that it can read; None if the bundle sets no limit."""
        held = [self._positions] if self._positions is not None else []
        if not self._engine.dynamic("verify"):  # any part of a text may be new and the rest past, so it has to fit into both
            held.append(max((min(b.sizes["tokens"], b.sizes["past"]) for b in self._engine.static.of("verify")), default=0))
        return max(0, min(held) - len(self._prompt)) if held else None

    def reset(self) -> None:
        layers, heads, _, size = self._context["verify_k"].shape
        self._k = self._v = np.zeros((layers, heads, 0, size), dtype=np.float32)

    def next_token_scores(self, ids: NDArray[np.int64], known: int) -> TopKScores:
        read = len(self._prompt) + known - 1 if known else 0  # rows whose keys and values are kept
        rows = self._table.gather(np.concatenate([self._prompt, ids])[read:])
        past = {"past_k": self._k[:, :, :read], "past_v": self._v[:, :, :read]}
        made = self._engine.run("verify", {"rows": rows, **past, **self._context})
        self._k = np.concatenate([past["past_k"], made["k"]], 2)
        self._v = np.concatenate([past["past_v"], made["v"]], 2)
        own = slice(0 if known else len(self._prompt) - 1, None)  # earlier rows of the prompt predict the prompt
        scores = made["logsumexp"][own]
        return TopKScores(made["ids"][own], made["logits"][own], scores, np.zeros_like(scores))
