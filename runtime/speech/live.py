"""Live captions: takes samples as they arrive and returns events.

A voice activity detector processes the audio frame by frame. While somebody speaks, each update encodes the segment so far again,
with the segments just before it if asked. Stable text is given, the text of the previous update is the draft, and the captioner
drafts the new part and settles the text.
Knows samples and events. Knows no microphone, no file and no screen. Holds the state of one stream, which the caller owns.
"""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.schedule import Schedule
from unmask.errors import AudioError, InputError
from unmask.speech.captioner import SILENCE_PEAK, Captioner, Decoded
from unmask.speech.endpointing import Endpointer, SpeechOptions, Vad
from unmask.speech.events import Event, Kind
from unmask.speech.heard_times import heard_times
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.split_audio import quietest
from unmask.speech.stability import StabilityPolicy, agreements, stable_words
from unmask.speech.words import TimedTokens, Word

Samples = NDArray[np.float32]
PART_OF_A_LETTER = "\N{REPLACEMENT CHARACTER}"  # an incomplete UTF-8 character is decoded to this
REREAD_S = 0.8  # each update decodes the previous one's last 0.8 s again, where a word may have been cut off
WIDEST_S = 20.0  # most audio that an update encodes, unless the segment alone is longer
SOON_S = 0.06  # of silence: an update then has heard the last word to its end, and leaves nothing to do at the pause
REST = 1.5  # an update waits for at least this many times the previous one's duration, so that updates cannot pile up
NOTHING = TimedTokens(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.float32))


@dataclass(frozen=True)
class LiveOptions:
    """How a stream is captioned. Checked on construction; raises InputError that names the option."""

    stability: float = 0.5
    """When text becomes stable: from 0 (soon) to 1 (later, with fewer mistakes)."""
    update_s: float = 0.35
    """Seconds of audio between two updates; more if the machine is too slow for that."""
    context_s: float = 0.0
    """Seconds of earlier speech, in whole segments, that each update decodes again as context. 0: none."""
    drafts: bool = True
    """Start each update from the text of the previous one."""
    speech: SpeechOptions = field(default_factory=SpeechOptions)
    schedule: Schedule | None = None
    """How each canvas is filled. If unset, the bundle's schedule for captions."""

    def __post_init__(self) -> None:
        StabilityPolicy.of(self.stability)
        if not 0.05 <= self.update_s <= 5:
            raise InputError(f"update_s is {self.update_s}; it must be between 0.05 and 5")
        if not 0 <= self.context_s <= WIDEST_S:
            raise InputError(f"context_s is {self.context_s}; it must be between 0 and {WIDEST_S:g}")


@dataclass
class _OpenSegment:
    start: int  # index of its first sample in the stream
    heard: int  # index of the sample at which the audio of the last update ended
    text: TimedTokens = NOTHING
    settled: int = 0  # number of tokens that are stable
    words: tuple[Word, ...] = ()
    stable: int = 0  # number of words that are stable
    counts: list[int] = field(default_factory=list)  # for each word, the number of hypotheses that agree on it
    quiet: bool = False  # all text is stable, and only silence has come since


