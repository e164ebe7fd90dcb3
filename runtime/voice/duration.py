"""How long a text is said: OmniVoice's rule, by the characters. Knows characters and frames. Knows no model.

A rule and not the model decides it: the canvas has its length before the first pass.
"""

import bisect
import unicodedata
from functools import lru_cache

PACE = "Nice to meet you.", 25  # a text, and its frames
SHORT = 50.0  # frames; shorter ones are drawn towards this many by a cube root
LETTER, SPACE, MARK, PUNCTUATION, DIGIT, IDEOGRAPH = 1.0, 0.2, 0.0, 0.5, 3.5, 3.0
TATWEEL, IDEOGRAPHS = 0x0640, 0x20000

# Last code point of a stretch of scripts, and what a letter of it weighs; a Latin letter weighs 1.
_STRETCHES = (
    (0x058F, 1.0),  # Latin, Greek, Cyrillic, Armenian
    (0x08FF, 1.5),  # Hebrew, Arabic
    (0x0DFF, 1.8),  # scripts of India
    (0x0EFF, 1.5),  # Thai, Lao
    (0x109F, 1.8),  # Tibetan, Myanmar
    (0x10FF, 1.0),  # Georgian
    (0x11FF, 2.5),  # Hangul
    (0x139F, 3.0),  # Ethiopic
    (0x177F, 1.0),
    (0x17FF, 1.8),  # Khmer
    (0x18FF, 1.0),
    (0x1C7F, 1.8),  # scripts of Southeast Asia
    (0x1CBF, 1.0),
    (0x1CFF, 1.8),
    (0x1EFF, 1.0),
    (0x30FF, 2.2),  # kana
    (0x312F, 3.0),  # Bopomofo
    (0x318F, 2.5),  # Hangul
    (0xA4CF, 3.0),  # ideographs, Yi
    (0xA7FF, 1.0),
    (0xA82F, 1.8),
    (0xA87F, 1.0),
    (0xA95F, 1.8),
    (0xA97F, 2.5),  # Hangul
    (0xAAFF, 1.8),  # Javanese and others
    (0xAB2F, 3.0),  # Ethiopic
    (0xABBF, 1.0),
    (0xABFF, 1.8),
    (0xD7AF, 2.5),  # Hangul
    (0xFAFF, 3.0),  # ideographs
    (0xFDFF, 1.5),  # Arabic forms
    (0xFE6F, 1.0),
    (0xFEFF, 1.5),  # Arabic forms
    (0xFFEF, 1.0),
)
_ENDS = [end for end, _ in _STRETCHES]


def weight(text: str) -> float:
    """The weights of all characters of a text."""
    return sum(map(_weight, text))


@lru_cache(4096)
def _weight(character: str) -> float:
    code, kind = ord(character), unicodedata.category(character)
    if character == " " or kind[0] == "Z":
        return SPACE
    if code == TATWEEL or kind[0] == "M":
        return MARK
    if kind[0] in "PS":
        return PUNCTUATION
    if kind[0] == "N":
        return DIGIT
    at = bisect.bisect_left(_ENDS, code)
    if at < len(_ENDS):
        return _STRETCHES[at][1]
    return IDEOGRAPH if code > IDEOGRAPHS else LETTER


def estimate(text: str, transcript: str | None = None, frames: int = 0) -> float:
    """Frames of a text at the pace of a voice, not rounded.

    transcript, frames: what a reference voice says, and its frames. Without them, or where the transcript weighs nothing, the
    pace is the rule's own. (The published code says any text in one frame after a transcript without weight.)
    """
    if not (transcript and frames and weight(transcript)):
        transcript, frames = PACE
    length = weight(text) / (weight(transcript) / frames)
    return SHORT * (length / SHORT) ** (1 / 3) if length < SHORT else length


def frames_of(text: str, transcript: str | None = None, frames: int = 0, speed: float = 1.0) -> int:
    """Frames of a text: at least 1. speed: above 1 is faster."""
    return max(1, int(estimate(text, transcript, frames) / speed))
