"""The prompt of a request: the pieces of its words, and the present panel. Knows ids and places; knows no model.

A model's vocabulary is the tokens of the slots, then the pieces of words, then rows of the embedding that stand for places: one
for each word of a request, one for each row of the present panel, and one for each position of the canvas.
"""

from collections.abc import Callable, Iterator, Sequence

from unmask.apps.ui.slots import IDS, NAMED, PARTLY_NAMED, REPEATED, ROWS, SIZE, WORDS
from unmask.apps.ui.surface import Panel, Row
from unmask.apps.ui.words import Word, places_of, words_of

PLACES = WORDS + ROWS + SIZE
Encode = Callable[[str], Sequence[int]]
"""A word -> ids of its pieces."""
LONGEST_LABEL = 12  # pieces of a label in the prompt
LONG_ENOUGH = 4  # letters of a word that names a row by itself
COMMON = {
    *("a", "an", "the", "and", "or", "also", "with", "without", "to", "for", "of", "on", "off", "in", "at", "by", "from", "up"),
    *("is", "are", "be", "being", "it", "its", "it's", "that", "this", "which", "where", "i", "we", "you", "me", "us", "my"),
    *("one", "some", "can", "as", "please", "too", "called", "named", "labeled", "between"),
    *("button", "slider", "switch", "field"),
}
"""Words that are said again without meaning the same."""


def prompt_of(words: Sequence[Word], panel: Panel | None, encode: Encode) -> tuple[list[int], list[int]]:
    """(N,) ids, and for each its place: the number of the word, or WORDS and the number of the panel's row.

    After a word that was said before stands a mark with the place of that word: in "eco or boost and boost is selected", what is
    selected is then found at once.
    """
    ids: list[int] = []
    places: list[int] = []
    for at, (word, before) in enumerate(zip(words[:WORDS], repeated(words), strict=False)):
        own = list(_word(word, encode))
        ids += own
        places += [at] * len(own)
        if before is not None:
            ids.append(IDS[REPEATED])
            places.append(before)
    said = [word.text for word in words]
    for at, row in enumerate(panel.rows if panel else ()):
        own = list(_row(row, said, encode))
        ids += own
        places += [WORDS + at] * len(own)
    return ids, places


def repeated(words: Sequence[Word]) -> list[int | None]:
    """For each word the earlier one that it says again: what follows in the same phrase, or else the first. None without any."""
    found: list[int | None] = []
    for at, word in enumerate(words):
        same = [i for i in range(at) if words[i].text == word.text]
        last = found[-1] if found else None
        if not same or word.number is not None or word.time is not None or word.text == ",":
            found.append(None)
        elif last is not None and last + 1 in same:
            found.append(last + 1)
        else:
            found.append(None if word.text in COMMON else same[0])
    return found


def _word(word: Word, encode: Encode) -> Iterator[int]:
    if word.time is not None:
        yield IDS["<time>"]
    elif word.number is not None:
        yield IDS.get(f"<{word.number:g}>", IDS["<number>"])
    else:
        yield from encode(word.text)


def _row(row: Row, said: Sequence[str], encode: Encode) -> Iterator[int]:
    """The row's type, whether the request names it, and the pieces of its label."""
    yield IDS[row.type]
    label = [word.text for word in words_of(row.label)]
    if places_of(label, said):
        yield IDS[NAMED]
    elif any(len(word) >= LONG_ENOUGH and word in said for word in label):
        yield IDS[PARTLY_NAMED]
    found = [i for word in row.label.lower().split() for i in encode(word)]
    yield from found[:LONGEST_LABEL]
