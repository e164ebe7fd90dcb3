"""How likely an answer is: the sampler's own probabilities, taken another way."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unmask import Generator, load_bundle
from unmask.decoding.denoiser import TopKScores
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError
from unmask.text.likelihood import found, log_likelihood

ONE_PASS = Schedule(passes=1, rule="quota")


@pytest.fixture(scope="module")
def everything(omni: Path) -> Generator:
    return Generator(load_bundle(omni))


@pytest.fixture(scope="module")
def drawing(everything: Generator) -> Generator:
    """The same without unconditional prompts, whose pictures have 9 codes."""
    manifest = everything.bundle.manifest
    template = manifest.templates["t2i"]
    span = next(span for span in template.answer if span.modality == "image")
    alone = replace(template, answer=(replace(span, length=9),), unconditional=None)
    return Generator(replace(everything.bundle, manifest=replace(manifest, templates={**manifest.templates, "t2i": alone})))


def test_the_answer_of_one_pass_is_as_likely_as_its_step_says(drawing: Generator) -> None:
    request = drawing.request("t2i", {"text": "a cat"})
    (step,) = drawing.steps(request, ONE_PASS)
    (codes,) = (codes for name, codes in drawing.read(request, step.ids).codes.items() if name == "image")
    expected = np.log(step.confidence[request.canvas.spans[0].start :][:9]).mean()
    own = log_likelihood(drawing, "t2i", {"text": "a cat"}, codes)
    assert own == pytest.approx(expected, abs=1e-5)
    other = [(code + 1) % 8192 for code in codes]
    assert log_likelihood(drawing, "t2i", {"text": "a cat"}, other) < own


def test_what_the_model_expects_without_the_text_is_taken_away(drawing: Generator) -> None:
    plain = drawing.bundle.manifest.templates["t2i"]
    away = replace(plain, unconditional=plain.prompt.replace("{text}", "a cat"))
    manifest = replace(drawing.bundle.manifest, templates={"t2i": away})
    guided = Generator(replace(drawing.bundle, manifest=manifest), engine=drawing.engine)
    codes = list(range(9))
    assert log_likelihood(guided, "t2i", {"text": "a cat"}, codes) == pytest.approx(0, abs=1e-5)
    difference = [log_likelihood(drawing, "t2i", {"text": text}, codes) for text in ("two dogs", "a cat")]
    assert log_likelihood(guided, "t2i", {"text": "two dogs"}, codes) == pytest.approx(difference[0] - difference[1], abs=1e-5)


def test_an_id_that_is_not_listed_counts_as_the_last_one() -> None:
    scores = TopKScores(
        np.array([[4, 7, 1], [4, 7, 1]]),
        np.array([[3, 2, 1], [3, 2, -np.inf]], np.float32),
        np.array([4, 4], np.float32),
        np.zeros(2, np.float32),
    )
    assert found(scores, np.array([7, 7])).tolist() == [-2, -2]
    assert found(scores, np.array([9, 9])).tolist() == [-3, -2]


@pytest.mark.parametrize(
    ("task", "answer", "message"),
    [
        ("t2i", [1, 2], "has 2 tokens; task t2i answers in 9"),
        ("t2i", "a cat", "answers in image codes; give codes"),
        ("t2i", [8192] * 9, "code to score is out of range; there are 0 to 8191"),
        ("vqa", [1, 2], "answers in text; give a text"),
    ],
)
def test_answers_that_cannot_be_scored(drawing: Generator, task: str, answer: str | list[int], message: str) -> None:
    inputs = {"text": "a cat"} if task == "t2i" else {"text": "what", "image": [1, 2, 3]}
    with pytest.raises(InputError, match=message):
        log_likelihood(drawing, task, inputs, answer)
