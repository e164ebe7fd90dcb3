"""OmniVoice's published decoding: its counts, and its rule written out once more. Tokens of the authors' code: benchmarks/lab."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest

from tests.runtime.decoding.streams.fake import FRAMES, MASK, STREAMS, FakeModel, canvas
from unmask.decoding.commit_rules import CURVES, shifted_counts
from unmask.decoding.schedule import Reference
from unmask.decoding.streams.canvas import StreamCanvas
from unmask.decoding.streams.published import drawn_ids, published_streams
from unmask.errors import InputError

PUBLISHED = Reference(
    "omnivoice", steps=6, algorithm="probability", guidance=2.0, shift=0.1, position_temperature=5.0, stream_penalty=5.0
)


@pytest.mark.parametrize(("steps", "digest"), [(32, "2d8f212224269e75"), (16, "d6519ddcbf6e7d41"), (8, "f490a5be4b0f236b")])
def test_counts_of_750_lengths_are_the_authors(steps: int, digest: str) -> None:
    counts = np.array([shifted_counts(8 * frames, steps, 0.1) for frames in range(1, 751)], "<i4")
    assert hashlib.sha256(counts.tobytes()).hexdigest()[:16] == digest
    assert (counts.sum(1) == 8 * np.arange(1, 751)).all()


def test_the_curve_leaves_what_the_counts_do_not_commit() -> None:
    curve = CURVES["shifted"]
    assert curve is not None
    assert [curve(504, number, 8, 0.1) for number in range(9)] == [504, 496, 486, 473, 455, 428, 383, 291, 0]


def test_steps_commit_what_the_formulas_say() -> None:
    """Guided log-probabilities, ids without the mask, penalty, noise: of logits and one step after the other."""
    model, rng = FakeModel(3), np.random.default_rng(7)
    draws = [rng.random((STREAMS, FRAMES), np.float32) for _ in range(6)]
    numbers = iter(draws)
    steps = list(published_streams(canvas(), model, PUBLISHED, lambda shape: next(numbers)))
    codes = np.full((STREAMS, FRAMES), MASK)
    for step, count, drawn in zip(steps, shifted_counts(codes.size, 6, 0.1), draws, strict=True):
        own, away = (logits.reshape(FRAMES, STREAMS, MASK + 1) for logits in (model.hidden(codes, None), model.away(codes)))
        mixed = 3 * own - 2 * away
        scores = mixed - np.log(np.exp(mixed).sum(-1, keepdims=True))
        best = scores[..., :-1].max(-1).T - 5 * np.arange(STREAMS)[:, None]
        noisy = best / 5 - np.log(-np.log(drawn + 1e-10) + 1e-10)
        noisy[codes != MASK] = -np.inf
        chosen = np.argsort(-noisy.reshape(-1))[:count]
        codes.flat[chosen] = scores[..., :-1].argmax(-1).T.flat[chosen]
        assert np.array_equal(step.ids.reshape(FRAMES, STREAMS).T, codes)
    assert steps[-1].masked == 0
    assert steps[0].rows == FRAMES + 5 + FRAMES


def test_steps_without_commits_are_not_computed() -> None:
    model = FakeModel()
    short = StreamCanvas.masked(STREAMS, FRAMES, MASK)
    steps = list(published_streams(short, model, replace(PUBLISHED, steps=64, guidance=0.0)))
    assert len(steps) == sum(count > 0 for count in shifted_counts(STREAMS * FRAMES, 64, 0.1)) < 64
    assert set(model.asked) == {"whole"}


def test_one_seed_gives_the_same_bytes_and_drawing_asks_for_every_id() -> None:
    shapes = list[tuple[int, ...]]()

    def uniform(shape: tuple[int, ...]) -> np.ndarray:  # type: ignore[type-arg]
        shapes.append(shape)
        return np.random.default_rng(len(shapes)).random(shape, np.float32)

    drawn = replace(PUBLISHED, temperature=1.0, steps=2)
    list(published_streams(canvas(), FakeModel(), drawn, uniform))
    assert shapes == [(STREAMS, FRAMES, MASK + 1), (STREAMS, FRAMES)] * 2
    one, two = (list(published_streams(canvas(), FakeModel(), drawn))[-1].ids.tobytes() for _ in range(2))
    assert one == two
    assert drawn_ids(1025) == math.ceil(102.5)


def test_what_it_does_not_do_is_refused() -> None:
    begun = StreamCanvas(np.zeros((STREAMS, FRAMES), np.int64), MASK)
    with pytest.raises(InputError, match="starts from masks alone"):
        list(published_streams(begun, FakeModel(), PUBLISHED))
    with pytest.raises(InputError, match="'llada' does not fill several streams"):
        list(published_streams(canvas(), FakeModel(), Reference("llada", steps=2, algorithm="random")))
    with pytest.raises(InputError, match=r"outside 0\.\.19"):
        StreamCanvas(np.full((1, 2), 21), MASK)
