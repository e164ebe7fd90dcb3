"""Speech to text: cut a recording into segments, read each one, return words with times.

How the text of a segment comes about is the matter of `TranscriptReader`. Knows no files, no microphone and no screen.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.bundle.graph_spec import TRANSCRIPT, kind_of
from unmask.bundle.manifest import Bundle
from unmask.decoding.denoiser import Step
from unmask.decoding.draft import Draft
from unmask.decoding.schedule import Schedule
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import BundleError
from unmask.speech.heard_times import heard_times
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.split_audio import blocks_of, checked, quiet_parts
from unmask.speech.transcript import TASK, Decoded, OnStep, Segment, TranscriptReader
from unmask.speech.words import Phrase, TimedTokens, Word, starts_word

__all__ = ["TASK", "Caption", "Captioner", "Decoded", "Segment", "whole"]

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


class Captioner:
    """Captions whole recordings. Cheap to construct; `load` opens the graphs, or else the first segment does.

    Keeps no state between recordings. Two threads must not use one captioner at the same time.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: EngineOptions | None = None,
        *,
        engine: Engine | None = None,
        words: Sequence[Phrase] = (),
    ) -> None:
        """engine: runs the graphs; by default one is made from `options`; captioners may share one, in one thread.
        words: raised wherever they are possible.

        Raises BundleError for a bundle of another kind.
        """
        if kind_of(bundle.manifest) is not TRANSCRIPT:
            family = bundle.manifest.family
            raise BundleError(
                f"{bundle.folder}: family {family!r} does not caption; `unmask generate` runs bundles that write text"
            )
        self.bundle = bundle
        self.engine = engine or Engine(bundle, options)
        self._words = tuple(words)
        self.reader = TranscriptReader(self.engine, self._words)

    def load(self) -> "Captioner":
        """Open graphs and tokenizer now. Raises BundleError if one is damaged, InputError if the engine is not available."""
        self.engine.load()
        for role in sorted(self.bundle.manifest.roles):
            self.engine.check(role)
        self.tokenizer  # noqa: B018  (opens it)
        return self

    def expect(self, words: Sequence[Phrase]) -> None:
        """Raise these words besides those that the captioner was made with, in segments that are encoded from now on. They count
        instead of those of the call before."""
        self.reader.expect((*self._words, *words))

    def beside(self, words: Sequence[Phrase] = ()) -> "Captioner":
        """Another captioner with the same graphs and words, in the same thread. words: that it raises besides."""
        return Captioner(self.bundle, engine=self.engine, words=(*self._words, *words))

    @property
    def tokenizer(self) -> Tokenizer:
        """The bundle's tokenizer, read on first use. Raises BundleError."""
        return self.bundle.tokenizer

    def segments(self, samples: NDArray[np.float32] | Iterable[NDArray[np.float32]]) -> Iterator[Segment]:
        """Cut a recording into segments and encode each one when the iterator reaches it. Silent segments are left out.

        samples: (N,) float32 in [-1, 1] at 16 kHz, or successive blocks of it, which are then taken as they are needed. Raises
        AudioError for an empty array, another shape, integers, or values that are not finite.
        """
        longest_s = min(SEGMENT_S, self.reader.longest_s)
        for start, part in quiet_parts(map(checked, blocks_of(samples)), longest_s):
            if np.abs(part).max(initial=0.0) >= SILENCE_PEAK:
                yield self.encode(part, start / SAMPLE_RATE_HZ)

    def encode(self, samples: NDArray[np.float32], start_s: float = 0.0) -> Segment:
        """Run the encoder over one segment.

        samples: (N,) float32 in [-1, 1] at 16 kHz. start_s: its start in the recording. Raises AudioError if it is longer than
        the bundle's encoder allows.
        """
        return self.reader.encode(samples, start_s)

    def steps(self, segment: Segment, schedule: Schedule | None = None) -> Iterator[Step]:
        """Write the text of a segment; yields a Step after each pass. schedule: by default the bundle's."""
        return self.reader.steps(segment, schedule)

    def caption(
        self,
        samples: NDArray[np.float32],
        schedule: Schedule | None = None,
        on_step: OnStep | None = None,
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
        on_step: OnStep | None = None,
    ) -> Caption:
        """`caption` for segments that are already encoded; a list of them can be decoded again with another schedule.

        audio_s: duration of the recording.
        """
        return whole(list(self.parts(segments, schedule, on_step)), audio_s)

    def parts(
        self,
        segments: Iterable[Segment],
        schedule: Schedule | None = None,
        on_step: OnStep | None = None,
    ) -> Iterator[Caption]:
        """The caption of each segment as soon as it is decoded, with times in the recording. `whole` puts them together."""
        for segment in segments:
            decoded = self.decode(segment, schedule, on_step=on_step)
            spelled = self.spell(decoded.text, segment.start_s, segment.start_s + segment.audio_s)
            words = tuple(heard_times(spelled, segment.samples, segment.start_s))
            text, tokens = " ".join(word.text for word in words), len(decoded.text.ids)
            yield Caption(text, words, segment.audio_s, 1, decoded.passes, decoded.rows, tokens)

    def decode(
        self, segment: Segment, schedule: Schedule | None = None, draft: Draft | None = None, on_step: OnStep | None = None
    ) -> Decoded:
        """Write the text of a segment.

        draft: text that is known already, with places; its final tokens stay, whatever follows. on_step: as for `caption`.
        """
        return self.reader.decode(segment, schedule, draft, on_step)

    def spell(self, text: TimedTokens, start_s: float = 0.0, stop_s: float = math.inf) -> list[Word]:
        """The words of a text, with their times in seconds.

        start_s: time of the canvas's first slot. stop_s: end of the segment's audio; no word ends after it.
        """
        return [word for word, _ in self.spelled(text, start_s, stop_s)]

    def spelled(self, text: TimedTokens, start_s: float = 0.0, stop_s: float = math.inf) -> Iterator[tuple[Word, int]]:
        """The same, each word with the number of the text's tokens up to its end."""
        starts = [i for i, token in enumerate(text.ids) if i == 0 or starts_word(self.tokenizer.id_to_token(int(token)))]
        begins_s, ends_s = self.reader.spans_s(text.places)
        for first, stop in zip(starts, [*starts[1:], len(text.ids)][: len(starts)], strict=True):
            written = self.tokenizer.decode(text.ids[first:stop].tolist()).strip()
            if written:
                begin, end = (min(start_s + float(at), stop_s) for at in (begins_s[first], ends_s[stop - 1]))
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
