"""The vocoder in parts: sound does not change with the cuts. The graphs of the small random codec run."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.speech.synthesis import vocoder
from unmask.speech.synthesis.chance import SeededChance
from unmask.speech.synthesis.frames import SAMPLES_PER_FRAME
from unmask.speech.synthesis.vocoder import MARGIN, Vocoder

FRAMES = 150
MEL = (np.random.default_rng(0).normal(size=(8, FRAMES)) * 2).astype(np.float32)


@pytest.fixture(scope="module")
def engine(media: Path) -> Engine:
    return Engine(load_bundle(media))


def sound(engine: Engine, cuts: list[int]) -> list[np.ndarray]:
    made = Vocoder(engine, SeededChance(8, 9))
    return [made.add(MEL[:, start:stop], last=stop == FRAMES) for start, stop in pairwise([0, *cuts, FRAMES])]


@pytest.mark.parametrize("cuts", [[30], [5, 10, 70, 71], [1, 2, 149]])
def test_parts_are_the_whole(engine: Engine, cuts: list[int]) -> None:
    (whole,), parts = sound(engine, []), sound(engine, cuts)
    assert whole.size == FRAMES * SAMPLES_PER_FRAME
    assert whole.std() > 0.005
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)
    ready = [max(0, cut - MARGIN) * SAMPLES_PER_FRAME for cut in cuts]
    assert np.cumsum([part.size for part in parts])[:-1].tolist() == ready


def test_a_smaller_margin_would_be_heard(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = sound(engine, [])
    monkeypatch.setattr(vocoder, "MARGIN", 3)
    assert np.abs(np.concatenate(sound(engine, [75])) - whole).max() > 1e-3
