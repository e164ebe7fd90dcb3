"""Samples show a canvas and a text that agree with their label and their sound; an epoch holds each label once."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, groupby
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.speech.log_mel import SAMPLE_RATE_HZ, log_mel
from unmask.training.augment import Augment
from unmask.training.captions.prepare import SOFT
from unmask.training.captions.timeline import (
    BLANK,
    FRAME_SAMPLES,
    Label,
    Masking,
    Sample,
    SampleMaker,
    Spelling,
    batches,
    label_of,
    read_labels,
    wordless,
)

PER, MASK = 8, 257
QUIET = Augment(speed_share=0, noise_share=0, room_share=0, gain_db=(0, 0), hide_share=0)
NONE = Masking(full=0, span=0, corrupt=0, crop=0, cut_silence=0, errors=0, augment=QUIET)
TEXTS = ["turn it off", "a", "what is the time"]
Cache = Callable[..., Path]
Listen = Callable[..., list[int]]


def draws(timeline: SampleMaker, labels: list[Label], count: int = 25) -> Iterator[tuple[Label, Sample]]:
    for seed in range(count):
        rng = np.random.default_rng(seed)
        for label in labels:
            sample = timeline.sample(label, rng)
            if sample is not None:
                yield label, sample


def timeline_of(cache: Path, masking: Masking) -> SampleMaker:
    return SampleMaker(cache, PER, MASK, masking)


def told(sample: Sample, heard: list[int]) -> list[bool]:
    """For each token on the canvas, whether it is heard in its slot."""
    return [int(sample.target[slot]) in heard[PER * slot : PER * (slot + 1)] for slot in np.flatnonzero(sample.target)]


def without_repeats(ids: list[int]) -> list[int]:
    return [token for token, _ in groupby(ids)]


def spoken(heard: list[int]) -> list[int]:
    """The tokens that last; between two of them a frame holds something of both."""
    return [token for token, frames in groupby(heard) if token and len(list(frames)) > 4]


# ---- labels


def test_center_is_in_the_first_fifth_of_a_second(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache(["ab"])
    row = json.loads((cache / "labels.jsonl").read_text(encoding="utf-8"))
    row["first"] = [3, 7, 50, 52]
    (cache / "labels.jsonl").write_text(json.dumps(row), encoding="utf-8")
    center = read_labels(cache, tokenizer)[0].center
    assert center is not None
    assert center.tolist() == [5, 12, 51]


def test_labels_know_their_words_and_their_length(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache(TEXTS, ["No times."])
    labels = read_labels(cache, tokenizer)
    assert [label.text for label in labels] == [*TEXTS, "No times."]
    timeline = timeline_of(cache, NONE)
    for label in labels:
        assert tokenizer.decode(label.ids.tolist()) == " " + label.text
        words = [tokenizer.decode(label.ids[label.words == word].tolist()) for word in range(label.words.max() + 1)]
        assert words == [" " + word for word in label.text.split()]
        samples = len(timeline.audio[label.id])
        assert (label.frames - 1) * FRAME_SAMPLES < samples <= label.frames * FRAME_SAMPLES


def test_label_without_times_has_no_soft_targets(tokenizer: Tokenizer) -> None:
    row = {"id": "x", "text": "Hm.", "ids": [5, 6], "first": None, "soft_ids": None, "soft": None}
    label = label_of(row, 50, tokenizer)
    assert label.center is None
    assert label.soft_ids.shape == label.soft.shape == (2, SOFT)
    assert not label.soft.any()


def test_clean_is_the_recording_and_a_second_of_silence(write_cache: Cache, tokenizer: Tokenizer) -> None:
    timeline, labels = timeline_of(cache := write_cache(TEXTS), NONE), read_labels(cache, tokenizer)
    for label in labels:
        samples, mel = timeline.audio[label.id], timeline.clean(label)
        frames = mel.shape[1] // 2
        assert frames % PER == 0
        assert 0 <= frames * FRAME_SAMPLES - len(samples) - SAMPLE_RATE_HZ < PER * FRAME_SAMPLES
        np.testing.assert_array_equal(mel, log_mel(np.pad(samples, (0, frames * FRAME_SAMPLES - len(samples)))))


# ---- canvases


@pytest.mark.parametrize(
    "masking",
    [Masking(), NONE, replace(NONE, full=1), replace(NONE, span=1), replace(NONE, corrupt=1), replace(NONE, crop=1, corrupt=1)],
)
def test_sample_agrees_with_itself(write_cache: Cache, tokenizer: Tokenizer, masking: Masking) -> None:
    cache = write_cache(TEXTS)
    for _, s in draws(timeline_of(cache, masking), read_labels(cache, tokenizer)):
        slots = len(s.target)
        assert s.mel.shape == (80, 2 * PER * slots)
        assert s.mel.dtype == np.float32
        assert np.isfinite(s.mel).all()
        assert s.shown.shape == s.masked.shape == (slots,)
        assert s.soft_ids.shape == s.soft.shape == (slots, SOFT)
        assert s.timed
        np.testing.assert_array_equal(s.tokens, s.target[s.target != BLANK])
        np.testing.assert_array_equal(s.shown[~s.masked], s.target[~s.masked])
        assert (s.shown[s.masked] != s.target[s.masked]).all()
        wrong = s.masked & (s.shown != MASK)
        assert (s.target[wrong] != BLANK).all()
        assert (s.shown[wrong, None] == s.soft_ids[wrong]).any(1).all()
        assert not s.soft[s.target == BLANK].any()
        assert (s.soft_ids[s.target != BLANK, 0] == s.target[s.target != BLANK]).all()


def test_each_kind_of_mask_is_drawn_as_asked(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache(TEXTS[:1])
    labels = read_labels(cache, tokenizer)

    def seen(**shares: float) -> list[Sample]:
        return [s for _, s in draws(timeline_of(cache, replace(NONE, **shares)), labels, 60)]

    assert all(s.masked.all() and (s.shown == MASK).all() for s in seen(full=1))
    for s in seen(span=1):
        at = np.flatnonzero(s.masked)
        assert (np.diff(at) == 1).all()
        assert 1 <= len(at) <= len(s.masked) / 2
    rates = [s.masked.mean() for s in seen()]
    assert min(rates) < 0.3 < 0.8 < max(rates)
    assert all((s.shown[s.masked] == MASK).all() for s in seen())
    assert any((s.shown[s.masked] != MASK).any() for s in seen(corrupt=1))


def test_a_wrong_token_is_never_the_target(write_cache: Cache, tokenizer: Tokenizer) -> None:
    """The transcript's token may be the teacher's second guess; shown in its place, it would not be wrong."""
    cache = write_cache(TEXTS)
    labels = [replace(label, soft_ids=label.soft_ids[:, [1, 0, *range(2, SOFT)]]) for label in read_labels(cache, tokenizer)]
    for _, s in draws(timeline_of(cache, replace(NONE, span=1, corrupt=1)), labels, 60):
        assert (s.shown[s.masked] != s.target[s.masked]).all()


def test_all_tokens_stand_in_order_where_they_are_heard(write_cache: Cache, tokenizer: Tokenizer, listen: Listen) -> None:
    cache = write_cache(TEXTS)
    for label, s in draws(timeline_of(cache, NONE), read_labels(cache, tokenizer), 8):
        assert s.target[s.target != BLANK].tolist() == label.ids.tolist()
        assert all(told(s, listen(s.mel)))


@pytest.mark.parametrize("speed", [0.88, 1.14])
def test_times_follow_the_speed(write_cache: Cache, tokenizer: Tokenizer, listen: Listen, speed: float) -> None:
    cache = write_cache(TEXTS)
    masking = replace(NONE, augment=replace(QUIET, speed_share=1, speed=(speed, speed)))
    for label, s in draws(timeline_of(cache, masking), read_labels(cache, tokenizer), 4):
        assert s.tokens.tolist() == label.ids.tolist()
        assert all(told(s, listen(s.mel, speed)))


def test_slots_begin_at_many_places_and_silence_varies(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache(TEXTS[:1])
    samples = [s for _, s in draws(timeline_of(cache, NONE), read_labels(cache, tokenizer))]
    assert len({len(s.target) for s in samples}) > 3
    assert len({tuple(np.flatnonzero(s.target)) for s in samples}) > 3


def test_crops_keep_whole_words(write_cache: Cache, tokenizer: Tokenizer, listen: Listen) -> None:
    """A word is in the text when its middle is in the window: then at least about half of it is heard, else at most that."""
    cache = write_cache(["turn flag chips mowed"])  # no letter twice
    label = read_labels(cache, tokenizer)[0]
    words = [label.ids[label.words == word].tolist() for word in range(4)]
    stretches = {tuple(chain(*words[a:b])): (a, b) for a in range(4) for b in range(a + 1, 5)} | {(): (0, 0)}
    kept, right = set(), list[bool]()
    for _, s in draws(timeline_of(cache, replace(NONE, crop=1)), [label], 40):
        first, last = stretches[tuple(s.tokens.tolist())]
        kept.add((first, last))
        heard = listen(s.mel)
        right += told(s, heard)
        for number, word in enumerate(words):
            frames = sum(heard.count(letter) for letter in word[1:]) / (10 * len(word[1:]))
            assert frames > 0.3 if first <= number < last else frames < 0.7
    assert np.mean(right) > 0.8  # the letters of a word cut in half move together
    assert {0, 1} <= {first for first, _ in kept}
    assert {3, 4} <= {last for _, last in kept}


def test_silence_after_a_cut_is_silent_and_holds_no_token(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache(["turn flag chips mowed"])
    seen = 0
    for _, s in draws(timeline_of(cache, replace(NONE, crop=1, cut_silence=1)), read_labels(cache, tokenizer), 10):
        silent = s.mel[:, -2 * PER * 4 :]  # a frame or two before them hear the speech
        if len(s.target) >= 14:
            seen += 1
            assert np.ptp(silent) == 0
            assert silent[0, 0] == s.mel.min()
            assert not s.target[-5:].any()
    assert seen > 3


def test_tokens_that_do_not_fit_give_no_sample(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache(["a"])
    label, many = read_labels(cache, tokenizer)[0], 40
    arrays = {name: np.repeat(getattr(label, name)[:1], many, 0) for name in ("ids", "words", "soft_ids", "soft")}
    crowded = replace(label, center=np.full(many, 30.0), **arrays)
    timeline = timeline_of(cache, NONE)
    assert timeline.sample(label, np.random.default_rng(0)) is not None
    assert timeline.sample(crowded, np.random.default_rng(0)) is None


def test_one_seed_gives_the_same_sample(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache(TEXTS)
    timeline, label = timeline_of(cache, Masking()), read_labels(cache, tokenizer)[2]
    one, two, other = (timeline.sample(label, np.random.default_rng(seed)) for seed in (5, 5, 6))
    names = ("mel", "target", "shown", "masked", "before", "after")
    assert all(np.array_equal(getattr(one, name), getattr(two, name)) for name in names)
    assert not np.array_equal(one.mel, other.mel)
    assert not np.array_equal(one.shown, other.shown)


# ---- without times, without words


@pytest.mark.parametrize("masking", [Masking(augment=QUIET), replace(NONE, crop=1, corrupt=1), replace(NONE, span=1)])
def test_untimed_recordings_are_fully_masked_and_never_cut(
    write_cache: Cache, tokenizer: Tokenizer, listen: Listen, masking: Masking
) -> None:
    cache = write_cache([], ["Turn it off.", "What is the time?"])
    for label, s in draws(timeline_of(cache, masking), read_labels(cache, tokenizer), 6):
        assert not s.timed
        assert s.masked.all()
        assert (s.shown == MASK).all()
        assert (s.target == BLANK).all()
        assert not s.soft.any()
        assert s.tokens.tolist() == label.ids.tolist()
        assert spoken(listen(s.mel)) == without_repeats(label.ids.tolist())


def test_untimed_tokens_need_a_slot_each_and_one_between_equals(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache([], ["a"])
    label, timeline = read_labels(cache, tokenizer)[0], timeline_of(cache, NONE)
    for seed in range(12):
        slots = len(timeline.sample(label, np.random.default_rng(seed)).target)

        def fits(ids: NDArray[np.int64], seed: int = seed) -> bool:
            words, tables = (
                np.zeros(len(ids), int),
                {"soft_ids": np.zeros((len(ids), SOFT), int), "soft": np.zeros((len(ids), SOFT), "f")},
            )
            changed = replace(label, ids=ids, words=words, **tables)
            return timeline.sample(changed, np.random.default_rng(seed)) is not None

        assert fits(np.arange(1, slots + 1))
        assert not fits(np.arange(1, slots + 2))
        assert fits(np.full((slots + 1) // 2, 7))
        assert not fits(np.full((slots + 1) // 2 + 1, 7))


def test_noise_has_nothing_to_write(write_cache: Cache) -> None:
    cache = write_cache(["a"], noises=2)
    labels = wordless(cache)
    assert [(label.id, label.text, label.frames) for label in labels] == [("hiss-0", "", 100), ("hiss-1", "", 150)]
    for _, s in draws(timeline_of(cache, Masking()), labels, 10):
        assert s.timed  # it is known that nothing is said, and when
        assert (s.target == BLANK).all()
        assert (len(s.tokens), len(s.before), s.after.tolist()) == (0, 0, [BLANK])
        assert s.mel.shape == (80, 2 * PER * len(s.target))


# ---- the verifier's text


def follows(tokens: list[int], before: list[int], after: list[int]) -> bool:
    """Whether `after` always says the right next token of a text that was read as `before`.

    After a right token comes the next one; a wrong one was either read in place of the right one, or too much, or it is
    the token after that, and the right one was left out.
    """
    at = {0}
    for read, right in zip(before, after, strict=False):
        at = {i for i in at if i < len(tokens) and tokens[i] == right}
        skipped = {i + 2 for i in at if tokens[i + 1 : i + 2] == [read]}
        at = {i + 1 for i in at} if read == right else at | {i + 1 for i in at} | skipped
    return len(after) == len(before) + 1 and len(tokens) in at and after[-1] == BLANK


def test_text_without_errors_is_read_as_it_is(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache(TEXTS, ["Untimed text."])
    for _, s in draws(timeline_of(cache, replace(NONE, crop=0.5)), read_labels(cache, tokenizer), 8):
        assert s.before.tolist() == s.tokens.tolist()
        assert s.after.tolist() == [*s.tokens.tolist(), BLANK]


def check_errors(timeline: SampleMaker, labels: list[Label]) -> None:
    changed, longer = list[bool](), set[int]()
    for _, s in draws(timeline, labels, 60):
        tokens, before, after = s.tokens.tolist(), s.before.tolist(), s.after.tolist()
        assert BLANK not in before
        assert follows(tokens, before, after), (tokens, before, after)
        changed.append(before != tokens)
        longer.add(int(np.sign(len(before) - len(tokens))))
    assert np.mean(changed) > 0.7
    assert longer == {-1, 0, 1}


def test_right_next_token_is_known_after_errors(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache(["turn it on", "a", "what is the time"])
    labels = [replace(label, soft_ids=label.soft_ids[:, [1, *range(1, SOFT)]]) for label in read_labels(cache, tokenizer)]
    check_errors(timeline_of(cache, replace(NONE, errors=1, error_rate=1)), labels)


@pytest.mark.parametrize("texts", [(["turn it on"], []), (["aaaa aaaa"], []), ([], ["Turn it on."])])
def test_an_error_is_never_the_right_token(write_cache: Cache, tokenizer: Tokenizer, texts: tuple[list[str], list[str]]) -> None:
    """The teacher's first guess mostly is the token itself, and a text may say one token twice."""
    cache = write_cache(*texts)
    check_errors(timeline_of(cache, replace(NONE, errors=1, error_rate=1)), read_labels(cache, tokenizer))


