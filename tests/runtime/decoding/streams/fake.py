"""A model of several streams whose logits are a fixed table, changed a little by what is filled: NumPy alone."""

import numpy as np

from unmask.decoding.denoiser import TopKScores
from unmask.decoding.streams.canvas import Codes, Rows, StreamCanvas

STREAMS, FRAMES, MASK = 3, 9, 20


class FakeModel:
    """Hidden rows are the logits themselves, so the heads are the identity. Counts what it is asked."""

    def __init__(self, seed: int = 0, sure: float = 1.0) -> None:
        rng = np.random.default_rng(seed)
        shape = (FRAMES, STREAMS * (MASK + 1))
        self.own, self.alone = sure * rng.normal(size=shape), 0.2 * rng.normal(size=shape)
        self.mixing = 0.1 * rng.normal(size=(STREAMS, MASK + 1, shape[1]))
        self.asked, self.rows, self.resets = list[str](), 0, 0

    def reset(self) -> None:
        self.resets += 1

    def _mixed(self, codes: Codes) -> Rows:
        return np.asarray(sum(self.mixing[k][codes[k]] for k in range(STREAMS)), np.float32)

    def hidden(self, codes: Codes, frames: "np.ndarray | None") -> Rows:  # type: ignore[type-arg]
        self.asked.append("whole" if frames is None else f"{len(frames)} frames")
        self.rows = len(codes.T) + 5 if frames is None else len(frames)
        made = (self.own + self._mixed(codes)).astype(np.float32)
        return made if frames is None else made[frames]

    def away(self, codes: Codes) -> Rows:
        self.asked.append("away")
        self.rows = len(codes.T)
        return (self.alone + self._mixed(codes)).astype(np.float32)

    def nothing(self) -> Rows:
        self.asked.append("nothing")
        return np.zeros((1, STREAMS * (MASK + 1)), np.float32)

    def numbers(self, hidden: Rows, wide: bool) -> TopKScores:
        logits = hidden.reshape(-1, MASK + 1)
        count = MASK if wide else 2
        ids = np.argsort(-logits[:, :-1], axis=1, kind="stable")[:, :count]
        most = logits.max(1)
        sums = most + np.log(np.exp(logits - most[:, None]).sum(1))
        return TopKScores(ids, np.take_along_axis(logits, ids, 1), sums, np.ones(len(logits), np.float32))


def canvas() -> StreamCanvas:
    return StreamCanvas.masked(STREAMS, FRAMES, MASK)
