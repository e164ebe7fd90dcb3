"""How long each token of text is said, in codes, and a sentence said at that pace.

A token keeps its length wherever it stands, so that a canvas of speech is as long as its text says, each of its places belongs to
one token, and a word has nearly the same codes in every sentence. Knows the tokens of text and the voice. Knows no codes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from unmask.export.codecs.hibari import CODE_FRAMES
from unmask.training.codecs.voice import UNIT_FRAMES, Floats, Voice
from unmask.training.omni.vocabulary import END, SAY, SPACE

UNITS = CODE_FRAMES // UNIT_FRAMES  # of the voice in a code
COMMA = ","
PAUSES = {SAY: 2, COMMA: 4, END: 6}
"""Codes of what is not a word: silence, and the lengthening of the word before a pause."""
GAP, SILENCE, BREATH = 2, 4, (3, 2)  # units after a word, after the last, and of a comma and the gap after it
LAST = 3  # units at most of the last phoneme of a sentence: what is longer is a pause


@dataclass(frozen=True)
class Sentence:
    """A text in pieces that are said: its tokens, and the phonemes of those that have some."""

    tokens: tuple[str, ...]
    phonemes: tuple[str, ...]


def pronounced(voice: Voice, tokenizer: Tokenizer, text: str) -> Sentence:
    """A text as it is said. A word that is no token is spelled. Raises ValueError when the voice does not read word by word."""
    tokens = [token for token in tokenizer.encode(text).tokens if token in (COMMA, SPACE) or token.strip(SPACE).isalnum()]
    whole = list[str]()
    for token in tokens:
        if token == COMMA:
            whole[-1] += COMMA
        elif token.startswith(SPACE):
            whole.append(token[1:] or "thing")
    said = iter(voice.words(" ".join(whole)))
    found = []
    for token in tokens:
        alone = next(said) if token.startswith(SPACE) else ""
        found.append(voice.letter(token) if token.isalnum() else "" if token == SPACE else alone)
    kept = [(token, phonemes) for token, phonemes in zip(tokens, found, strict=True) if token != SPACE]
    return Sentence((SAY, *(token for token, _ in kept), END), ("", *(phonemes for _, phonemes in kept), ""))


class Pace:
    """The codes of each token. `frames` says a sentence with them."""

    def __init__(self, codes: Mapping[str, int], shares: Mapping[str, Sequence[float]]) -> None:
        """codes: of each token. shares: phonemes of a word -> the natural duration of each."""
        self.codes, self.shares = dict(codes), {name: list(share) for name, share in shares.items()}

    @classmethod
    def measured(cls, voice: Voice, sentences: Iterable[Sentence]) -> "Pace":
        """The mean of each token's natural durations, in whole codes."""
        lengths, shares = defaultdict[str, list[float]](list), defaultdict[str, list[Floats]](list)
        for sentence in sentences:
            words = [(token, said) for token, said in zip(sentence.tokens, sentence.phonemes, strict=True) if said]
            natural = voice.natural(" ".join(said for _, said in words))
            natural[-2] = min(natural[-2], LAST)
            at = 1
            for token, said in words:
                own = natural[at : at + len(said)]
                shares[said].append(own)
                lengths[token].append(float(own.sum()) + GAP)
                at += len(said) + 1
        codes = {token: max(1, round(float(np.mean(own)) / UNITS)) for token, own in lengths.items()}
        return cls({**PAUSES, **codes}, {phonemes: np.mean(own, 0).tolist() for phonemes, own in shares.items()})

    def slots(self, tokens: Iterable[str]) -> list[tuple[str, int]]:
        """(token, place in it) of each code of a text."""
        said = (SAY, *tokens, END)
        return [(token, i) for token in said for i in range(self.codes.get(token, 0))]

    def frames(self, voice: Voice, sentence: Sentence) -> Floats:
        """(CODE_FRAMES * codes, FRAME_NUMBERS)"""
        said, durations = "", [UNITS * self.codes[SAY]]
        for token, phonemes in zip(sentence.tokens[1:], sentence.phonemes[1:], strict=True):
            units = UNITS * self.codes[token]
            if phonemes:
                gap = min(GAP, units - len(phonemes))
                durations += [*spread(self.shares.get(phonemes, [1.0] * len(phonemes)), units - gap), gap]
                said += phonemes + " "
            else:  # the word before it is longer, and its gap is a part of the pause
                pause = BREATH if token == COMMA else (SILENCE,)
                gap = durations.pop()
                durations[-1] += units + gap - sum(pause)
                durations += pause
                said = said[:-1] + (", " if token == COMMA else "")
        return voice.frames(said, durations)


def spread(weights: Sequence[float], total: int) -> list[int]:
    """Whole numbers of this total, each at least 1, and in proportion to the weights but for rounding."""
    shares = np.maximum(np.asarray(weights, np.float64), 1e-6)
    whole = np.maximum(1, np.floor(shares * total / shares.sum())).astype(int)
    while (left := total - int(whole.sum())) != 0:
        error = whole - shares * total / shares.sum()
        whole[int(error.argmin()) if left > 0 else int(np.where(whole > 1, error, -np.inf).argmax())] += np.sign(left)
    return [int(number) for number in whole]
