"""Speech to text with a timeline bundle: encode samples, fill a canvas of slots, return words with times.

A slot is a position of the canvas: a fixed stretch of audio that holds one token or a blank.
Knows bundles with timeline graphs. Knows no files, no microphone and no screen.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.bundle.graph_spec import TIMELINE, kind_of, missing_roles
from unmask.bundle.manifest import Bundle, Timeline
from unmask.decoding.canvas import Canvas
from unmask.decoding.denoiser import Step
from unmask.decoding.draft import Draft
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Schedule
from unmask.decoding.speculative import TokenSequence, VerifyStep, verify
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import AudioError, BundleError
from unmask.speech.denoiser import TimelineDenoiser, TimelineVerifier
from unmask.speech.heard_times import heard_times
from unmask.speech.log_mel import HOP_SAMPLES, SAMPLE_RATE_HZ, log_mel
from unmask.speech.split_audio import blocks_of, checked, quiet_parts
from unmask.speech.token_times import align_times
from unmask.speech.words import TimedTokens, Word, lengths, respelled, splice, starts_word

TASK = "caption"
SILENCE_PEAK = 1e-4  # -80 dB of full scale: below the noise of any microphone
SEGMENT_S = 20.0  # longest segment of a long recording; few segments of the training data were longer


@dataclass(frozen=True)
class Caption:
    """The text of one recording, and what it cost."""

    text: str
    words: tuple[Word, ...]
    audio_s: float
    segments: int  # number of segments with speech
    passes: int  # number of passes over all segments, including the verifier's
    rows: int  # number of rows computed in these passes
    tokens: int  # number of tokens of the text

    @property
    def rows_per_token(self) -> float | None:
        """Rows computed for each token; None without text."""
        return self.rows / self.tokens if self.tokens else None


@dataclass(frozen=True)
class Decoded:
    """The text of one segment and what it cost."""

    text: TimedTokens
    passes: int
    rows: int


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording, encoded, with the canvas to fill."""

    start_s: float  # seconds since the start of the recording
    audio_s: float
    canvas: Canvas
    denoiser: TimelineDenoiser
    verifier: TimelineVerifier | None  # None if the bundle has none
    samples: NDArray[np.float32]  # (N,) at 16 kHz, what was encoded


