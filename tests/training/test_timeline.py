"""Samples show a canvas that agrees with its label and its encoder states; an epoch holds each label once."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unmask.training.prepare import SOFT
from unmask.training.timeline import BLANK, Label, Masking, Sample, Timeline, batches, read_labels

PER, WIDTH, MASK = 8, 32, 257
VARIANTS = {"clean": 1.0, "slow": 0.9, "fast": 1.1}
NONE = Masking(full=0, span=0, corrupt=0, crop=0, hide=0)
TEXTS = ["turn it off", "a", "what is the time"]
Cache = Callable[..., Path]


def draws(timeline: Timeline, labels: list[Label], count: int = 60) -> Iterator[tuple[Label, Sample]]:
    for seed in range(count):
        rng = np.random.default_rng(seed)
        for label in labels:
            sample = timeline.sample(label, rng)
            if sample is not None:
                yield label, sample


def timeline_of(cache: Path, masking: Masking) -> Timeline:
    return Timeline(cache, WIDTH, PER, MASK, masking)


def check_heard(sample: Sample) -> None:
    """Each token stands in a slot in which the states tell it."""
    heard = 256 * sample.states[:, 0].reshape(-1, PER)
    assert all(sample.target[slot] in heard[slot] for slot in np.flatnonzero(sample.target))


def is_within(part: list[int], whole: list[int]) -> bool:
    return any(part == whole[i : i + len(part)] for i in range(len(whole) - len(part) + 1))


# ---- labels


def test_centre_is_in_the_first_fifth_of_a_second(write_cache: Cache) -> None:
    cache = write_cache(["ab"], {"clean": 1.0})
    row = json.loads((cache / "labels.jsonl").read_text(encoding="utf-8"))
    row["first"] = [3, 7, 50, 52]
    (cache / "labels.jsonl").write_text(json.dumps(row), encoding="utf-8")
    assert read_labels(cache)[0].centre.tolist() == [5, 12, 51]


def test_better_centres_are_preferred(write_cache: Cache) -> None:
    cache = write_cache(["a", "b"], {"clean": 1.0})
    (cache / "centres.json").write_text(json.dumps({"u1": [30.5, 41.0]}), encoding="utf-8")
    teacher, better = read_labels(cache)
    assert teacher.centre.tolist() == [25, 41]
    assert better.centre.tolist() == [30.5, 41.0]


def test_full_is_the_clean_recording_in_whole_slots(write_cache: Cache) -> None:
    timeline, labels = timeline_of(cache := write_cache(TEXTS, VARIANTS), NONE), read_labels(cache)
    for label in labels:
        states = timeline.variants[0][label.id]
        assert len(states) % PER
        np.testing.assert_array_equal(timeline.full(label), states[: len(states) // PER * PER])


# ---- samples


@pytest.mark.parametrize("masking", [Masking(), NONE, replace(NONE, full=1), replace(NONE, span=1), replace(NONE, corrupt=1)])
def test_sample_agrees_with_itself(write_cache: Cache, masking: Masking) -> None:
    cache = write_cache(TEXTS, VARIANTS)
    for _, s in draws(timeline_of(cache, masking), read_labels(cache)):
        slots = len(s.target)
        assert s.states.shape == (PER * slots, WIDTH)
        assert s.shown.shape == s.masked.shape == (slots,)
        assert s.soft_ids.shape == s.soft.shape == (slots, SOFT)
        np.testing.assert_array_equal(s.shown[~s.masked], s.target[~s.masked])
        assert (s.shown[s.masked] != s.target[s.masked]).all()
        wrong = s.masked & (s.shown != MASK)
        assert (s.target[wrong] != BLANK).all()
        assert (s.shown[wrong, None] == s.soft_ids[wrong]).any(1).all()
        assert not s.soft[s.target == BLANK].any()
        assert (s.soft_ids[s.target != BLANK, 0] == s.target[s.target != BLANK]).all()


def test_each_kind_of_mask_is_drawn_as_asked(write_cache: Cache) -> None:
    cache = write_cache(TEXTS[:1], VARIANTS)
    labels = read_labels(cache)

    def seen(**shares: float) -> list[Sample]:
        return [s for _, s in draws(timeline_of(cache, replace(NONE, **shares)), labels)]

    assert all(s.masked.all() and (s.shown == MASK).all() for s in seen(full=1))
    for s in seen(span=1):
        at = np.flatnonzero(s.masked)
        assert (np.diff(at) == 1).all()
        assert 1 <= len(at) <= len(s.masked) / 2
    rates = [s.masked.mean() for s in seen()]
    assert min(rates) < 0.3 < 0.8 < max(rates)
    assert all((s.shown[s.masked] == MASK).all() for s in seen())
    assert any((s.shown[s.masked] != MASK).any() for s in seen(corrupt=1))


def test_a_wrong_token_is_never_the_target(write_cache: Cache) -> None:
    """The transcript's token may be the teacher's second guess; shown in its place, it would not be wrong."""
    cache = write_cache(TEXTS, VARIANTS)
    labels = [replace(label, soft_ids=label.soft_ids[:, [1, 0, *range(2, SOFT)]]) for label in read_labels(cache)]
    for _, s in draws(timeline_of(cache, replace(NONE, span=1, corrupt=1)), labels, 200):
        assert (s.shown[s.masked] != s.target[s.masked]).all()


def test_all_tokens_stand_in_order_where_they_are_heard(write_cache: Cache) -> None:
    cache = write_cache(TEXTS, VARIANTS)
    for label, s in draws(timeline_of(cache, NONE), read_labels(cache)):
        assert s.target[s.target != BLANK].tolist() == label.ids.tolist()
        check_heard(s)


def test_crops_keep_a_stretch_of_the_tokens(write_cache: Cache) -> None:
    cache = write_cache(TEXTS, VARIANTS)
    kept = set()
    for label, s in draws(timeline_of(cache, replace(NONE, crop=1)), read_labels(cache)):
        tokens = s.target[s.target != BLANK].tolist()
        assert is_within(tokens, label.ids.tolist())
        check_heard(s)
        kept.add(len(tokens) / len(label.ids))
    assert min(kept) < 0.8
    assert max(kept) == 1


def test_hiding_only_silences_stretches(write_cache: Cache) -> None:
    cache = write_cache(TEXTS[:1], {"clean": 1.0})
    labels = read_labels(cache)
    plain, hidden = ([s for _, s in draws(timeline_of(cache, replace(NONE, hide=h)), labels)] for h in (0, 1))
    for before, after in zip(plain, hidden, strict=True):
        gone = (before.states != after.states).any(1)
        assert not after.states[gone].any()
        np.testing.assert_array_equal(after.target, before.target)
    assert np.mean([(b.states != a.states).any() for b, a in zip(plain, hidden, strict=True)]) > 0.5


def test_tokens_that_do_not_fit_give_no_sample(write_cache: Cache) -> None:
    cache = write_cache(["a"], {"clean": 1.0})
    label, many = read_labels(cache)[0], 40
    crowded = Label(
        label.id,
        label.text,
        np.repeat(label.ids[:1], many),
        np.full(many, 30.0),
        np.repeat(label.soft_ids[:1], many, 0),
        np.repeat(label.soft[:1], many, 0),
    )
    timeline = timeline_of(cache, NONE)
    assert timeline.sample(label, np.random.default_rng(0)) is not None
    assert timeline.sample(crowded, np.random.default_rng(0)) is None


def test_one_seed_gives_the_same_sample(write_cache: Cache) -> None:
    cache = write_cache(TEXTS, VARIANTS)
    timeline, label = timeline_of(cache, Masking()), read_labels(cache)[2]
    one, two, other = (timeline.sample(label, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert all(np.array_equal(getattr(one, name), getattr(two, name)) for name in ("states", "target", "shown", "masked"))
    assert not np.array_equal(one.shown, other.shown)


# ---- batches


def random_labels(count: int) -> list[Label]:
    rng = np.random.default_rng(0)
    empty = (np.zeros(1, np.int64), np.zeros((1, SOFT), np.int64), np.zeros((1, SOFT), np.float32))
    return [Label(f"u{i}", "", empty[0], np.array([rng.uniform(20, 1200)]), *empty[1:]) for i in range(count)]


@pytest.mark.parametrize("frames", [100, 4000, 10**6])
def test_an_epoch_holds_each_label_once(frames: int) -> None:
    labels = random_labels(100)
    groups = list(batches(labels, frames, np.random.default_rng(1)))
    assert sorted(label.id for group in groups for label in group) == sorted(label.id for label in labels)
    for group in groups:
        assert group
        assert len(group) == 1 or len(group) * (max(label.centre[-1] for label in group) + 50) <= frames


def test_epochs_differ() -> None:
    labels = random_labels(100)
    first, second = ([[label.id for label in group] for group in batches(labels, 8000, np.random.default_rng(s))] for s in (1, 2))
    assert first != second
    assert {frozenset(group) for group in first} != {frozenset(group) for group in second}


def test_batches_hold_like_lengths_so_that_little_is_padding() -> None:
    labels = random_labels(400)
    real = sum(label.centre[-1] for label in labels)
    groups = batches(labels, 8000, np.random.default_rng(1))
    padded = sum(len(group) * max(label.centre[-1] for label in group) for group in groups)
    assert padded < 1.25 * real
