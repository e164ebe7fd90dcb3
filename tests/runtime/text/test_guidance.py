"""Guidance of chosen passes in trimmed mode: two passes mixed, each token paired with itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unmask import Generator, Schedule, load_bundle
from unmask.errors import InputError
from unmask.text.denoiser import BackboneDenoiser

SCHEDULE = Schedule(rule="quota", passes=4, order="negative_entropy")


@pytest.fixture(scope="module")
def generator(omni: Path) -> Generator:
    return Generator(load_bundle(omni)).load()


def pictures(generator: Generator, schedule: Schedule) -> tuple[list[np.ndarray], list[int]]:
    """The canvas after each pass, and the rows of each."""
    request = generator.request("t2i", {"text": "red"}, 24)
    steps = list(generator.steps(request, schedule))
    return [step.ids for step in steps], [step.rows for step in steps]


def test_one_guided_pass_is_two_passes_mixed(generator: Generator) -> None:
    request = generator.request("t2i", {"text": "red"}, 24)
    canvas, prompt = request.canvas.ids, request.prompt
    own = generator.encode(replace(request.template, prompt=request.template.unconditional or "", inputs={}), {})
    assert 0 < len(own) < prompt
    bare = np.concatenate([own, canvas[prompt:]])
    masks = np.flatnonzero(canvas == request.canvas.mask_id)
    with_text, without = (
        BackboneDenoiser(generator.engine, len(ids), length).hidden(ids, masks - prompt + length)
        for ids, length in ((canvas, prompt), (bare, len(own)))
    )
    low, high = generator.bundle.manifest.vocabulary.ranges["image"]
    spread = BackboneDenoiser(generator.engine, len(canvas), prompt)
    expected = spread.among(without + np.float32(3) * (with_text - without), (((low, high),),)).ids[:, 0]
    made, rows = pictures(generator, replace(SCHEDULE, passes=1, guidance=2.0))
    np.testing.assert_array_equal(made[-1][masks], expected)
    assert rows == [len(canvas) + len(bare)]
    plain, _ = pictures(generator, replace(SCHEDULE, passes=1))
    assert (plain[-1] != made[-1]).any()


def test_only_the_chosen_passes_are_guided_and_paid_for(generator: Generator) -> None:
    plain, once = pictures(generator, SCHEDULE)
    guided = {name: pictures(generator, replace(SCHEDULE, guidance=2.0, guided=name)) for name in ("all", "first", "2-3", "1-1")}
    twice = once[0] + guided["all"][1][0] - once[0]
    assert guided["all"][1] == [twice] * 4
    assert guided["first"][1] == [twice, *once[1:]]
    assert guided["2-3"][1] == [once[0], twice, twice, once[3]]
    np.testing.assert_array_equal(guided["first"][0], guided["1-1"][0])
    np.testing.assert_array_equal(guided["2-3"][0][0], plain[0])
    np.testing.assert_array_equal(guided["first"][0][0], guided["all"][0][0])
    assert (guided["all"][0][0] != plain[0]).any()


def test_rows_that_are_reused_are_guided_too(generator: Generator) -> None:
    """The pass without the inputs computes the whole canvas, also where the other one computes a window."""
    saving = replace(SCHEDULE, guidance=2.0, guided="2-4", reuse=True, window="masked")
    whole, _ = pictures(generator, replace(SCHEDULE, guidance=2.0, guided="2-4"))
    made, rows = pictures(generator, replace(saving, refresh=1))  # every pass computes every row
    np.testing.assert_array_equal(made, whole)
    assert pictures(generator, saving)[1][1] < rows[1]


def test_what_cannot_be_guided(generator: Generator) -> None:
    request = generator.request("tts", {"text": "x"})
    with pytest.raises(InputError, match="tts has none; leave it out"):
        generator.steps(request, Schedule(guidance=1.0))
    for wrong in ("", "second", "0-3", "4-2", "1-", "1 - 2"):
        with pytest.raises(InputError, match="is not all, first, or an interval of passes"):
            Schedule(guidance=1.0, guided=wrong)
    with pytest.raises(InputError, match="guidance is -1"):
        Schedule(guidance=-1.0)
