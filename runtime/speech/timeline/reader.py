"""Speech to text with a timeline bundle: encode samples, fill a canvas of slots, correct its text.

A slot is a position of the canvas: a fixed stretch of audio that holds one token or a blank.
Knows bundles with timeline graphs. Knows no files, no microphone and no screen.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.graph_spec import missing_roles
from unmask.bundle.manifest import Timeline
from unmask.decoding.canvas import Canvas
from unmask.decoding.denoiser import Step
from unmask.decoding.draft import Draft
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Schedule
from unmask.decoding.speculative import ROOM, TokenSequence, VerifyStep, verify
from unmask.engines.engine import Engine
from unmask.errors import AudioError, BundleError
from unmask.speech.log_mel import HOP_SAMPLES, SAMPLE_RATE_HZ, log_mel
from unmask.speech.reading import TASK, Decoded, OnStep, Segment, as_step, in_budget, not_a_captioner
from unmask.speech.timeline.denoiser import TimelineDenoiser, TimelineVerifier
from unmask.speech.timeline.token_times import align_times
from unmask.speech.words import TimedTokens, lengths, respelled, splice


@dataclass(frozen=True)
class TimelineSegment(Segment):
    """A segment with the canvas to fill."""

    canvas: Canvas
    denoiser: TimelineDenoiser
    verifier: TimelineVerifier | None  # None if the bundle has none


class TimelineReader:
    """Implements `unmask.speech.reading.Reader`; places are in slots."""

    def __init__(self, engine: Engine) -> None:
        """Raises BundleError for a bundle that lacks a part."""
        bundle = engine.bundle
        manifest = bundle.manifest
        if manifest.timeline is None or manifest.vocabulary.blank_id is None:
            raise not_a_captioner(bundle)
        lacking = [*missing_roles(manifest), *({"text"} - set(manifest.vocabulary.ranges))]
        if lacking:
            raise BundleError(f"{bundle.folder}: a captioner needs {' and '.join(lacking)}, which {manifest.name} lacks")
        if manifest.verifier and "verify" not in manifest.roles:
            raise BundleError(f"{bundle.folder}: the manifest names a verifier, but there is no verify graph; export it again")
        self.bundle, self.engine = bundle, engine
        self.timeline: Timeline = manifest.timeline
        self.blank: int = manifest.vocabulary.blank_id
        self.place_s = self.timeline.slot_s
        self.longest_s = self.timeline.longest_s - self.timeline.tail_ms / 1000 - self.timeline.slot_s

    def encode(self, samples: NDArray[np.float32], start_s: float = 0.0) -> TimelineSegment:
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
        return TimelineSegment(start_s, len(samples) / SAMPLE_RATE_HZ, samples, canvas, denoiser, verifier)

    def steps(self, segment: Segment, schedule: Schedule | None = None) -> Iterator[Step]:
        """Fill the canvas, then check its text. A check's Step covers the text in place of the canvas."""
        assert isinstance(segment, TimelineSegment)
        began, step = time.perf_counter(), None
        for step in self.fill(segment, schedule):
            yield step
        if step is not None:
            before, text = 0, self.written(segment, step)
            for check in self.checks(segment, text.as_draft(), schedule, began):
                yield as_step(check, step.number + check.number, before, segment.canvas.mask_id)
                before = check.agreed

    def fill(self, segment: TimelineSegment, schedule: Schedule | None = None) -> Iterator[Step]:
        """Fill the canvas of a segment; yields a Step after each pass. schedule: by default the bundle's."""
        return fill(segment.canvas, segment.denoiser, schedule or self.bundle.schedule(TASK))

    def checks(
        self, segment: TimelineSegment, draft: Draft, schedule: Schedule | None = None, began: float | None = None
    ) -> Iterator[VerifyStep]:
        """Let the verifier read and correct a draft; yields a VerifyStep after each pass.

        Yields nothing if there is no verifier, if `verify` is 0, or if the draft is longer than the verifier can read.
        began: start of the segment's passes in seconds of `time.perf_counter`, by default now. A pass that would end after
        `budget_ms`, judged by the duration of the last one, is not started.
        """
        chosen = schedule or self.bundle.schedule(TASK)
        if segment.verifier is None or self.bundle.manifest.verifier is None or not chosen.verify:
            return iter(())
        longest = segment.verifier.longest
        if longest is not None and len(draft.ids) > longest:
            return iter(())
        loop = 2 * len(draft.ids) + ROOM  # a canvas holds the whole text: one that is much longer is a loop
        end_id = self.bundle.manifest.verifier.end_id
        passes = verify(
            draft,
            segment.verifier,
            end_id,
            chosen.verify,
            chosen.verify_accept_ratio,
            ahead=chosen.verify_lookahead,
            longest=loop if longest is None else min(loop, longest),
        )
        return in_budget(passes, chosen.budget_ms, time.perf_counter() if began is None else began)

    def decode(
        self, segment: Segment, schedule: Schedule | None = None, draft: Draft | None = None, on_step: OnStep | None = None
    ) -> Decoded:
        """Fill a segment's canvas and let the verifier correct the text.

        draft: text that is known already, with places in slots. Its trusted and final tokens replace the canvas's text up to
        `trusted_until`. on_step: as for `Captioner.caption`.
        """
        assert isinstance(segment, TimelineSegment)
        began, passes, rows = time.perf_counter(), 0, 0
        for step in self.fill(segment, schedule):
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

    def placed(self, segment: TimelineSegment, draft: TimedTokens, text: TokenSequence) -> TimedTokens:
        """The verifier's text, with the places of its tokens on the canvas from which `draft` was decoded."""
        letters = lengths(draft.ids, self.bundle.tokenizer), lengths(text.ids, self.bundle.tokenizer)
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

    def written(self, segment: TimelineSegment, step: Step) -> TimedTokens:
        """The text on a filled canvas, in the tokens that the segment's verifier reads, if it has one."""
        heard = self.heard(step)
        return respelled(heard, self.bundle.tokenizer) if segment.verifier else heard

    def spans_s(self, places: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A token lasts one slot, or until the next token."""
        return places * self.place_s, np.minimum(places + 1, np.append(places[1:], np.inf)) * self.place_s
