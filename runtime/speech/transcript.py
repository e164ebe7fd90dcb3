"""Speech to text with a transcript bundle: one pass drafts the text of a whole segment, and a causal decoder checks it.

The draft fills masked slots of the audio, each with a token or with none. A place is an encoder state, fractional.
Knows bundles with transcript graphs. Knows no files, no microphone and no screen.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.graph_spec import missing_roles
from unmask.decoding.denoiser import Step, TopKScores
from unmask.decoding.draft import Draft
from unmask.decoding.listed_phrases import ListedPhrases
from unmask.decoding.schedule import Schedule
from unmask.decoding.speculative import TokenSequence, VerifyStep, verify
from unmask.engines.engine import Engine
from unmask.errors import AudioError, BundleError, NumberError
from unmask.speech.passes import as_step, in_budget
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.spoken import NEAR_S, drafted_after, most_tokens, spoken
from unmask.speech.words import Phrase, TimedTokens, splice

TASK = "caption"
SPARE_TOKENS = 2  # of a text, beyond `Transcript.tokens_per_second`
LONGEST_TOKEN_S = 0.4
SAID = 0.9  # of the time from a token's place to the next one's: both fit an alignment of phonemes best on training speech
SHORTEST_SAMPLES = 2000  # the encoder's convolutions need some
UNLISTED = ListedPhrases(())


@dataclass(frozen=True)
class Decoded:
    """The text of one segment and what it cost."""

    text: TimedTokens
    passes: int
    rows: int


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording, encoded: the draft of its text, and the decoder that checks it."""

    start_s: float  # seconds since the start of the recording
    audio_s: float
    samples: NDArray[np.float32]  # (N,) at 16 kHz, what was encoded
    draft: Draft
    decoder: "TranscriptDecoder"
    proposed: Draft | None = None
    """What is checked instead of the draft, which says all the same whether the text was spoken."""


OnStep = Callable[[Segment, Step], None]


class TranscriptDecoder:
    """The window graph for one segment. Implements `unmask.decoding.speculative.Verifier`. Not thread-safe.

    context: `cross_k` and `cross_v` of the context graph, (L, H, T, d / H), used in place on every pass. phrases: raised where
    they are possible.
    """

    def __init__(
        self, engine: Engine, start_id: int, context: Mapping[str, NDArray[np.float32]], phrases: ListedPhrases = UNLISTED
    ) -> None:
        self._engine, self._start, self.phrases = engine, start_id, phrases
        self._cross = {name: context[name] for name in ("cross_k", "cross_v")}
        self.reset()

    def reset(self) -> None:
        layers, heads, _, size = self._cross["cross_k"].shape
        self._k = self._v = np.zeros((layers, 0, heads * size), np.float32)
        self.places = np.zeros(0, np.float32)
        """(R,) where the token after each row that was read last is heard: the first is the text's first token."""

    def next_token_scores(self, ids: NDArray[np.int64], known: int) -> TopKScores:
        read = np.concatenate(([self._start], ids))[known:]
        past = {"past_k": self._k[:, :known], "past_v": self._v[:, :known]}
        positions = np.arange(known, known + len(read))
        rows: dict[str, NDArray[Any]] = {"rows": self._engine.embed(read), "positions": positions, "listed": self.phrases.ids}
        made = self._engine.run("window", {**rows, **self._cross, **past})
        self._k = np.concatenate((past["past_k"], made["k"]), 1)
        self._v = np.concatenate((past["past_v"], made["v"]), 1)
        self.places = np.concatenate((self.places[:known], made["place"]))
        scores = TopKScores(made["ids"], made["logits"], made["logsumexp"], np.zeros_like(made["logsumexp"]))
        return self.phrases.raised(scores, made["listed_logits"], self.phrases.raises(ids, known))