def test_errors_come_at_the_asked_rate(write_cache: Cache, tokenizer: Tokenizer) -> None:
    cache = write_cache(TEXTS)
    labels = read_labels(cache, tokenizer)
    few, many = (
        [float(np.mean(s.after[:-1] != s.before)) for _, s in draws(timeline_of(cache, replace(NONE, errors=share)), labels, 40)]
        for share in (0.0, 1.0)
    )
    assert max(few) == 0
    assert 0.01 < np.mean(many) < NONE.error_rate


# ---- batches


def random_labels(count: int) -> list[Label]:
    rng, one = np.random.default_rng(0), np.zeros(1, np.int64)
    tables = np.zeros((1, SOFT), np.int64), np.zeros((1, SOFT), np.float32)
    spelling = Spelling(one, one, tables[0])
    return [Label(f"u{i}", "", int(rng.integers(20, 1200)), one, one, np.ones(1), *tables, spelling) for i in range(count)]


@pytest.mark.parametrize("frames", [100, 4000, 10**6])
def test_an_epoch_holds_each_label_once(frames: int) -> None:
    labels = random_labels(100)
    groups = list(batches(labels, frames, np.random.default_rng(1)))
    assert sorted(label.id for group in groups for label in group) == sorted(label.id for label in labels)
    for group in groups:
        assert group
        assert len(group) == 1 or len(group) * max(label.frames for label in group) <= frames


def test_epochs_differ() -> None:
    labels = random_labels(100)
    first, second = ([[label.id for label in group] for group in batches(labels, 8000, np.random.default_rng(s))] for s in (1, 2))
    assert first != second
    assert {frozenset(group) for group in first} != {frozenset(group) for group in second}


def test_batches_hold_like_lengths_so_that_little_is_padding() -> None:
    labels = random_labels(400)
    real = sum(label.frames for label in labels)
    groups = batches(labels, 8000, np.random.default_rng(1))
    padded = sum(len(group) * max(label.frames for label in group) for group in groups)
    assert padded < 1.25 * real
