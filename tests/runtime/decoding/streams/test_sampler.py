"""The trimmed decoding of several streams: which rows each pass computes, what guides it, and when it is done."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.runtime.decoding.streams.fake import FRAMES, MASK, STREAMS, FakeModel, canvas
from unmask.decoding.schedule import Reference, Schedule
from unmask.decoding.streams.canvas import StreamCanvas
from unmask.decoding.streams.published import published_streams
from unmask.decoding.streams.sampler import fill_streams
from unmask.errors import InputError

FULL = Schedule(passes=5, rule="quota", curve="shifted", guidance=2.0, stream_penalty=5.0)
LEAN = replace(FULL, guided="first", reuse=True, window="suffix")


def test_with_nothing_saved_and_no_noise_it_is_the_published_decoding() -> None:
    published = Reference("omnivoice", steps=5, algorithm="probability", guidance=2.0, shift=0.1, stream_penalty=5.0)
    theirs = FakeModel(1)
    theirs.alone[:] = 0  # so that all rows of an empty canvas are equal, as in the model
    theirs.mixing[:, MASK] = 0
    ours = FakeModel(1)
    ours.alone[:], ours.mixing[:, MASK] = 0, 0
    expected = [step.ids.tolist() for step in published_streams(canvas(), theirs, published)]
    assert [step.ids.tolist() for step in fill_streams(canvas(), ours, FULL)] == expected
    assert ours.asked == ["whole", "nothing", *["whole", "away"] * 4]


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, ["whole", "nothing", *["9 frames"] * 4]),
        ({"refresh": 2}, ["whole", "nothing", "9 frames", "whole", "9 frames", "whole"]),
        ({"guided": "2-3"}, ["whole", "9 frames", "away", "9 frames", "away", "9 frames", "9 frames"]),
        ({"guided": "every-2"}, ["whole", "nothing", "9 frames", "9 frames", "away", "9 frames", "9 frames", "away"]),
        ({"guidance": 0.0}, ["whole", *["9 frames"] * 4]),
        ({"reuse": False, "window": "masked"}, ["whole", "nothing", *["whole"] * 4]),
    ],
)
def test_what_each_pass_computes(changes: dict[str, object], asked: list[str]) -> None:
    model = FakeModel()
    steps = list(fill_streams(canvas(), model, replace(LEAN, **changes)))  # type: ignore[arg-type]
    assert model.asked == asked
    assert model.resets == 1
    assert [len(step.committed) for step in steps] == [1, 2, 2, 5, 17]
    assert sum(step.rows for step in steps) == sum(
        {"whole": FRAMES + 5, "away": FRAMES, "9 frames": FRAMES, "nothing": 0}[call] for call in asked
    )


def test_masked_windows_compute_open_frames_and_those_just_changed() -> None:
    codes = np.zeros((STREAMS, FRAMES), np.int64)
    codes[:, 2:4] = MASK
    model = FakeModel()
    steps = list(fill_streams(StreamCanvas(codes, MASK), model, replace(LEAN, window="masked", guidance=0.0, passes=3)))
    assert model.asked == ["whole", "2 frames", "2 frames"]
    assert all((np.delete(step.ids.reshape(FRAMES, STREAMS), [2, 3], 0) == 0).all() for step in steps)


def test_a_sure_model_is_done_early_and_an_unsure_one_in_time() -> None:
    schedule = replace(LEAN, rule="threshold", threshold=0.9, passes=5, guidance=0.0)
    assert len(list(fill_streams(canvas(), FakeModel(sure=200.0), schedule))) <= 2
    unsure = list(fill_streams(canvas(), FakeModel(sure=0.01), schedule))
    assert [len(step.committed) for step in unsure] == [1, 2, 2, 5, 17]
    assert unsure[-1].masked == 0


@pytest.mark.parametrize("order", ["probability", "margin", "negative_entropy"])
def test_committed_codes_stay_and_a_seed_gives_the_same_bytes(order: str) -> None:
    schedule = replace(LEAN, order=order, position_temperature=5.0, temperature=0.7, seed=4)
    one, two = (list(fill_streams(canvas(), FakeModel(), schedule)) for _ in range(2))
    assert [step.ids.tobytes() for step in one] == [step.ids.tobytes() for step in two]
    for before, after in pairwise(one):
        kept = before.ids != MASK
        assert np.array_equal(before.ids[kept], after.ids[kept])
    other = list(fill_streams(canvas(), FakeModel(), replace(schedule, seed=5)))
    assert other[-1].ids.tobytes() != one[-1].ids.tobytes()


def test_lower_streams_come_first_under_a_penalty() -> None:
    steps = list(fill_streams(canvas(), FakeModel(), replace(LEAN, stream_penalty=100.0, curve="even", passes=3)))
    assert [set(step.committed % STREAMS) for step in steps] == [{0}, {1}, {2}]


@pytest.mark.parametrize("changes", [{"block": 4}, {"revise": 0.5}, {"budget_ms": 5.0}, {"order": "random"}, {"verify": 1}])
def test_options_that_streams_do_not_read_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(changes))):
        list(fill_streams(canvas(), FakeModel(), replace(LEAN, **changes)))  # type: ignore[arg-type]


def test_options_of_streams_are_checked() -> None:
    for wrong in ({"shift": 0.0}, {"stream_penalty": -1.0}, {"position_temperature": float("nan")}, {"guided": "every-1"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Schedule(**wrong)  # type: ignore[arg-type]
    assert Schedule(guided="every-3").guided_every == 3
