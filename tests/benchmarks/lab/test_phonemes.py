"""Forced alignment by CTC, against all paths tried one by one."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.lab.words.phonemes import best_path

BLANK = 0


def labels_of(path: tuple[int, ...]) -> list[int]:
    return [label for label, _ in itertools.groupby(path) if label != BLANK]


def likeliest(scores: NDArray[np.float32], ids: list[int]) -> float:
    paths = (path for path in itertools.product(range(scores.shape[1]), repeat=len(scores)) if labels_of(path) == ids)
    return max((sum(float(scores[t, label]) for t, label in enumerate(path)) for path in paths), default=-np.inf)


@pytest.mark.parametrize("ids", [[], [1], [1, 2], [1, 1], [2, 1, 2], [2, 2, 1]])
@pytest.mark.parametrize("seed", range(4))
def test_the_path_is_the_likeliest(ids: list[int], seed: int) -> None:
    scores = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), 6)).astype(np.float32)
    first, last = best_path(scores, ids, BLANK)
    assert len(first) == len(last) == len(ids)
    frames = np.full(6, BLANK)
    for label, start, stop in zip(ids, first, last, strict=True):
        assert 0 <= start <= stop
        assert (frames[start : stop + 1] == BLANK).all()
        frames[start : stop + 1] = label
    assert labels_of(tuple(frames.tolist())) == ids
    assert scores[np.arange(6), frames].sum() == pytest.approx(likeliest(scores, ids), rel=1e-5)


@pytest.mark.parametrize("ids", [[1, 1], [1, 2, 1]])
def test_too_few_frames(ids: list[int]) -> None:
    with pytest.raises(ValueError, match=f"2 frames are too few for {len(ids)} labels"):
        best_path(np.zeros((2, 3), np.float32), ids, BLANK)
