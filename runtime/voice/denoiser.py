"""The window graph and the heads of a bundle with several streams, on the frames of one canvas.

Implements `unmask.decoding.streams.canvas.StreamModel`. Knows tensors and ids. Knows no schedule and no text.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.manifest import Manifest, Streams
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.streams.canvas import Codes, Rows
from unmask.engines.engine import Engine
from unmask.errors import BundleError
from unmask.text.denoiser import BackboneDenoiser


def streams_of(manifest: Manifest) -> Streams:
    """Raises BundleError for a bundle without streams."""
    if manifest.streams is None:
        raise BundleError(f"{manifest.name} has heads for several streams of codes, and its manifest names none; export it again")
    return manifest.streams


def frame_rows(engine: Engine, codes: Codes) -> Rows:
    """(Q, F) codes and masks -> (F, d): the sums of their embeddings."""
    manifest = engine.bundle.manifest
    streams = streams_of(manifest)
    first = manifest.vocabulary.ranges[streams.modality][0]
    ids = codes + first + streams.stride * np.arange(streams.count)[:, None]
    rows = engine.embed(ids.T.reshape(-1))
    summed: Rows = rows.reshape(codes.shape[1], streams.count, -1).sum(1)
    return summed


class StreamDenoiser:
    """The graphs for a canvas of `frames` frames after the rows of a prompt. Not thread-safe."""

    def __init__(self, engine: Engine, prompt: Rows, frames: int, nothing: Callable[[], Rows] | None = None) -> None:
        """prompt: (P, d) embedded rows. nothing: gives `StreamModel.nothing`, by default by computing it."""
        self._engine, self._prompt, self._frames = engine, prompt, frames
        self._streams = streams_of(engine.bundle.manifest)
        self._own = BackboneDenoiser(engine, len(prompt) + frames, len(prompt)) if len(prompt) else None
        self._alone: BackboneDenoiser | None = None
        self._nothing = nothing
        self.rows = 0

    def reset(self) -> None:
        if self._own is not None:
            self._own.reset()

    def hidden(self, codes: Codes, frames: NDArray[np.int64] | None) -> Rows:
        if self._own is None:
            return self.away(codes)
        start = len(self._prompt)
        if frames is None:
            rows, positions = np.concatenate([self._prompt, frame_rows(self._engine, codes)]), np.arange(start + self._frames)
            sources = positions[start:]
        else:
            rows, positions = frame_rows(self._engine, codes[:, frames]), start + frames
            sources = np.arange(len(frames))
        self.rows = len(rows)
        return self._own.compute(rows, positions, sources)

    def away(self, codes: Codes) -> Rows:
        if self._alone is None:
            self._alone = BackboneDenoiser(self._engine, codes.shape[1])
        rows = frame_rows(self._engine, codes)
        self.rows = len(rows)
        return self._alone.compute(rows, np.arange(len(rows)), np.arange(len(rows)))

    def nothing(self) -> Rows:
        if self._nothing is not None:
            return self._nothing()
        empty = np.full((self._streams.count, 1), self._streams.codes, np.int64)
        return StreamDenoiser(self._engine, self._prompt[:0], 1).away(empty)

    def numbers(self, hidden: Rows, wide: bool) -> TopKScores:
        made = self._engine.run("streams_wide" if wide else "streams", {"hidden": hidden})
        cells = len(hidden) * self._streams.count
        ids, logits = (made[name].reshape(cells, -1) for name in ("ids", "logits"))
        return TopKScores(ids, logits, made["logsumexp"].reshape(cells), made["entropy"].reshape(cells))