class LiveCaptioner:
    """Captions one stream. `feed` takes samples as they arrive, `flush` ends the stream, and `reset` starts another one.

    Not thread-safe, but successive calls may come from different threads. clock: returns seconds; only differences matter.
    """

    def __init__(
        self,
        captioner: Captioner,
        vad: Vad,
        options: LiveOptions | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.captioner, self.options = captioner, options or LiveOptions()
        self._vad, self._clock = vad, clock
        self._policy = StabilityPolicy.of(self.options.stability)
        self._gate = Endpointer(self.options.speech, vad.frame_samples / SAMPLE_RATE_HZ)
        self.reset()

    def reset(self) -> None:
        """Forget the stream. An open segment gets no further event."""
        self._vad.reset()
        self._gate.reset()
        self._audio = np.zeros(0, np.float32)  # the stream from sample `_kept` on; the detector has processed `_heard` samples
        self._kept = self._heard = 0
        self._segment: _OpenSegment | None = None
        self._past: list[_OpenSegment] = []  # ended segments whose audio is still kept as context
        self._ended = 0  # index of the sample at which the last segment ended
        self._number, self._cost_s = 0, 0.0

    @property
    def time_s(self) -> float:
        """Seconds of audio received so far, including dropped audio."""
        return (self._kept + len(self._audio)) / SAMPLE_RATE_HZ

    def feed(self, samples: Samples) -> list[Event]:
        """Process the samples that arrived since the last call. Makes at most one update, besides those at pauses and ends.

        samples: (N,) float32 in [-1, 1] at 16 kHz, of any length. Raises AudioError for another shape or dtype, or values that
        are not finite; the stream can continue after that.
        """
        if samples.ndim != 1 or samples.dtype.kind != "f" or not np.isfinite(samples).all():
            raise AudioError(f"live audio is one row of finite floats in [-1, 1]; this is {samples.dtype} {samples.shape}")
        self._audio = np.concatenate([self._audio, samples.astype(np.float32, copy=False)])
        events: list[Event] = []
        size = self._vad.frame_samples
        while self._kept + len(self._audio) - self._heard >= size:
            events += self._hear(self._vad(self._between(self._heard, self._heard + size)))
        if self._segment is not None and not self._segment.quiet and self._due(self._segment):
            events.append(self._update(self._segment))
        return events

    def _due(self, segment: _OpenSegment) -> bool:
        """Whether an update comes now: in speech at the pace, and once soon after it, so that a pause finds all text read."""
        since, rest = self._heard - segment.heard, _samples(REST * self._cost_s)
        silent = _samples(self._gate.silent_s)
        if silent:
            return silent >= _samples(SOON_S) and since > silent and since >= rest
        # Whole frames, rounded down: rounded up, updates every 0.3 s would come every 0.4 s with blocks of 100 ms.
        size = self._vad.frame_samples
        return since >= max(_samples(self.options.update_s), rest) // size * size

    def flush(self) -> list[Event]:
        """End an open segment with all audio received so far."""
        events: list[Event] = []
        self._heard = self._kept + len(self._audio)
        if self._segment is not None:
            events = self._end(self._segment, self._heard)
        self._gate.reset()
        self._vad.reset()
        return events

    def drop(self, seconds: float) -> list[Event]:
        """Report that audio was lost after the samples fed so far. An open segment ends; the stream continues after the gap.

        Raises InputError unless `seconds` is finite and above 0.
        """
        if not 0 < seconds < float("inf"):
            raise InputError(f"{seconds} s cannot be dropped; it must be above 0")
        events = self.flush()
        self._kept += len(self._audio) + round(seconds * SAMPLE_RATE_HZ)
        self._heard = self._ended = self._kept
        self._audio, self._past = np.zeros(0, np.float32), []
        return [*events, Event("dropped", self._number, self.time_s, self.time_s - seconds, self.time_s, dropped_s=seconds)]

    # ---- speech

    def _hear(self, probability: float) -> list[Event]:
        """Take the speech probability of the next frame: start, update, cut or end the segment."""
        speech = self.options.speech
        change = self._gate.push(probability)
        self._heard += self._vad.frame_samples
        if self._segment is None:
            if change == "started":
                return [self._start(max(self._ended, self._heard - _samples(speech.preroll_s + speech.onset_s)))]
            self._forget(self._heard - _samples(speech.preroll_s + speech.onset_s))
            return []
        if self._gate.silent_s == 0 and change != "ended":
            self._segment.quiet = False
        if change == "paused":
            cost = self._settle(self._segment)
            if self._heard - self._segment.start >= _samples(speech.long_s):
                self._gate.reset()
                return self._end(self._segment, self._heard, cost)
            return [self._event("updated", self._segment, cost, self._heard)]
        if change == "ended":
            return self._end(self._segment, self._heard)
        return self._cut(self._segment) if self._heard - self._segment.start >= _samples(speech.longest_s) else []

    def _start(self, start: int) -> Event:
        self._forget(start)
        self._number += 1
        self._segment = _OpenSegment(start, start)
        return self._event("segment_started", self._segment)

    def _end(self, segment: _OpenSegment, stop: int, cost: tuple[Decoded, float] | None = None) -> list[Event]:
        """cost: of making all text stable, if that is done."""
        cost = cost if segment.quiet else self._read(segment, stop, settle=True)
        self._segment, self._ended = None, stop
        self._past.append(segment)
        self._forget(stop)
        return [self._event("segment_ended", segment, cost, stop)]

    def _cut(self, segment: _OpenSegment) -> list[Event]:
        """End a long segment at its quietest point after the stable words, and continue in a new one."""
        first = segment.start + (self._heard - segment.start) // 2
        if segment.stable:
            first = max(first, min(self._heard, _samples(segment.words[segment.stable - 1].end_s)))
        stop = first + quietest(self._between(first, self._heard)) if self._heard - first > _samples(0.4) else self._heard
        events = self._end(segment, stop)
        events.append(self._start(stop))
        return events

    def _forget(self, until: int) -> None:
        """Drop audio before sample `until` of the stream, except for segments that are still used as context."""
        reach = until - _samples(self.options.context_s)
        self._past = [past for past in self._past if past.start >= reach]
        gone = max(0, min([until, *(past.start for past in self._past)]) - self._kept)
        self._audio, self._kept = self._audio[gone:], self._kept + gone

    def _between(self, first: int, stop: int) -> Samples:
        return self._audio[first - self._kept : stop - self._kept]

    # ---- text

    def _update(self, segment: _OpenSegment) -> Event:
        return self._event("updated", segment, self._read(segment, self._heard, settle=False), self._heard)

    def _settle(self, segment: _OpenSegment) -> tuple[Decoded, float] | None:
        """Make all text stable at a pause. Decodes only if the last update came before the speech ended."""
        silent = _samples(self._gate.silent_s)
        if segment.heard < self._heard - silent + _samples(SOON_S):
            return self._read(segment, self._heard, settle=True)
        segment.stable, segment.settled, segment.quiet = len(segment.words), len(segment.text.ids), True
        segment.heard = self._heard
        return None

    def _read(self, segment: _OpenSegment, stop: int, settle: bool) -> tuple[Decoded, float]:
        """Decode the segment's audio up to `stop` and decide which words are stable. Returns the result and the seconds it took.

        settle: all words become stable.
        """
        began = self._clock()
        decoded = self._decode(segment, stop)
        start_s = segment.start / SAMPLE_RATE_HZ
        spelled = list(self.captioner.spelled(decoded.text, start_s, stop / SAMPLE_RATE_HZ))
        words = tuple(heard_times([word for word, _ in spelled], self._between(segment.start, stop), start_s))
        segment.counts = agreements(list(map(_bare, segment.words)), segment.counts, list(map(_bare, words)))
        stable = stable_words(words, segment.counts, segment.stable, stop / SAMPLE_RATE_HZ, self._policy)
        segment.stable = len(words) if settle else stable
        segment.settled = spelled[segment.stable - 1][1] if segment.stable else 0
        segment.text, segment.words, segment.heard, segment.quiet = decoded.text, words, stop, settle
        self._cost_s = self._clock() - began
        return decoded, self._cost_s

    def _decode(self, segment: _OpenSegment, stop: int) -> Decoded:
        samples = self._between(segment.start, stop)
        if not len(samples) or np.abs(samples).max() < SILENCE_PEAK:
            return Decoded(_first(segment.text, segment.settled), 0, 0)
        slot = self.captioner.reader.place_s * SAMPLE_RATE_HZ
        reach = max(segment.start - _samples(self.options.context_s), stop - _samples(WIDEST_S))
        context = [past for past in self._past if past.start >= reach]
        first = context[0].start if context else segment.start
        parts = [*((past.start, past.text) for past in context), (segment.start, self._unended(segment))]
        text = _joined([(part, (start - first) / slot) for start, part in parts])
        given = sum(len(past.text.ids) for past in context)
        reread = min(segment.heard, stop) - _samples(REREAD_S) if self.options.drafts else 0
        draft = text.as_draft(given + segment.settled, (max(reread, segment.start) - first) / slot)
        decoded = self.captioner.decode(self.captioner.encode(self._between(first, stop)), self.options.schedule, draft)
        return replace(decoded, text=_without_first(decoded.text, given, (segment.start - first) / slot))

    def _unended(self, segment: _OpenSegment) -> TimedTokens:
        """The text so far without the period that it may end in: more is being said."""
        ids = segment.text.ids.tolist()
        while len(ids) > segment.settled and not any(map(str.isalnum, self.captioner.tokenizer.decode(ids[-1:]))):
            ids.pop()
        return _first(segment.text, len(ids))

    def _event(
        self, event: Kind, segment: _OpenSegment, cost: tuple[Decoded, float] | None = None, stop: int | None = None
    ) -> Event:
        decode = self.captioner.tokenizer.decode
        text = decode(segment.text.ids.tolist()).strip()
        stable = decode(segment.text.ids[: segment.settled].tolist()).strip()
        if event != "segment_ended":
            stable = stable.rstrip(PART_OF_A_LETTER)  # the next token may complete it
        decoded, taken_s = cost or (Decoded(NOTHING, 0, 0), 0.0)
        return Event(
            event,
            self._number,
            self.time_s,
            segment.start / SAMPLE_RATE_HZ,
            (segment.heard if stop is None else stop) / SAMPLE_RATE_HZ,
            stable,
            text[len(stable) :],
            segment.words,
            segment.stable,
            decoded.passes,
            decoded.rows,
            taken_s,
        )


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def _bare(word: Word) -> str:
    """What two hypotheses agree on: whether a sentence ends after a word is known only when the next one is heard."""
    return "".join(filter(str.isalnum, word.text)).casefold() or word.text


def _joined(parts: list[tuple[TimedTokens, float]]) -> TimedTokens:
    """Concatenate texts, each moved right by its number of slots."""
    return TimedTokens(
        np.concatenate([text.ids for text, _ in parts]),
        np.concatenate([text.places + slots for text, slots in parts]),
        np.concatenate([text.confidence for text, _ in parts]),
    )


def _without_first(text: TimedTokens, count: int, slots: float) -> TimedTokens:
    """The text without its first `count` tokens, moved left by `slots`."""
    return TimedTokens(text.ids[count:], np.maximum(text.places[count:] - slots, 0.0), text.confidence[count:])


def _first(text: TimedTokens, count: int) -> TimedTokens:
    return TimedTokens(text.ids[:count], text.places[:count], text.confidence[:count])


async def captions(live: LiveCaptioner, source: AsyncIterable[Samples]) -> AsyncIterator[Event]:
    """Yield the events of an asynchronous stream. The work is done in a thread, one call at a time.

    source: blocks of samples as for `LiveCaptioner.feed`. Raises AudioError as `feed`.
    """
    async for samples in source:
        for event in await asyncio.to_thread(live.feed, samples):
            yield event
    for event in await asyncio.to_thread(live.flush):
        yield event
