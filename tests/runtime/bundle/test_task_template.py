"""Task templates: impossible layouts are refused, and lengths scale."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.bundle.dataclass_json import from_json
from unmask.bundle.task_template import AnswerSpan, Template
from unmask.errors import BundleError, InputError

VOICED = (AnswerSpan("text", 25), AnswerSpan(ids=(7,), published=True), AnswerSpan("speech", 102, 9))


@pytest.mark.parametrize("options", [{}, {"modality": "text"}, {"length": 3}, {"modality": "text", "length": 2, "ids": (1,)}])
def test_a_span_is_masks_or_ids(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="either a modality and a length, or given ids"):
        AnswerSpan(**options)


@pytest.mark.parametrize(
    ("prompt", "inputs", "answer", "message"),
    [
        ("say", {"text": "text"}, VOICED, "contains {text} exactly once"),
        ("{text} {text}", {"text": "text"}, VOICED, "contains {text} exactly once"),
        ("{text}", {"text": "text"}, (AnswerSpan(ids=(1,)),), "a span to fill"),
        ("{text}", {"text": "text"}, (), "a span to fill"),
    ],
)
def test_impossible_templates(prompt: str, inputs: dict[str, str], answer: tuple[AnswerSpan, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Template(prompt, inputs, answer)


def test_the_published_place_of_the_begin_of_audio_scales_with_the_length() -> None:
    """int(0.2 * N) after the prompt, as in Omni-Diffusion's inference code."""
    template = Template("{text}", {"text": "text"}, VOICED)
    for length in (128, 64, 50, 200):
        pieces = template.resized(length)
        assert abs(pieces[0].size - int(0.2 * length)) <= 1
        assert sum(piece.size for piece in pieces) == length
    assert template.resized(None) == VOICED


@given(length=st.integers(3, 400))
def test_resized_keeps_what_is_given(length: int) -> None:
    try:
        pieces = Template("{text}", {"text": "text"}, VOICED).resized(length)
    except InputError:
        assert length < 8
        return
    assert sum(piece.size for piece in pieces) == length
    assert [(p.modality, p.ids, p.end_id, p.published) for p in pieces] == [
        (p.modality, p.ids, p.end_id, p.published) for p in VOICED
    ]


def test_too_short_an_answer_is_refused() -> None:
    with pytest.raises(InputError, match="too few"):
        Template("{text}", {"text": "text"}, VOICED).resized(2)


def test_json_and_back() -> None:
    template = Template("a {text} b", {"text": "text"}, VOICED)
    raw = json.loads(json.dumps(dataclasses.asdict(template)))
    assert from_json(Template, raw, "t") == template
    with pytest.raises(BundleError, match=r"t\.answer\[0\]: unknown key 'lenght'; did you mean 'length'"):
        from_json(Template, {**raw, "answer": [{"modality": "text", "lenght": 3}]}, "t")
