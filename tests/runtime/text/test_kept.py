"""Answers of which a part is there already: what is kept never changes, the rest is filled, and each pass shows what stands."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unmask import Kept, RunOptions, Session, open_model
from unmask.bundle.manifest import load_bundle
from unmask.decoding.schedule import Schedule
from unmask.errors import InputError
from unmask.text.generator import Generator
from unmask.text.partial import UNKNOWN, partial

TEXT = {"text": "abc"}
CODES = [int(code) for code in np.random.default_rng(0).integers(0, 8192, 256)]
AGAIN = np.zeros(256, bool)
AGAIN[[40, 41, 57, 200]] = True
QUICK = Schedule(passes=2, rule="quota")


@pytest.fixture(scope="module")
def model(media: Path) -> Session:
    return open_model(media)


@pytest.mark.parametrize("schedule", [QUICK, replace(QUICK, draft_min_confidence=1.0, revise=0.9, order="halton")])
def test_what_is_kept_stays_and_the_rest_is_filled(model: Session, schedule: Schedule) -> None:
    answer = model.run("t2i", TEXT, RunOptions(schedule, keep={"image": Kept(CODES, AGAIN)}))
    made = np.array(answer.codes["image"])
    assert (made[~AGAIN] == np.array(CODES)[~AGAIN]).all()
    assert answer.media["image"].shape == (256, 256, 3)
    assert (made[AGAIN] != np.array(CODES)[AGAIN]).any()


@pytest.mark.slow
def test_a_picture_is_kept_at_the_size_that_is_written(model: Session) -> None:
    """It is read at twice that size where a task takes it."""
    pixels = np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert len(model.codecs.runner("image", "reads").encode(pixels)) == 1024
    anew = np.zeros((256, 256), bool)
    for left, right, again in ((32, 48, [18]), (32, 49, [18, 19]), (31, 49, [17, 18, 19])):
        anew[16:32, left:right] = True
        kept = model.codecs.keep({"image": Kept(pixels, anew)}, {"image": 256})["image"]
        assert [i for i, code in enumerate(kept) if code is None] == again
    made = model.run("t2i", TEXT, RunOptions(QUICK, keep={"image": Kept(pixels, anew)})).codes["image"]
    assert [code for i, code in enumerate(made) if i not in again] == [code for code in kept if code is not None]


def test_each_pass_shows_what_stands(model: Session) -> None:
    generator = model.generator
    assert generator is not None
    options = RunOptions(replace(QUICK, order="halton"), keep={"image": Kept(CODES, AGAIN)})
    request = model.request("t2i", TEXT, options)
    first, last = (
        partial(request, step, model.bundle.manifest.vocabulary)["image"] for step in generator.steps(request, options.schedule)
    )
    assert first.codes.shape == first.masked.shape == first.confidence.shape == (256,)
    assert (first.codes[~AGAIN] == np.array(CODES)[~AGAIN]).all()
    assert (first.confidence[~AGAIN] == 1).all()
    assert first.masked.sum() == 2  # of four
    assert (first.codes[first.masked] == UNKNOWN).all()  # a fixed order predicts what it commits
    assert (first.confidence[first.masked] == 0).all()
    assert not last.masked.any()
    assert (last.codes[first.codes != UNKNOWN] == first.codes[first.codes != UNKNOWN]).all()
    assert list(last.codes) == list(model.run("t2i", TEXT, options).codes["image"])


def test_tokens_are_kept_too(backbones: dict[str, Path]) -> None:
    generator = Generator(load_bundle(backbones["llada"]))
    task = next(iter(generator.bundle.manifest.templates))
    answer = generator.generate(task, {"text": "x"}, 6, QUICK, kept={"text": [104, 105, None, None, 33, None]})
    assert [answer.ids[i] for i in (0, 1, 4)] == [104, 105, 33]


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (
            "t2i",
            RunOptions(keep={"image": Kept(CODES[:9], AGAIN[:9])}),
            "9 codes of image are kept, and the answer of t2i has 256",
        ),
        (
            "t2i",
            RunOptions(keep={"image": Kept(CODES, AGAIN[:9])}),
            r"made anew is \(9,\) bool; it needs a bool for each place of image",
        ),
        ("t2i", RunOptions(keep={"image": Kept(CODES, AGAIN.astype(int))}), "needs a bool"),
        ("t2i", RunOptions(keep={"image": Kept(CODES, ~AGAIN & False)}), "nothing is left to fill"),
        ("t2i", RunOptions(keep={"image": Kept([9000] * 256, AGAIN)}), "code 9000 is out of range"),
        ("t2i", RunOptions(keep={"speech": Kept([1], np.zeros(1, bool))}), "speech is kept, but this task gives image"),
        ("t2i", RunOptions(keep={"image": Kept("a cat", np.zeros(5, bool))}), "kept as codes, not as a text"),
        ("tts", RunOptions(keep={"speech": Kept(np.zeros((9, 3), np.float32), np.zeros((9, 3), bool))}), "reads speech as rows"),
        (
            "t2i",
            RunOptions(keep={"image": Kept(CODES, AGAIN)}, reference=True),
            "keeps nothing; leave reference or what is kept out",
        ),
    ],
)
def test_what_cannot_be_kept_is_told(model: Session, task: str, options: RunOptions, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model.run(task, TEXT, options)


def test_a_canvas_of_another_size_keeps_no_square(model: Session) -> None:
    kept = {"image": Kept(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), bool))}
    with pytest.raises(InputError, match="a picture of 250 codes is no square"):
        model.codecs.keep(kept, {"image": 250})


def test_captions_keep_nothing(fp32_bundle: Path) -> None:
    captions, samples = open_model(fp32_bundle), np.zeros(16000, np.float32)
    with pytest.raises(InputError, match="captions do not have a part that is kept"):
        captions.run("caption", {"speech": samples}, RunOptions(keep={"text": Kept([1], np.zeros(1, bool))}))
    with pytest.raises(InputError, match="fills no canvas; call run or steps"):
        captions.request("caption", {"speech": samples})


def test_runs_in_turn_by_the_pass_are_as_one_after_another(model: Session) -> None:
    """A session may be served to several: a pass of one between two of another."""
    generator = model.generator
    assert generator is not None
    schedule = Schedule(passes=4, rule="quota", reuse=True, window="block")
    requests = [model.request("t2i", {"text": text}, RunOptions(schedule)) for text in ("abc", "another and longer text")]
    alone = [[step.ids for step in generator.steps(request, schedule)][-1] for request in requests]
    both = zip(*(generator.steps(request, schedule) for request in requests), strict=True)
    together = [[step.ids for step in steps] for steps in both][-1]
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))
    assert (alone[0][-256:] != alone[1][-256:]).any()
