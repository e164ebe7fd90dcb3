"""Words with times, and how tokens spell them.

Knows byte-level tokens. Knows no model and no audio.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.decoding.canvas import Draft


@dataclass(frozen=True)
class TimedTokens:
    """A text with the place of each token on its canvas. Arrays of one length, read-only by convention."""

    ids: NDArray[np.int64]
    places: NDArray[np.float64]  # positions on the canvas, never falling
    confidence: NDArray[np.float32]  # the probability of each token where it was last looked at

    def as_draft(self, final: int = 0, trusted_until: float = math.inf, earliest: float = 0.0) -> Draft:
        """To start from or to correct; see `Draft` for what the options mean."""
        return Draft(self.ids, self.confidence, self.places, final, trusted_until, earliest)


@dataclass(frozen=True)
class Word:
    text: str
    start_s: float  # since the start of the recording, to a slot's precision
    end_s: float
    confidence: float  # lowest probability of its tokens


def respelled(text: TimedTokens, tokenizer: Tokenizer) -> TimedTokens:
    """The same text in the tokens that its tokenizer makes of it: a canvas may write a rare word in pieces.

    A token takes the place of the piece that it begins with, and the confidence of the least sure that it covers.
    """
    ids = np.array(tokenizer.encode(tokenizer.decode(text.ids.tolist()), add_special_tokens=False).ids, dtype=np.int64)
    old, new = (np.cumsum(lengths(some, tokenizer)) for some in (text.ids, ids))  # ends, in bytes
    if not len(ids) or old[-1] != new[-1] or np.array_equal(ids, text.ids):  # part of a letter cannot be written and read again
        return text
    first, last = np.searchsorted(old, np.concatenate(([0], new[:-1])), "right"), np.searchsorted(old, new, "left")
    sure = np.array([text.confidence[a : b + 1].min() for a, b in zip(first, last, strict=True)], dtype=np.float32)
    return TimedTokens(ids, text.places[first], sure)


def lengths(ids: NDArray[np.int64], tokenizer: Tokenizer) -> NDArray[np.int64]:
    """How long each token is, in bytes, the space before it included."""
    return np.array([len(tokenizer.id_to_token(int(i)) or "") for i in ids], dtype=np.int64)


def starts_word(token: str | None) -> bool:
    """Whether a token begins with a space, as byte-level BPE writes one."""
    return (token or "").startswith("\u0120")
