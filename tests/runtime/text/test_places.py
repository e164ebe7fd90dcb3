"""Places: which rows of the embedding are added where."""

from dataclasses import replace
from pathlib import Path

import pytest

from unmask.bundle.manifest import Vocabulary, read_manifest
from unmask.bundle.task_template import AnswerSpan
from unmask.errors import InputError
from unmask.text.places import NONE, place_rows


def test_spans_and_codes_have_places(backbones: dict[str, Path]) -> None:
    plain = read_manifest(backbones["dream"])
    answer = (AnswerSpan(ids=(7,)), AnswerSpan("image", 2), AnswerSpan("text", 3, 1))
    assert place_rows(plain, [5, 11, 12], answer) is None
    ranges = {"text": (0, 10), "image": (10, 20)}
    known = replace(plain, vocabulary=Vocabulary(20, 0, ranges), places={"image": (20, 23), "text": (23, 26)})
    rows = place_rows(known, [11, 12, 5, 13, 13, 19, 4], answer)
    assert rows is not None
    assert rows.tolist() == [20, 21, NONE, 20, 21, 22, NONE, NONE, 20, 21, 23, 24, 25]
    with pytest.raises(InputError, match=r"4 positions of image are too many; .* knows 3 places"):
        place_rows(known, [11, 12, 13, 14], answer)
