"""The one word error rate: its normalizer, and its counts by hand and against jiwer's own rate."""

import jiwer
import pytest

from unmask.benchmarks.measure.word_errors import WER_PERCENT, normalize, word_error_rate, word_errors


def test_errors_are_counted_after_the_normalizer() -> None:
    assert word_errors("he will not come", "He won't come, there!") == (1, 4)  # one inserted
    assert word_errors("two words", "") == (2, 2)
    assert word_error_rate(["MISTER QUILTER", "TWENTY FIVE"], ["Mr. Quilter", "25"]) == 0
    assert "Whisper" in WER_PERCENT


def test_words_have_no_case_and_no_punctuation() -> None:
    assert normalize("\u201cDon't\u201d, he said: stop\u2014NOW!") == "do not he said stop now"


def test_the_rate_is_of_all_words() -> None:
    references, texts = ["a b c", "d"], ["a x c", "d e"]
    assert word_error_rate(references, texts) == pytest.approx(2 / 4) == jiwer.wer(references, texts)


def test_words_where_nothing_was_said_are_errors() -> None:
    assert word_errors("", "x y") == word_errors("Um.", "x y") == (2, 0)
    assert word_error_rate(["a b", ""], ["a b", "x"]) == pytest.approx(1 / 2)
    assert word_error_rate([""], [""]) == 0
    assert word_error_rate([""], ["x"]) == 1
