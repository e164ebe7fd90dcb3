"""Read a list of words that recordings may contain: one word or phrase a line, and its weight after a |.

Knows files. Knows no tokens and no model.
"""

from pathlib import Path

from unmask.errors import InputError
from unmask.speech.words import WEIGHT, Phrase

MOST = 1000  # phrases: each adds tokens that every pass of the decoder has to weigh
LARGEST_BYTES = 1 << 20


def read_word_list(path: Path) -> tuple[Phrase, ...]:
    """The phrases of a UTF-8 text file. Empty lines, and lines that begin with #, are comments.

    A phrase that is listed twice counts with its higher weight. Raises InputError that names the file and the line.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST_BYTES + 1)
        lines = text.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: the list of words cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8; save the list of words as UTF-8 text") from error
    phrases = [_phrase(line, f"{path}, line {i}") for i, line in enumerate(lines, 1) if line.strip() and line.lstrip()[0] != "#"]
    if not phrases:
        raise InputError(f"{path}: no words in it; write one word or phrase a line")
    if len(text) > LARGEST_BYTES or len(phrases) > MOST:
        raise InputError(f"{path}: more than {MOST} phrases; list only those that this recording may contain")
    return tuple(phrases)


def _phrase(line: str, where: str) -> Phrase:
    text, separated, weight = line.partition("|")
    try:
        return Phrase(" ".join(text.split()), float(weight) if separated else WEIGHT)
    except ValueError as error:
        raise InputError(f"{where}: the weight {weight.strip()!r} is no number; write a phrase, or PHRASE | WEIGHT") from error
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
