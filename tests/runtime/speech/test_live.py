"""Live captions: the promises of `unmask.speech.events` on random speech, blocks and models, and captions of a real voice."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask import (
    AudioError,
    Captioner,
    Event,
    InputError,
    LiveCaptioner,
    LiveOptions,
    Schedule,
    SpeechOptions,
    Word,
    captions,
    load_bundle,
)
from unmask.decoding.draft import Draft
from unmask.speech import live as live_captions
from unmask.speech.captioner import Decoded, Segment
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

Samples = NDArray[np.float32]
SPEECH = SpeechOptions(pause_s=0.1, end_s=0.2, preroll_s=0.1, longest_s=4, long_s=3)


class Loudness:
    """A detector that takes every loud frame for speech, so that a test can choose its answers."""

    frame_samples = 512

    def reset(self) -> None: ...

    def __call__(self, frame: Samples) -> float:
        assert frame.shape == (512,)
        return float(np.abs(frame).max() > 0.05)


@pytest.fixture(scope="module")
def tiny(fp32_bundle: Path) -> Captioner:
    return Captioner(load_bundle(fp32_bundle)).load()


def talk(seed: int, seconds: float = 6.0) -> Samples:
    """Noise that alternates between loud and quiet."""
    rng = np.random.default_rng(seed)
    parts, total = [], 0
    while total < seconds * SAMPLE_RATE_HZ:
        length, loud = int(rng.uniform(0.05, 1.5) * SAMPLE_RATE_HZ), rng.choice([0.0, 0.01, 0.3])
        parts.append((rng.standard_normal(length) * loud).astype(np.float32))
        total += length
    return np.concatenate(parts)


def blocks(samples: Samples, seed: int) -> Iterator[Samples]:
    rng, at = np.random.default_rng(seed), 0
    while at < len(samples):
        size = int(rng.choice([0, 1, 500, 1600, 8000, 40_000]))
        yield samples[at : at + size]
        at += size


def run(live: LiveCaptioner, samples: Samples, seed: int, drops: bool = False) -> list[Event]:
    rng, events = np.random.default_rng(seed), list[Event]()
    for block in blocks(samples, seed):
        events += live.feed(block)
        if drops and rng.random() < 0.1:
            events += live.drop(float(rng.uniform(0.01, 3)))
    return events + live.flush()


def check_promises(events: list[Event]) -> None:
    open_: Event | None = None
    last, time_s = 0, 0.0
    for event in events:
        assert event.time_s >= time_s
        time_s = event.time_s
        assert event.text.startswith(event.stable)
        assert event.stable_words <= len(event.words)
        for word in event.words:
            assert event.start_s - 1e-3 <= word.start_s <= word.end_s <= event.end_s + 1e-3
        if event.event == "segment_started":
            assert open_ is None
            assert event.segment == last + 1
            open_, last = event, event.segment
        elif event.event == "dropped":
            assert open_ is None
            assert event.dropped_s > 0
        else:
            assert open_ is not None
            assert event.segment == last
            assert event.stable.startswith(open_.stable)
            assert event.stable_words >= open_.stable_words
            assert event.start_s == open_.start_s
            open_ = event
            if event.event == "segment_ended":
                assert event.tentative == ""
                assert event.stable_words == len(event.words)
                open_ = None
    assert open_ is None


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), stability=st.sampled_from([0.0, 0.5, 1.0]), drops=st.booleans(), drafts=st.booleans())
@example(seed=7395, stability=0.0, drops=False, drafts=False)  # a token ends within a letter that the next one completes
def test_promises_hold_on_any_stream(tiny: Captioner, seed: int, stability: float, drops: bool, drafts: bool) -> None:
    options = LiveOptions(stability=stability, update_s=0.1, drafts=drafts, speech=SPEECH)
    live = LiveCaptioner(tiny, Loudness(), options, clock=lambda: 0.0)
    check_promises(run(live, talk(seed), seed, drops))


def test_segments_follow_speech_and_do_not_overlap(tiny: Captioner) -> None:
    rng = np.random.default_rng(3)
    loud = lambda seconds: (rng.standard_normal(int(seconds * SAMPLE_RATE_HZ)) * 0.3).astype(np.float32)  # noqa: E731
    quiet = np.zeros(SAMPLE_RATE_HZ, np.float32)
    samples = np.concatenate([quiet, loud(1), quiet, loud(2), quiet])
    live = LiveCaptioner(tiny, Loudness(), LiveOptions(speech=SPEECH))
    ended = [e for e in run(live, samples, 0) if e.event == "segment_ended"]
    assert len(ended) == 2
    for event, (start_s, stop_s) in zip(ended, [(1, 2), (3, 5)], strict=True):
        assert start_s - 0.2 < event.start_s < start_s  # the pre-roll
        assert stop_s < event.end_s < stop_s + 0.3


class Watched(Captioner):
    """Records what it is asked to decode."""

    def decode(self, segment: Segment, schedule: Schedule | None = None, draft: Draft | None = None) -> Decoded:  # type: ignore[override]
        assert draft is not None
        reading = super().decode(segment, schedule, draft)
        self.asked.append((segment.audio_s, draft, reading))
        return reading


@pytest.mark.parametrize("context_s", [0.0, 2.5, 8.0])
def test_segments_just_before_are_read_along_and_stay_as_they_are(fp32_bundle: Path, context_s: float) -> None:
    rng = np.random.default_rng(3)
    loud = lambda seconds: (rng.standard_normal(int(seconds * SAMPLE_RATE_HZ)) * 0.3).astype(np.float32)  # noqa: E731
    quiet = np.zeros(SAMPLE_RATE_HZ, np.float32)
    watched = Watched(load_bundle(fp32_bundle))
    watched.asked = list[tuple[float, Draft, Decoded]]()
    live = LiveCaptioner(watched, Loudness(), LiveOptions(speech=SPEECH, context_s=context_s))
    events = run(live, np.concatenate([loud(1), quiet, loud(1.5), quiet, loud(2), quiet]), 0)
    check_promises(events)
    *before, last = (e for e in events if e.event == "segment_ended")
    audio_s, known, reading = watched.asked[-1]
    context = [e for e in before if e.start_s >= last.start_s - context_s]
    assert len(context) == {0.0: 0, 2.5: 1, 8.0: 2}[context_s]
    first_s = context[0].start_s if context else last.start_s
    assert audio_s == pytest.approx(last.end_s - first_s, abs=0.2)
    said = watched.tokenizer.decode(known.ids[: known.final].tolist())
    assert [e.text for e in context if e.text not in said] == []
    np.testing.assert_array_equal(known.ids[: known.final], reading.text.ids[: known.final])
    assert watched.tokenizer.decode(reading.text.ids.tolist()).strip().endswith(last.text)


def test_a_pause_finds_its_text_read(fp32_bundle: Path) -> None:
    """Soon after the speech an update reads it; at the pause everything becomes stable without another pass."""
    watched = Watched(load_bundle(fp32_bundle))
    watched.asked = list[tuple[float, Draft, Decoded]]()
    live = LiveCaptioner(watched, Loudness(), LiveOptions(update_s=5), clock=lambda: 0.0)
    loud = (np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ) * 0.3).astype(np.float32)
    samples = np.concatenate((loud, np.zeros(SAMPLE_RATE_HZ // 2, np.float32)))
    events = [event for i in range(0, len(samples), 512) for event in live.feed(samples[i : i + 512])]
    assert len(watched.asked) == 1
    _, read, settled = events
    assert [e.event for e in events] == ["segment_started", "updated", "updated"]
    assert read.time_s == pytest.approx(1.06, abs=0.04)
    assert settled.time_s == pytest.approx(1.19, abs=0.04)
    assert (settled.text, settled.passes) == (read.text, 0)
    assert settled.stable_words == len(settled.words) > 0


def test_hypotheses_agree_on_words_whatever_ends_after_them() -> None:
    said = [live_captions._bare(Word(text, 0, 1, 1)) for text in ("Home.", "home,", "home", "homes", "--", "...")]
    assert said == ["home", "home", "home", "homes", "--", "..."]


def test_long_speech_is_cut_and_all_of_it_is_heard(tiny: Captioner) -> None:
    samples = (np.random.default_rng(0).standard_normal(15 * SAMPLE_RATE_HZ) * 0.3).astype(np.float32)
    quiet_at = [3.0, 6.1, 9.5]
    for at_s in quiet_at:  # loud enough to stay speech
        samples[int((at_s - 0.15) * SAMPLE_RATE_HZ) : int((at_s + 0.15) * SAMPLE_RATE_HZ)] *= 0.4
    events = run(LiveCaptioner(tiny, Loudness(), LiveOptions(speech=SPEECH, stability=1)), samples, 1)
    check_promises(events)
    ended = [e for e in events if e.event == "segment_ended"]
    assert ended[0].start_s == 0
    assert ended[-1].end_s == pytest.approx(15)
    for before, after in pairwise(ended):
        assert after.start_s == before.end_s
    assert max(e.end_s - e.start_s for e in ended) <= SPEECH.longest_s + 0.1


def test_a_drop_ends_the_segment_and_moves_the_clock(tiny: Captioner) -> None:
    live = LiveCaptioner(tiny, Loudness(), LiveOptions(speech=SPEECH))
    samples = (np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ) * 0.3).astype(np.float32)
    live.feed(samples)
    ended, dropped = live.drop(2.5)
    assert (ended.event, dropped.event) == ("segment_ended", "dropped")
    assert (dropped.start_s, dropped.end_s, dropped.dropped_s) == (1.0, 3.5, 2.5)
    started = live.feed(samples)[0]
    assert started.start_s >= 3.5
    assert live.time_s == 4.5


def test_reset_begins_a_new_stream(tiny: Captioner) -> None:
    live = LiveCaptioner(tiny, Loudness(), LiveOptions(speech=SPEECH), clock=lambda: 0.0)
    first = run(live, talk(5), 5)
    live.feed(talk(9))
    live.reset()
    assert run(live, talk(5), 5) == first


@pytest.mark.parametrize("spoken_s", [0, 2])
def test_memory_does_not_grow_with_the_stream(tiny: Captioner, spoken_s: int) -> None:
    live = LiveCaptioner(tiny, Loudness(), LiveOptions(speech=SPEECH))
    live.feed((np.random.default_rng(0).standard_normal(spoken_s * SAMPLE_RATE_HZ) * 0.3).astype(np.float32))
    for _ in range(60):
        live.feed(np.zeros(SAMPLE_RATE_HZ, np.float32))
    assert len(live._audio) < SAMPLE_RATE_HZ


def test_silence_says_nothing_and_computes_nothing(tiny: Captioner) -> None:
    live = LiveCaptioner(tiny, Loudness())
    assert run(live, np.zeros(5 * SAMPLE_RATE_HZ, np.float32), 0) == []


@pytest.mark.parametrize("samples", [np.zeros((2, 5), np.float32), np.zeros(5, np.int16), np.full(5, np.nan, np.float32)])
def test_bad_samples_are_refused_and_the_stream_goes_on(tiny: Captioner, samples: NDArray[np.generic]) -> None:
    live = LiveCaptioner(tiny, Loudness())
    with pytest.raises(AudioError, match="one row of finite floats"):
        live.feed(samples)  # type: ignore[arg-type]
    assert live.feed(np.zeros(1600, np.float32)) == []
    assert live.time_s == 0.1


@pytest.mark.parametrize("wrong", [{"stability": 2}, {"update_s": 0}, {"context_s": 30}])
def test_options_that_make_no_sense_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        LiveOptions(**wrong)


def test_the_pace_follows_what_an_update_cost(tiny: Captioner) -> None:
    """Each update takes two seconds on the clock, so the next one comes three seconds of audio later."""
    ticks = iter(range(0, 1000, 2))
    long = SpeechOptions(longest_s=24, long_s=24)
    live = LiveCaptioner(tiny, Loudness(), LiveOptions(update_s=0.2, speech=long), clock=lambda: float(next(ticks)))
    samples = (np.random.default_rng(0).standard_normal(14 * SAMPLE_RATE_HZ) * 0.3).astype(np.float32)
    at_s = [e.time_s for i in range(0, len(samples), 1600) for e in live.feed(samples[i : i + 1600]) if e.event == "updated"]
    assert len(at_s) > 3
    assert np.diff(at_s).min() >= 2.9


def test_events_are_json_lines(tiny: Captioner) -> None:
    for event in run(LiveCaptioner(tiny, Loudness(), LiveOptions(speech=SPEECH)), talk(5), 5):
        line = event.json()
        assert "\n" not in line
        record = json.loads(line)
        assert (record["event"], record["segment"], record["stable"], record["tentative"]) == (
            event.event,
            event.segment,
            event.stable,
            event.tentative,
        )


def test_the_asynchronous_form_says_the_same(tiny: Captioner) -> None:
    samples = talk(5)

    async def source() -> AsyncIterator[Samples]:
        for i in range(0, len(samples), 1600):
            yield samples[i : i + 1600]

    async def collect() -> list[Event]:
        live = LiveCaptioner(tiny, Loudness(), LiveOptions(speech=SPEECH), clock=lambda: 0.0)
        return [event async for event in captions(live, source())]

    live = LiveCaptioner(tiny, Loudness(), LiveOptions(speech=SPEECH), clock=lambda: 0.0)
    expected = [e for i in range(0, len(samples), 1600) for e in live.feed(samples[i : i + 1600])] + live.flush()
    assert asyncio.run(collect()) == expected


def test_updates_come_as_often_as_asked_whatever_the_blocks(tiny: Captioner) -> None:
    """Frames of 32 ms do not divide blocks of 100 ms; an update still comes with every third block, not with every fourth."""
    samples = (np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE_HZ) * 0.3).astype(np.float32)
    live = LiveCaptioner(tiny, Loudness(), LiveOptions(update_s=0.3, speech=SPEECH), clock=lambda: 0.0)
    times = [e.time_s for i in range(0, len(samples), 1600) for e in live.feed(samples[i : i + 1600]) if e.event == "updated"]
    assert np.diff(times).max() < 0.31
