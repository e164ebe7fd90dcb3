"""A request as words: numbers and times of day become one word each, whether they are said or written. Knows no model.

"from ten to twenty-five" and "from 10 to 25" are the same words. Fillers are left out, commas stay.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SMALL = {word: number for number, word in enumerate(UNITS)}
TEN = {word: 20 + 10 * index for index, word in enumerate(TENS)}
SCALES = ("hundred", "thousand")
FILLERS = {"uh", "um", "uhm", "er", "erm", "hmm", "mm", "ah"}
PIECES = re.compile(r"-?\d+:\d\d(?!\d)|-?\d[\d,]*(?:\.\d+)?|[^\W\d_]+(?:['’.][^\W\d_]+)*|%|°|,(?!\d)|_+|\d+", re.UNICODE)


@dataclass(frozen=True)
class Word:
    """A word of a request."""

    text: str  # lower case; a number or a time of day in figures
    shown: str  # as it was written
    number: float | None = None
    time: str | None = None  # HH:MM


def words_of(text: str) -> list[Word]:
    """The words of a text. Punctuation other than commas is left out."""
    return _times(_numbers(_plain(text)))


def spoken(number: float) -> str:
    """A number in words: 25 -> "twenty five". Numbers from a million on are written in figures."""
    if number < 0:
        return f"minus {spoken(-number)}"
    whole = int(number)
    if whole != number:
        digits = f"{number:.10g}".split(".")[1]
        return f"{spoken(whole)} point {' '.join(UNITS[int(d)] for d in digits)}"
    if whole >= 1_000_000:
        return str(whole)
    for scale, name in ((1000, "thousand"), (100, "hundred")):
        if whole >= scale:
            rest = f" {spoken(whole % scale)}" if whole % scale else ""
            return f"{spoken(whole // scale)} {name}{rest}"
    if whole < 20:
        return UNITS[whole]
    return TENS[whole // 10 - 2] + (f" {UNITS[whole % 10]}" if whole % 10 else "")


def _plain(text: str) -> list[Word]:
    found = []
    for piece in PIECES.findall(text):
        low = piece.lower().replace("’", "'").replace(".", "") if not piece[-1].isdigit() else piece
        low = {"%": "percent", "°": "degrees"}.get(low, low)
        if low and low not in FILLERS:
            found.append(Word(low, {"%": "percent", "°": "degrees"}.get(piece, piece)))
    return found


def _numbers(words: list[Word]) -> list[Word]:
    found, at = [], 0
    while at < len(words):
        value, stop = _number(words, at)
        if value is None:
            found.append(words[at])
            at += 1
        else:
            found.append(Word(f"{value:.10g}", " ".join(word.shown for word in words[at:stop]), number=value))
            at = stop
    return found


def _number(words: list[Word], at: int) -> tuple[float | None, int]:
    """The number that begins at a word, and the index after it; None for no number."""
    text = words[at].text
    if text in ("minus", "negative") and at + 1 < len(words):
        value, stop = _number(words, at + 1)
        return (None, at) if value is None else (-value, stop)
    if re.fullmatch(r"-?\d[\d,]*(\.\d+)?", text):
        return float(text.replace(",", "")), at + 1
    whole, stop = _whole(words, at)
    if whole is None:
        return None, at
    if stop + 1 < len(words) and words[stop].text == "point" and words[stop + 1].text in SMALL:
        digits, at = "", stop + 1
        while at < len(words) and SMALL.get(words[at].text, 10) < 10:
            digits, at = digits + str(SMALL[words[at].text]), at + 1
        return (float(f"{whole}.{digits}"), at) if digits else (float(whole), stop)
    if [word.text for word in words[stop : stop + 3]] == ["and", "a", "half"]:
        return whole + 0.5, stop + 3
    return float(whole), stop


def _whole(words: list[Word], at: int) -> tuple[int | None, int]:
    total = 0
    current: int | None = None
    if words[at].text == "a" and at + 1 < len(words) and words[at + 1].text in SCALES:
        current, at = 1, at + 1
    while at < len(words):
        text = words[at].text
        if text in SMALL or text in TEN:
            added = _joined(current, text)
            if added is None:
                break
            current = added
        elif text == "hundred" and current is not None and 0 < current < 10:
            current *= 100
        elif text == "thousand" and current is not None and not total:
            total, current = current * 1000, None
        elif text == "and" and _goes_on(words, at, total if current is None else current):
            pass
        else:
            break
        at += 1
    return (None, at) if current is None and not total else (total + (current or 0), at)


def _joined(current: int | None, text: str) -> int | None:
    """A word for a number below a hundred after `current`; None when it begins another number."""
    value = SMALL[text] if text in SMALL else TEN[text]
    if current is None:
        return value
    room = 100 if current % 100 == 0 and current else 10 if current % 10 == 0 and current % 100 >= 20 else 0
    if current == 0 or not 0 < value < room:
        return None
    return current + value


def _goes_on(words: list[Word], at: int, current: int | None) -> bool:
    """Whether an "and" is inside a number: one hundred and five, but not between one hundred and two hundred."""
    if (
        not current
        or current % 100
        or at + 1 >= len(words)
        or (words[at + 1].text not in SMALL and words[at + 1].text not in TEN)
    ):
        return False
    after = words[at + 2].text if at + 2 < len(words) else ""
    return after not in SCALES


def _times(words: list[Word]) -> list[Word]:
    found: list[Word] = []
    at = 0
    while at < len(words):
        minutes, stop = _time(words, at, found[-1].text if found else "")
        if minutes is None:
            found.append(words[at])
            at += 1
        else:
            time = f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
            found.append(Word(time, " ".join(word.shown for word in words[at:stop]), time=time))
            at = stop
    return found


def _time(words: list[Word], at: int, before: str) -> tuple[int | None, int]:
    """Minutes from midnight of the time of day that begins at a word, and the index after it."""
    text = [word.text for word in words[at : at + 4]] + [""] * 4
    for phrase, minutes in ((("half", "past"), 30), (("quarter", "past"), 15), (("quarter", "to"), -15)):
        if tuple(text[:2]) == phrase and (hour := _hour(words, at + 2)) is not None:
            return _with_half(60 * hour + minutes, words, at + 3)
    if re.fullmatch(r"\d{1,2}:[0-5]\d", text[0]) and int(text[0].split(":")[0]) < 24:
        hour, minute = map(int, text[0].split(":"))
        return _with_half(60 * hour + minute, words, at + 1)
    hour = _hour(words, at)
    if hour is None:
        return None, at
    if text[1] in ("o'clock", "oclock"):
        return _with_half(60 * hour, words, at + 2)
    if _half(words, at + 1)[0] is not None:
        return _with_half(60 * hour, words, at + 1)
    minute = at + 2 if text[1] == "," and not _listed(words, at + 3) else at + 1  # recognizers write a comma in "seven, fifteen"
    after = words[minute].number if minute < len(words) else None
    timely = before in ("at", "for") or _half(words, minute + 1)[0] is not None
    if timely and after is not None and 10 <= after < 60 and after % 1 == 0:
        return _with_half(int(60 * hour + after), words, minute + 1)
    return None, at


def _listed(words: list[Word], at: int) -> bool:
    """Whether another number follows, as in a list: 5, 10 and 15."""
    joined = [word.text in (",", "and", "or") for word in words[at : at + 2]]
    number = at + sum(joined)
    return bool(joined) and joined[0] and number < len(words) and words[number].number is not None


def _hour(words: list[Word], at: int) -> int | None:
    value = words[at].number if at < len(words) else None
    return int(value) if value is not None and value % 1 == 0 and 0 <= value < 24 else None


def _half(words: list[Word], at: int) -> tuple[str | None, int]:
    """am or pm at a word, also as two letters, and the index after it."""
    text = [word.text for word in words[at : at + 2]] + ["", ""]
    if text[0] in ("am", "pm"):
        return text[0], at + 1
    if text[0] in ("a", "p") and text[1] == "m":
        return f"{text[0]}m", at + 2
    return None, at


def _with_half(minutes: int, words: list[Word], at: int) -> tuple[int, int]:
    half, stop = _half(words, at)
    if half == "pm" and minutes < 12 * 60:
        minutes += 12 * 60
    if half == "am" and minutes >= 12 * 60:
        minutes -= 12 * 60
    return minutes, stop


def places_of(part: Sequence[str], words: Sequence[str]) -> list[range]:
    """Where a part stands among words, each time; nowhere if it is empty."""
    size = len(part)
    return [range(at, at + size) for at in range(len(words) - size + 1) if size and list(words[at : at + size]) == list(part)]


def label_of(words: list[Word]) -> str:
    """Words as a label: as they were written, with a capital at the beginning."""
    text = " ".join(word.shown for word in words).replace(" ,", ",")
    return text[:1].upper() + text[1:]


def without_case(word: Word) -> Word:
    """The word as recognized speech without letter case would have it."""
    return replace(word, shown=word.text)