class TranscriptReader:
    """Reads the sound of segments and writes their texts."""

    def __init__(self, engine: Engine, words: Sequence[Phrase] = ()) -> None:
        """words: raised wherever they are possible. Raises BundleError for a bundle that lacks a part."""
        bundle = engine.bundle
        if lacking := missing_roles(bundle.manifest):
            raise BundleError(f"{bundle.folder}: a captioner needs {' and '.join(lacking)}, which {bundle.manifest.name} lacks")
        if bundle.manifest.transcript is None:
            raise BundleError(f"{bundle.folder}: its manifest has no record of its transcript; export it again")
        self.bundle, self.engine, self.transcript = bundle, engine, bundle.manifest.transcript
        self._words = words
        self.place_s = self.transcript.samples_per_state / SAMPLE_RATE_HZ
        self.longest_s = self.transcript.longest_s

    def expect(self, words: Sequence[Phrase]) -> None:
        """Raise these words instead, in segments that are encoded from now on."""
        self._words = words
        self.__dict__.pop("phrases", None)

    @cached_property
    def phrases(self) -> ListedPhrases:
        """The words in the bundle's tokens."""
        return ListedPhrases(way for phrase in self._words for way in phrase.spelled(self.bundle.tokenizer))

    def encode(self, samples: NDArray[np.float32], start_s: float = 0.0) -> Segment:
        audio_s = len(samples) / SAMPLE_RATE_HZ
        if audio_s > self.longest_s:
            raise AudioError(f"{audio_s:.1f} s exceed a segment of {self.longest_s:g} s; cut it")
        padded = np.pad(samples, (0, max(0, SHORTEST_SAMPLES - len(samples))))
        heard = self.engine.run("context", {"samples": padded[None].astype(np.float32, copy=False)})
        if not np.isfinite(heard["sure"]).all():
            raise NumberError(
                "the draft has numbers that are not finite, so nothing is written by it: the weights are damaged, or the device "
                "overflows; export the bundle again, or choose another --engine"
            )
        none = self.bundle.manifest.vocabulary.mask_id
        draft = read_slots(heard["draft"], heard["sure"], none, self.transcript.states_per_slot)
        decoder = TranscriptDecoder(self.engine, self.transcript.start_id, heard, self.phrases)
        return Segment(start_s, audio_s, samples, draft, decoder)

    def steps(self, segment: Segment, schedule: Schedule | None = None) -> Iterator[Step]:
        before = 0
        for check in self.checks(segment, schedule):
            yield as_step(check, check.number, before, self.bundle.manifest.vocabulary.mask_id)
            before = check.agreed

    def checks(self, segment: Segment, schedule: Schedule | None = None, draft: Draft | None = None) -> Iterator[VerifyStep]:
        """Check a draft, by default the segment's own; a VerifyStep after each pass. Obeys `budget_ms` but for the first.

        If `verify` is 0, the one step is the draft as it is.
        """
        chosen, draft = schedule or self.bundle.schedule(TASK), draft or segment.proposed or segment.draft
        if not chosen.verify:
            unchecked = TokenSequence(draft.ids, draft.confidence)
            return iter((VerifyStep(1, len(draft.ids), unchecked, done=True, rows=0, seconds=0.0),))
        longest = int(self.transcript.tokens_per_second * segment.audio_s) + SPARE_TOKENS
        slot = self.transcript.states_per_slot
        drafted = drafted_after(segment.draft, draft, slot, NEAR_S / self.place_s)
        if slot:
            if not len(drafted):
                settled = TokenSequence(draft.ids, draft.confidence)[: draft.final]
                return iter((VerifyStep(1, draft.final, settled, done=True, rows=0, seconds=0.0),))
            longest = min(longest, draft.final + most_tokens(drafted) + 1)
        passes = verify(
            draft,
            segment.decoder,
            self.transcript.end_id,
            chosen.verify,
            chosen.verify_accept_ratio,
            ahead=chosen.verify_lookahead,
            longest=longest,
        )
        passes = in_budget(passes, chosen.budget_ms)
        return spoken(passes, drafted, draft.final) if slot else passes

    def decode(
        self, segment: Segment, schedule: Schedule | None = None, draft: Draft | None = None, on_step: OnStep | None = None
    ) -> Decoded:
        """draft: text that is known already, with places. Its trusted and final tokens replace the segment's own draft there."""
        if draft is not None:
            draft = splice(draft, as_text(segment.draft)).as_draft(draft.final)
        rows, before, mask_id = 0, 0, self.bundle.manifest.vocabulary.mask_id
        for check in self.checks(segment, schedule, draft):
            rows += check.rows
            if on_step is not None:
                on_step(segment, as_step(check, check.number, before, mask_id))
            before = check.agreed
        heard = segment.decoder.places[:before] if rows else as_text(draft or segment.draft).places[:before]
        places = rising(heard.astype(np.float64))
        return Decoded(TimedTokens(check.text.ids[:before], places, check.text.confidence[:before]), check.number, rows)

    def spans_s(self, places: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """When successive tokens are said: each begins at its place and ends shortly before the next one's."""
        ends = np.append(places[:-1] + SAID * np.diff(places), np.inf)
        return places * self.place_s, np.minimum(ends, places + LONGEST_TOKEN_S / self.place_s) * self.place_s


def rising(heard: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M,) places as they were heard -> rising ones.

    They differ least from the given ones in squares (isotonic regression by pooling neighbors, Ayer et al. 1955); tokens that
    would then share a place are spread over the stretch between their neighbors.
    """
    pools: list[tuple[float, int]] = []  # (mean place, number of tokens)
    for place in heard.tolist():
        pools.append((place, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (first, count), (second, more) = pools[-2:]
            pools[-2:] = [((first * count + second * more) / (count + more), count + more)]
    means = np.array([mean for mean, _ in pools])
    borders = (means[:-1] + means[1:]) / 2
    found: list[float] = []
    for i, (mean, count) in enumerate(pools):
        reach = min(mean, *(abs(border - mean) for border in borders[max(0, i - 1) : i + 1]), count)
        found += [mean] if count == 1 else (mean + reach * np.linspace(-1, 1, 2 * count + 1)[1::2]).tolist()
    return np.array(found)


def as_text(draft: Draft) -> TimedTokens:
    """A draft with places as a text."""
    assert draft.places is not None
    return TimedTokens(draft.ids, draft.places, draft.confidence)


def read_slots(ids: NDArray[np.int64], sure: NDArray[np.float32], none: int, states_per_slot: int) -> Draft:
    """(S,) the best id of each slot, with its probability -> the draft of a text. Equal neighbors are one token.

    none: the id of an empty slot.
    """
    slots = np.flatnonzero((ids != none) & (ids != np.concatenate(([none], ids[:-1]))))
    return Draft(ids[slots], sure[slots], (slots.astype(np.float64) + 0.5) * states_per_slot)
