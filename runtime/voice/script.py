"""A text as it is said: cleaned as OmniVoice reads it, and cut into pieces. Knows characters. Knows no model."""

import re
from collections.abc import Iterable

_IDEOGRAPH = r"[\u4e00-\u9fff]"
_BESIDE = re.compile(rf"(?<={_IDEOGRAPH})\s+|\s+(?={_IDEOGRAPH})")
_CLAUSE_ENDS = frozenset(".,;:!?。，；：！？")
_SENTENCE_ENDS = frozenset(".!?。！？…\n")
_CLOSING = frozenset("\"'“”‘’）]》>」】")
_TEXT_ENDS = frozenset(";:,.!?…)]}\"'“”‘’；：，。！？、）】")
_ABBREVIATION = re.compile(
    r"(?:Mrs?|Ms|Dr|Prof|[SJ]r|Rev|Fr|Hon|Pres|Gov|Capt|Gen|Sen|Rep|Col|Maj|Lt|Cmdr|Sgt|Cpl|Co|Corp|Inc|Ltd|Est|Dept|St|Ave|Blvd|Rd"
    r"|Mt|Ft|No|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec|i\.e|e\.g|[vV]s|Etc|approx|fig|def)\."
)
SOUNDS = re.compile(
    r"(\[(?:laughter|sigh|confirmation-en|question-(?:en|ah|oh|ei|yi)|surprise-(?:ah|oh|wa|yo)|dissatisfaction-hnn)\])"
)
"""Sounds that are named in a text; each is tokenized on its own."""
SHORTEST = 3  # characters of a piece


def cleaned(text: str) -> str:
    """Without line ends, with one space for several and none beside ideographs, and with ASCII parentheses."""
    joined = re.sub(r"[\r\n]+", "", text).replace("\uff08", "(").replace("\uff09", ")")
    return _BESIDE.sub("", re.sub(r"[ \t]+", " ", joined))


def ended(text: str) -> str:
    """A transcript with an end mark."""
    text = text.strip()
    if not text or text[-1] in _TEXT_ENDS:
        return text
    return text + ("。" if re.search(_IDEOGRAPH, text) else ".")


def published_pieces(text: str, longest: int) -> list[str]:
    """Clauses joined to pieces of at most `longest` characters, as the published code cuts a text of more than 30 s."""
    return [piece.strip() for piece in _with_short(_joined(_cut(text, _CLAUSE_ENDS), longest)) if piece.strip()]


def sentences(text: str, longest: int) -> list[str]:
    """Sentences, and clauses or words of one that is longer than `longest` characters; none is shorter than three.

    A line end also ends a sentence.
    """
    found = list[str]()
    for sentence in _cut(text, _SENTENCE_ENDS):
        if len(sentence) <= longest:
            found.append(sentence)
            continue
        for clause in _cut(sentence, _CLAUSE_ENDS):
            words = [clause] if len(clause) <= longest else _joined(re.findall(r"\S+\s*|\s+", clause), longest)
            found += [part for word in words for part in _chopped(word, longest)]
    return [piece.strip() for piece in _with_short(piece for piece in found if piece.strip())]


def _chopped(word: str, longest: int) -> list[str]:
    """A run without spaces, as some languages are written."""
    return [word[i : i + longest] for i in range(0, len(word), longest)]


def _cut(text: str, ends: frozenset[str]) -> list[str]:
    """Stretches that end with one of the marks and with what closes after it. Their points after abbreviations end nothing."""
    found, current = list[str](), ""
    for character in text:
        if not current and found and (character in ends or character in _CLOSING):
            found[-1] += character
            continue
        current += character
        if character in ends and not (character == "." and _ABBREVIATION.fullmatch(current.split()[-1])):
            found.append(current)
            current = ""
    return [*found, current] if current else found


def _joined(parts: Iterable[str], longest: int) -> list[str]:
    found = list[str]()
    for part in parts:
        if found and len(found[-1]) + len(part) <= longest:
            found[-1] += part
        else:
            found.append(part)
    return found


def _with_short(pieces: Iterable[str]) -> list[str]:
    """Pieces of fewer than three characters join the one before; the first joins the one after it."""
    found = list[str]()
    for i, piece in enumerate(pieces):
        if found and (len(piece) < SHORTEST or (i == 1 and len(found[0]) < SHORTEST)):
            found[-1] += piece
        else:
            found.append(piece)
    return found
