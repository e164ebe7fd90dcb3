"""Speech to text with a timeline bundle: samples in, a canvas of slots filled, words with times out.

Knows bundles of the family `whisper-timeline`. Knows no files, no microphone and no screen.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.bundle.manifest import Bundle, Timeline
from unmask.bundle.tokenizer import read_tokenizer
from unmask.decoding.canvas import Canvas
from unmask.decoding.denoiser import Step
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Schedule
from unmask.decoding.speculative import Tokens, TokenSequence, VerifyStep, verify
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import AudioError, BundleError
from unmask.speech.denoiser import TimelineDenoiser, TimelineVerifier
from unmask.speech.log_mel import HOP_SAMPLES, SAMPLE_RATE_HZ, log_mel
from unmask.speech.split_audio import quiet_cuts
from unmask.speech.token_times import align_times
from unmask.speech.words import Word, lengths, respelled, starts_word

FAMILY = "whisper-timeline"
TASK = "caption"
INPUTS = {
    "context": {"mel"},
    "window": {"rows", "positions", "wanted", "bias", "cross_k", "cross_v", "slots", "cache_k", "cache_v"},
    "verify": {"rows", "verify_k", "verify_v", "past_k", "past_v"},
}
SILENCE_PEAK = 1e-4  # -80 dB of full scale: below the noise of any microphone
WINDOW_S = 20.0  # cuts of long recordings; few training windows were longer


@dataclass(frozen=True)
class Caption:
    """What was said in one recording, and what it cost."""

    text: str
    words: tuple[Word, ...]
    audio_s: float
    windows: int
    passes: int  # over all windows, those of the verifier included
    rows: int  # computed in these passes
    tokens: int  # that stand in the text

    @property
    def rows_per_token(self) -> float | None:
        return self.rows / self.tokens if self.tokens else None


@dataclass(frozen=True)
class Known:
    """What is believed of a window's text before it is decoded: its tokens up to a border stand on the draft."""

    text: Tokens
    border: float  # a place on the canvas; what the canvas itself says counts from there on
    settled: int = 0  # so many tokens from the start stand whatever is read
    silent: float = 0.0  # a place behind all that is settled, where nobody spoke: other tokens begin there at the earliest


@dataclass(frozen=True)
class Decoded:
    """The text of one window and what it cost."""

    text: Tokens
    passes: int
    rows: int


@dataclass(frozen=True)
class Window:
    """A stretch of a recording, ready to be filled."""

    start_s: float  # since the start of the recording
    audio_s: float
    canvas: Canvas
    denoiser: TimelineDenoiser
    verifier: TimelineVerifier | None  # where the bundle has one