class Captioner:
    """Captions whole recordings. Cheap to construct; `load` opens the graphs, or else the first segment does.

    Keeps no state between recordings. Two threads must not use one captioner at the same time.
    """

    def __init__(self, bundle: Bundle, options: EngineOptions | None = None, *, engine: Engine | None = None) -> None:
        """engine: runs the graphs; by default one is made from `options`. Raises BundleError for a bundle of another kind."""
        manifest = bundle.manifest
        if kind_of(manifest) is not TIMELINE or manifest.timeline is None or manifest.vocabulary.blank_id is None:
            raise BundleError(
                f"{bundle.folder}: family {manifest.family!r} does not caption; `unmask generate` runs bundles that write text"
            )
        lacking = [*missing_roles(manifest), *({"text"} - set(manifest.vocabulary.ranges))]
        if lacking:
            raise BundleError(f"{bundle.folder}: a captioner needs {' and '.join(lacking)}, which {manifest.name} lacks")
        if manifest.verifier and "verify" not in manifest.roles:
            raise BundleError(f"{bundle.folder}: the manifest names a verifier, but there is no verify graph; export it again")
        self.bundle = bundle
        self.engine = engine or Engine(bundle, options)
        self.timeline: Timeline = manifest.timeline
        self.blank: int = manifest.vocabulary.blank_id

    def load(self) -> "Captioner":
        """Open graphs and tokenizer now. Raises BundleError if one is damaged, InputError if the engine is not available."""
        self.engine.load()
        for role in sorted(self.bundle.manifest.roles):
            self.engine.check(role)
        self.tokenizer  # noqa: B018  (opens it)
        return self

    @property
    def tokenizer(self) -> Tokenizer:
        """The bundle's tokenizer, read on first use. Raises BundleError."""
        return self.bundle.tokenizer

    def segments(self, samples: NDArray[np.float32] | Iterable[NDArray[np.float32]]) -> Iterator[Segment]:
        """Cut a recording into segments and encode each one when the iterator reaches it. Silent segments are left out.

        samples: (N,) float32 in [-1, 1] at 16 kHz, or successive blocks of it, which are then taken as they are needed. Raises
        AudioError for an empty array, another shape, integers, or values that are not finite.
        """
        line = self.timeline
        longest_s = min(SEGMENT_S, line.longest_s - line.tail_ms / 1000 - line.slot_s)
        for start, part in quiet_parts(map(checked, blocks_of(samples)), longest_s):
            if np.abs(part).max(initial=0.0) >= SILENCE_PEAK:
                yield self.encode(part, start / SAMPLE_RATE_HZ)

    def encode(self, samples: NDArray[np.float32], start_s: float = 0.0) -> Segment:
        """Run the encoder over one segment.

        samples: (N,) float32 in [-1, 1] at 16 kHz. start_s: its start in the recording. Raises AudioError if it is longer than
        `timeline.longest_s`, including the silence after it.
        """
        slot_samples = round(self.timeline.slot_s * SAMPLE_RATE_HZ)
        slots = -(-(len(samples) + round(self.timeline.tail_ms * SAMPLE_RATE_HZ / 1000)) // slot_samples)
        if slots * slot_samples > self.timeline.longest_s * SAMPLE_RATE_HZ:
            longest_s = self.timeline.longest_s
            raise AudioError(
                f"{len(samples) / SAMPLE_RATE_HZ:.1f} s and the silence after it exceed a canvas of {longest_s:g} s; cut it"
            )
        mel = log_mel(np.pad(samples, (0, slots * slot_samples - len(samples))))
        assert mel.shape[1] == slots * slot_samples // HOP_SAMPLES
        made = self.engine.run("context", {"mel": mel[None]})
        layers, heads, _, size = made["cross_k"].shape
        context = {name: made[name] for name in ("cross_k", "cross_v", "slots")}
        denoiser = TimelineDenoiser(self.engine, context, (layers, heads, slots, size))
        manifest = self.bundle.manifest
        verifier = None
        if manifest.verifier:
            verifier = TimelineVerifier(self.engine, manifest.verifier, {name: made[name] for name in ("verify_k", "verify_v")})
        low, high = manifest.vocabulary.ranges["text"]
        canvas = Canvas.masked(slots, "text", ((low, high),), manifest.vocabulary.mask_id)
        return Segment(start_s, len(samples) / SAMPLE_RATE_HZ, canvas, denoiser, verifier, samples)

    def steps(self, segment: Segment, schedule: Schedule | None = None) -> Iterator[Step]:
        """Fill the canvas of a segment; yields a Step after each pass. schedule: by default the bundle's."""
        return fill(segment.canvas, segment.denoiser, schedule or self.bundle.schedule(TASK))

    def checks(
        self, segment: Segment, draft: Draft, schedule: Schedule | None = None, began: float | None = None
    ) -> Iterator[VerifyStep]:
        """Let the verifier read and correct a draft; yields a VerifyStep after each pass.

        Yields nothing if there is no verifier, if `verify` is 0, or if the draft is longer than the verifier can read.
        began: start of the segment's passes in seconds of `time.perf_counter`, by default now. A pass that would end after
        `budget_ms`, judged by the duration of the last one, is not started.
        """
        chosen = schedule or self.bundle.schedule(TASK)
        if segment.verifier is None or self.bundle.manifest.verifier is None or not chosen.verify:
            return
        longest = segment.verifier.longest
        if longest is not None and len(draft.ids) > longest:
            return
        began = time.perf_counter() if began is None else began
        left_s = math.inf if chosen.budget_ms is None else chosen.budget_ms / 1000
        end_id = self.bundle.manifest.verifier.end_id
        passes = verify(
            draft,
            segment.verifier,
            end_id,
            chosen.verify,
            chosen.verify_accept_ratio,
            ahead=chosen.verify_lookahead,
            longest=longest,
        )
        taken_s = 0.0
        while time.perf_counter() - began + taken_s < left_s:
            check = next(passes, None)
            if check is None:
                return
            taken_s = check.seconds
            yield check

    def caption(
        self,
        samples: NDArray[np.float32],
        schedule: Schedule | None = None,
        on_step: Callable[[Segment, Step], None] | None = None,
    ) -> Caption:
        """Caption a recording of any length.

        samples: (N,), as for `segments`. schedule: by default the bundle's. on_step: called after each pass of a canvas; it may
        raise to cancel. Raises AudioError as `segments`.
        """
        return self.read(self.segments(samples), samples.size / SAMPLE_RATE_HZ, schedule, on_step)

    def read(
        self,
        segments: Iterable[Segment],
        audio_s: float,
        schedule: Schedule | None = None,
        on_step: Callable[[Segment, Step], None] | None = None,
    ) -> Caption:
        """`caption` for segments that are already encoded; a list of them can be decoded again with another schedule.

        audio_s: duration of the recording.
        """
        return whole(list(self.parts(segments, schedule, on_step)), audio_s)

    def parts(
        self,
        segments: Iterable[Segment],
        schedule: Schedule | None = None,
        on_step: Callable[[Segment, Step], None] | None = None,
    ) -> Iterator[Caption]:
        """The caption of each segment as soon as it is decoded, with times in the recording. `whole` puts them together."""
        for segment in segments:
            decoded = self.decode(segment, schedule, on_step=on_step)
            spelled = self.spell(decoded.text, segment.start_s, segment.start_s + segment.audio_s)
            words = tuple(heard_times(spelled, segment.samples, segment.start_s))
            text, tokens = " ".join(word.text for word in words), len(decoded.text.ids)
            yield Caption(text, words, segment.audio_s, 1, decoded.passes, decoded.rows, tokens)

    def decode(
        self,
        segment: Segment,
        schedule: Schedule | None = None,
        draft: Draft | None = None,
        on_step: Callable[[Segment, Step], None] | None = None,
    ) -> Decoded:
        """Fill a segment's canvas and let the verifier correct the text.

        draft: text that is known already, with places in slots. Its trusted and final tokens replace the canvas's text up to
        `trusted_until`. on_step: as for `caption`.
        """
        began, passes, rows = time.perf_counter(), 0, 0
        for step in self.steps(segment, schedule):
            passes, rows = passes + 1, rows + step.rows
            if on_step is not None:
                on_step(segment, step)
        heard = self.written(segment, step)
        text = heard if draft is None else splice(draft, heard)
        final = draft.final if draft else 0
        check = None
        for check in self.checks(segment, text.as_draft(final), schedule, began):
            passes, rows = passes + 1, rows + check.rows
        if check is not None and draft is None:
            text = self.placed(segment, heard, check.text)
        elif check is not None and draft is not None:  # words get their places from the canvas; final tokens keep theirs
            text = self.placed(segment, splice(replace(draft, trusted_until=0.0), heard), check.text)
            text.places[final:] = np.maximum(text.places[final:], draft.earliest)
        return Decoded(text, passes, rows)

    def placed(self, segment: Segment, draft: TimedTokens, text: TokenSequence) -> TimedTokens:
        """The verifier's text, with the places of its tokens on the canvas from which `draft` was decoded."""
        letters = lengths(draft.ids, self.tokenizer), lengths(text.ids, self.tokenizer)
        places = align_times(draft.ids, draft.places, text.ids, segment.audio_s / self.timeline.slot_s, letters)
        return TimedTokens(text.ids, places, text.confidence)

    def kept(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """(N,) ids -> (M,) slots that hold text. A token that repeats in the next slot counts once: it spans both slots."""
        unlike = np.concatenate(([True], ids[1:] != ids[:-1]))
        return np.flatnonzero(unlike & (ids != self.blank) & (ids != self.bundle.manifest.vocabulary.mask_id))

    def heard(self, step: Step, tentative: bool = False) -> TimedTokens:
        """The text on a canvas after a step, including the best guesses at masks if `tentative`."""
        ids = step.tentative if tentative else step.ids
        slots = self.kept(ids)
        return TimedTokens(ids[slots], slots.astype(np.float64), step.confidence[slots])

    def written(self, segment: Segment, step: Step) -> TimedTokens:
        """The text on a filled canvas, in the tokens that the segment's verifier reads, if it has one."""
        heard = self.heard(step)
        return respelled(heard, self.tokenizer) if segment.verifier else heard

    def words(self, step: Step, start_s: float = 0.0, stop_s: float = math.inf, tentative: bool = False) -> list[Word]:
        """The words on a canvas after a step, as from `spell`."""
        return self.spell(self.heard(step, tentative), start_s, stop_s)

    def spell(self, text: TimedTokens, start_s: float = 0.0, stop_s: float = math.inf) -> list[Word]:
        """The words of a text, with their times in seconds.

        start_s: time of the canvas's first slot. stop_s: end of the segment's audio; no word ends after it.
        """
        return [word for word, _ in self.spelled(text, start_s, stop_s)]

    def spelled(self, text: TimedTokens, start_s: float = 0.0, stop_s: float = math.inf) -> Iterator[tuple[Word, int]]:
        """The same, each word with the number of the text's tokens up to its end."""
        starts = [i for i, token in enumerate(text.ids) if i == 0 or starts_word(self.tokenizer.id_to_token(int(token)))]
        slot_s = self.timeline.slot_s
        ends = np.minimum(text.places + 1, np.append(text.places[1:], np.inf))  # a token lasts one slot, or until the next token
        for first, stop in zip(starts, [*starts[1:], len(text.ids)][: len(starts)], strict=True):
            written = self.tokenizer.decode(text.ids[first:stop].tolist()).strip()
            if written:
                places = float(text.places[first]), float(ends[stop - 1])
                begin, end = (min(start_s + slot * slot_s, stop_s) for slot in places)
                yield Word(written, round(begin, 3), round(end, 3), float(text.confidence[first:stop].min())), stop


def whole(parts: Sequence[Caption], audio_s: float) -> Caption:
    """The caption of a recording of `audio_s` seconds from those of its segments, in order."""
    words = tuple(word for part in parts for word in part.words)
    return Caption(
        " ".join(word.text for word in words),
        words,
        audio_s,
        sum(part.segments for part in parts),
        sum(part.passes for part in parts),
        sum(part.rows for part in parts),
        sum(part.tokens for part in parts),
    )
