"""The prompt of a request: the pieces of its words, and the present panel. Knows ids and places; knows no model.

A model's vocabulary is the tokens of the slots, then the pieces of words, then rows of the embedding that stand for places: one
for each word of a request, one for each row of the present panel, and one for each position of the canvas.
"""

from collections.abc import Callable, Iterator, Sequence

from unmask.apps.ui.slots import IDS, ROWS, SIZE, WORDS
from unmask.apps.ui.surface import Panel, Row
from unmask.apps.ui.words import Word

PLACES = WORDS + ROWS + SIZE
Encode = Callable[[str], Sequence[int]]
"""A word -> ids of its pieces."""
LONGEST_LABEL = 12  # pieces of a label in the prompt


def prompt_of(words: Sequence[Word], panel: Panel | None, encode: Encode) -> tuple[list[int], list[int]]:
    """(N,) ids, and for each its place: the number of the word, or WORDS and the number of the panel's row."""
    ids: list[int] = []
    places: list[int] = []
    for at, word in enumerate(words[:WORDS]):
        own = list(_word(word, encode))
        ids += own
        places += [at] * len(own)
    for at, row in enumerate(panel.rows if panel else ()):
        own = list(_row(row, encode))
        ids += own
        places += [WORDS + at] * len(own)
    return ids, places


def _word(word: Word, encode: Encode) -> Iterator[int]:
    if word.time is not None:
        yield IDS["<time>"]
    elif word.number is not None:
        yield IDS.get(f"<{word.number:g}>", IDS["<number>"])
    else:
        yield from encode(word.text)


def _row(row: Row, encode: Encode) -> Iterator[int]:
    yield IDS[row.type]
    found = [i for word in row.label.lower().split() for i in encode(word)]
    yield from found[:LONGEST_LABEL]
