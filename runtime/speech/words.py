"""Words with times, the tokens that spell them, and words that the caller expects.

Knows tokens. Knows no model and no audio.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.decoding.draft import Draft
from unmask.errors import InputError

UNSURE = 0.3
MOSTLY = 0.35  # of the words; `benchmarks/lab/nonspeech.py` measures what English and other languages reach
FEWEST_WORDS = 12
WEIGHT = 2.0
HEAVIEST = 20.0
LONGEST_PHRASE = 100  # letters


@dataclass(frozen=True)
class TimedTokens:
    """A text with the place of each token in the sound. Arrays of one length, read-only by convention."""

    ids: NDArray[np.int64]  # (M,)
    places: NDArray[np.float64]  # (M,) in encoder states, fractional and non-decreasing
    confidence: NDArray[np.float32]  # (M,) probability of each token when it was last computed

    def as_draft(self, final: int = 0, trusted_until: float = math.inf) -> Draft:
        """The text as a draft; the options are those of `Draft`."""
        return Draft(self.ids, self.confidence, self.places, final, trusted_until)


@dataclass(frozen=True)
class Word:
    """One word and its time in the recording."""

    text: str
    start_s: float  # seconds since the start of the recording
    end_s: float
    confidence: float  # lowest probability of its tokens


@dataclass(frozen=True)
class Phrase:
    """A word or a few that a recording may contain, as they are to be written. Checked on construction; raises InputError."""

    text: str
    weight: float = WEIGHT
    """Nats by which each token is raised where the phrase is possible: at 2, it counts as 7 times as likely."""

    def __post_init__(self) -> None:
        if not any(map(str.isalnum, self.text)) or not self.text.isprintable() or len(self.text) > LONGEST_PHRASE:
            raise InputError(f"{self.text!r} is no phrase; one has letters or digits, and at most {LONGEST_PHRASE} characters")
        if not 0 < self.weight <= HEAVIEST:
            raise InputError(f"the weight of {self.text!r} is {self.weight:g}; above 0 and at most {HEAVIEST:g} are possible")

    def spelled(self, tokenizer: Tokenizer) -> Iterator[tuple[list[int], float]]:
        """Ids and weight of each way to write it after a space: a phrase all in lower case also begins sentences."""
        plain = " ".join(self.text.split())
        for text in dict.fromkeys((plain, plain[0].upper() + plain[1:] if plain.islower() else plain)):
            yield tokenizer.encode(text, add_special_tokens=False).ids, self.weight


def unsure_share(words: Sequence[Word]) -> float:
    """Share of words that the model itself hardly believes; 0 without words."""
    return sum(word.confidence < UNSURE for word in words) / len(words) if words else 0.0


def mostly_unsure(words: Sequence[Word]) -> bool:
    """Whether a recording does not sound like the language of the model. A few words alone say nothing."""
    return len(words) >= FEWEST_WORDS and unsure_share(words) >= MOSTLY


def starts_word(token: str | None) -> bool:
    """Whether a token begins with a space, as BPE over bytes or over characters writes one."""
    return (token or "").startswith(("\u0120", "\u2581"))


def splice(draft: Draft, heard: TimedTokens) -> TimedTokens:
    """The trusted and final tokens of a draft (with places), followed by the heard text after them."""
    assert draft.places is not None
    old = (draft.places < draft.trusted_until) | (np.arange(len(draft.ids)) < draft.final)
    last = draft.places[old].max(initial=-1.0)
    new = heard.places >= max(draft.trusted_until, last)
    return TimedTokens(
        np.concatenate([draft.ids[old], heard.ids[new]]),
        np.concatenate([draft.places[old], heard.places[new]]),
        np.concatenate([draft.confidence[old], heard.confidence[new]]),
    )