class Captioner:
    """Captions whole recordings. Cheap to construct; `load` opens the graphs, otherwise the first window does.

    Holds no state between recordings; one captioner must not be used by two threads at once.
    """

    def __init__(self, bundle: Bundle, options: EngineOptions | None = None) -> None:
        manifest = bundle.manifest
        if manifest.family != FAMILY or manifest.timeline is None or manifest.vocabulary.blank_id is None:
            raise BundleError(f"{bundle.folder}: family {manifest.family!r} does not caption; a {FAMILY} bundle does")
        lacking = {"context", "window"} - manifest.roles or {"text"} - set(manifest.vocabulary.ranges)
        if lacking:
            raise BundleError(f"{bundle.folder}: a captioner needs {' and '.join(sorted(lacking))}, which {manifest.name} lacks")
        if manifest.verifier and "verify" not in manifest.roles:
            raise BundleError(f"{bundle.folder}: the manifest names a verifier, but no verify graph is here; export it again")
        self.bundle = bundle
        self.engine = Engine(bundle, options)
        self.timeline: Timeline = manifest.timeline
        self.blank: int = manifest.vocabulary.blank_id
        self._tokenizer: Tokenizer | None = None

    def load(self) -> "Captioner":
        """Open graphs and tokenizer now. Raises BundleError."""
        self.engine.load()
        for role, expected in INPUTS.items():
            if role not in self.bundle.manifest.roles:
                continue  # a verifier is optional
            found = self.engine.inputs(role).keys()
            if not found >= expected or (self.engine.dynamic(role) and found != expected):  # fixed sizes take masks besides
                raise BundleError(f"{self.bundle.folder}: the {role} graph takes {sorted(found)} instead of {sorted(expected)}")
        made = len(self.engine.session("context").get_outputs()) if self.engine.dynamic("context") else 5
        if made < (5 if self.bundle.manifest.verifier else 3):
            raise BundleError(f"{self.bundle.folder}: the context graph makes {made} tensors; export the bundle again")
        self.tokenizer  # noqa: B018  (opens it)
        return self

    @property
    def tokenizer(self) -> Tokenizer:
        if self._tokenizer is None:
            self._tokenizer = read_tokenizer(self.bundle.path(self.bundle.manifest.tokenizer))
        return self._tokenizer

    def windows(self, samples: NDArray[np.float32]) -> Iterator[Window]:
        """Cut a recording and run the encoder over each piece, as the iterator is asked for it.

        samples: (N,) float32 in [-1, 1] at 16 kHz. Pieces that are silent are left out. Raises AudioError for an empty array,
        another shape, or values that are not finite.
        """
        if samples.ndim != 1 or not len(samples):
            raise AudioError(f"a recording is one row of samples; this one has the shape {samples.shape}")
        if samples.dtype.kind != "f":
            raise AudioError(f"samples are {samples.dtype}; divide them by their full scale to get float32 in [-1, 1]")
        if not np.isfinite(samples).all():
            raise AudioError("the recording holds values that are not finite numbers; convert it to PCM first")
        line = self.timeline
        longest_s = min(WINDOW_S, line.longest_s - line.tail_ms / 1000 - line.slot_s)
        for start, stop in quiet_cuts(samples.astype(np.float32, copy=False), longest_s):
            if np.abs(samples[start:stop]).max() >= SILENCE_PEAK:
                yield self.window(samples[start:stop], start / SAMPLE_RATE_HZ)

    def window(self, samples: NDArray[np.float32], start_s: float = 0.0) -> Window:
        """Run the encoder over one stretch.

        Raises AudioError when it is longer than `timeline.longest_s`, the silence behind it included.
        """
        slot_samples = round(self.timeline.slot_s * SAMPLE_RATE_HZ)
        slots = -(-(len(samples) + round(self.timeline.tail_ms * SAMPLE_RATE_HZ / 1000)) // slot_samples)
        if slots * slot_samples > self.timeline.longest_s * SAMPLE_RATE_HZ:
            longest_s = self.timeline.longest_s
            raise AudioError(
                f"{len(samples) / SAMPLE_RATE_HZ:.1f} s and the silence behind exceed a window of {longest_s:g} s; cut it"
            )
        mel = log_mel(np.pad(samples, (0, slots * slot_samples - len(samples))))
        assert mel.shape[1] == slots * slot_samples // HOP_SAMPLES
        cross_k, cross_v, rows, *asked = self.engine.run("context", {"mel": mel[None]})
        layers, heads, _, size = cross_k.shape
        denoiser = TimelineDenoiser(
            self.engine, {"cross_k": cross_k, "cross_v": cross_v, "slots": rows}, (layers, heads, slots, size)
        )
        manifest = self.bundle.manifest
        verifier = None
        if manifest.verifier:
            verifier = TimelineVerifier(self.engine, manifest.verifier, dict(zip(("verify_k", "verify_v"), asked, strict=True)))
        low, high = manifest.vocabulary.ranges["text"]
        canvas = Canvas.masked(slots, "text", ((low, high),), manifest.vocabulary.mask_id)
        return Window(start_s, len(samples) / SAMPLE_RATE_HZ, canvas, denoiser, verifier)

    def steps(self, window: Window, schedule: Schedule | None = None) -> Iterator[Step]:
        """Fill the canvas of a window, a Step after each pass."""
        return fill(window.canvas, window.denoiser, schedule or self.bundle.schedule(TASK))

    def checks(
        self,
        window: Window,
        draft: Tokens,
        schedule: Schedule | None = None,
        began: float | None = None,
        settled: int = 0,
    ) -> Iterator[VerifyStep]:
        """Let the verifier read and correct a draft, a VerifyStep after each pass.

        There is none without a verifier, with `verify` at 0, or when the draft is longer than the verifier can read.

        began: when the window's passes began (`time.perf_counter`), by default now; a check that would end behind `budget_ms`
        by what the last one took is not begun. settled: so many tokens from the start are not to be changed.
        """
        chosen = schedule or self.bundle.schedule(TASK)
        if window.verifier is None or self.bundle.manifest.verifier is None or not chosen.verify:
            return
        longest = window.verifier.longest
        if longest is not None and len(draft.ids) > longest:
            return
        began = time.perf_counter() if began is None else began
        left_s = math.inf if chosen.budget_ms is None else chosen.budget_ms / 1000
        end_id = self.bundle.manifest.verifier.end_id
        passes = verify(
            draft,
            window.verifier,
            end_id,
            chosen.verify,
            chosen.verify_accept_ratio,
            ahead=chosen.verify_lookahead,
            settled=settled,
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
        on_step: Callable[[Window, Step], None] | None = None,
    ) -> Caption:
        """Caption a recording of any length.

        samples as for `windows`; schedule: the bundle's own unless given; on_step is called after each pass; it may raise to
        cancel.
        """
        return self.read(self.windows(samples), samples.size / SAMPLE_RATE_HZ, schedule, on_step)

    def read(
        self,
        windows: Iterable[Window],
        audio_s: float,
        schedule: Schedule | None = None,
        on_step: Callable[[Window, Step], None] | None = None,
    ) -> Caption:
        """The same over windows that were encoded before; a list of them can be read again with another schedule."""
        words: list[Word] = []
        count = passes = rows = tokens = 0
        for window in windows:
            reading = self.decode(window, schedule, on_step=on_step)
            count, passes, rows = count + 1, passes + reading.passes, rows + reading.rows
            tokens += len(reading.text.ids)
            words += self.spell(reading.text, window.start_s, window.start_s + window.audio_s)
        return Caption(" ".join(word.text for word in words), tuple(words), audio_s, count, passes, rows, tokens)

    def decode(
        self,
        window: Window,
        schedule: Schedule | None = None,
        known: Known | None = None,
        on_step: Callable[[Window, Step], None] | None = None,
    ) -> Decoded:
        """Fill a window's canvas and let the verifier mend it; on_step as for `caption`."""
        began, passes, rows = time.perf_counter(), 0, 0
        for step in self.steps(window, schedule):
            passes, rows = passes + 1, rows + step.rows
            if on_step is not None:
                on_step(window, step)
        draft = respelled(self.draft(step), self.tokenizer) if window.verifier else self.draft(step)
        text = draft if known is None else splice(known, draft)
        check = None
        for check in self.checks(window, text, schedule, began, known.settled if known else 0):
            passes, rows = passes + 1, rows + check.rows
        if check is not None and known is None:
            text = self.placed(window, draft, check.text)
        elif check is not None and known is not None:  # the canvas says where words are; what is settled keeps its places
            text = self.placed(window, splice(replace(known, border=0.0), draft), check.text)
            text.places[known.settled :] = np.maximum(text.places[known.settled :], known.silent)
        return Decoded(text, passes, rows)

    def placed(self, window: Window, draft: Tokens, text: TokenSequence) -> Tokens:
        """A text that the verifier mended, with the places that its tokens have on the canvas that the draft was read from."""
        letters = lengths(draft.ids, self.tokenizer), lengths(text.ids, self.tokenizer)
        places = align_times(draft.ids, draft.places, text.ids, window.audio_s / self.timeline.slot_s, letters)
        return Tokens(text.ids, places, text.confidence)

    def kept(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Slots that hold text. A token that repeats in the next slot is one token: it was heard across the border."""
        unlike = np.concatenate(([True], ids[1:] != ids[:-1]))
        return np.flatnonzero(unlike & (ids != self.blank) & (ids != self.bundle.manifest.vocabulary.mask_id))

    def draft(self, step: Step, tentative: bool = False) -> Tokens:
        """The text on a canvas after a step, the best guesses at masks included when `tentative`."""
        ids = step.tentative if tentative else step.ids
        slots = self.kept(ids)
        return Tokens(ids[slots], slots.astype(np.float64), step.confidence[slots])

    def words(self, step: Step, start_s: float = 0.0, stop_s: float = math.inf, tentative: bool = False) -> list[Word]:
        """The words on a canvas after a step, as `spell` gives them."""
        return self.spell(self.draft(step, tentative), start_s, stop_s)

    def spell(self, text: Tokens, start_s: float = 0.0, stop_s: float = math.inf) -> list[Word]:
        """Tokens as words with times.

        start_s: when the canvas starts; stop_s: when its speech ends, which no word outlasts.
        """
        return [word for word, _ in self.spelled(text, start_s, stop_s)]

    def spelled(self, text: Tokens, start_s: float = 0.0, stop_s: float = math.inf) -> Iterator[tuple[Word, int]]:
        """The same, each word with the number of tokens up to its end."""
        starts = [i for i, token in enumerate(text.ids) if i == 0 or starts_word(self.tokenizer.id_to_token(int(token)))]
        slot_s = self.timeline.slot_s
        ends = np.minimum(text.places + 1, np.append(text.places[1:], np.inf))  # a token lasts a slot, or until the next one
        for first, stop in zip(starts, [*starts[1:], len(text.ids)][: len(starts)], strict=True):
            written = self.tokenizer.decode(text.ids[first:stop].tolist()).strip()
            if written:
                places = float(text.places[first]), float(ends[stop - 1])
                begin, end = (min(start_s + slot * slot_s, stop_s) for slot in places)
                yield Word(written, round(begin, 3), round(end, 3), float(text.confidence[first:stop].min())), stop


def splice(known: Known, late: Tokens) -> Tokens:
    """What is known before its border, or settled, and behind it what the canvas says."""
    old = (known.text.places < known.border) | (np.arange(len(known.text.ids)) < known.settled)
    last = known.text.places[old].max(initial=-1.0)
    new = late.places >= max(known.border, last)
    parts = ((getattr(known.text, name)[old], getattr(late, name)[new]) for name in ("ids", "places", "confidence"))
    return Tokens(*map(np.concatenate, parts))
