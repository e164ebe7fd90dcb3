"""Lists of words: what a line may be, and errors that name it."""

from pathlib import Path

import pytest

from unmask.apps.captions.word_list import MOST, read_word_list
from unmask.errors import InputError
from unmask.speech.words import WEIGHT, Phrase


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "names.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_lines_are_phrases_with_weights(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff# people\n\nDashwood\r\n  Lady   Catherine |2.5\nC# | 6\n")
    assert read_word_list(path) == (Phrase("Dashwood", WEIGHT), Phrase("Lady Catherine", 2.5), Phrase("C#", 6.0))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Anne\nBingley|many\n", r"names\.txt, line 2: the weight 'many' is no number; write a phrase, or PHRASE \| WEIGHT"),
        ("Anne\n\nBingley | 0\n", r"line 3: the weight of 'Bingley' is 0; above 0 and at most 20 are possible"),
        ("Anne|nan\n", "line 1: the weight of 'Anne' is nan"),
        ("Anne|inf\n", "line 1: the weight of 'Anne' is inf"),
        ("Anne|\n", "line 1: the weight '' is no number"),
        ("--\n", "line 1: '--' is no phrase; one has letters or digits"),
        ("|3\n", "line 1: '' is no phrase"),
        ("a" * 101, "line 1: 'a+' is no phrase; one has letters or digits, and at most 100 characters"),
        ("Anne\x07\n", "line 1: 'Anne.x07' is no phrase"),
        (b"Anne\nZo\xeb\n", "line 2: not UTF-8; save the list of words as UTF-8 text"),
        ("# nothing\n\n", "no words in it; write one word or phrase a line"),
        ("word\n" * (MOST + 1), "more than 1000 phrases"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_word_list(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the list of words cannot be read"):
        read_word_list(tmp_path / "none.txt")
