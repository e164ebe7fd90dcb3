"""The omni-tiny that ships does what its card says, on held-out scenes in held-out words."""

import numpy as np
import pytest

from unmask.apps.cli.options import SHIPPED_OMNI
from unmask.codecs import Kept
from unmask.session import RunOptions, Session, open_model
from unmask.training.stickers.exam import edited, held_out_cases, near, only_colors, sketch_of, without_places
from unmask.training.stickers.pictures import place_of, read, render
from unmask.training.stickers.scene import Group, Scene
from unmask.training.stickers.scores import right_facts
from unmask.training.stickers.sketches import sketch
from unmask.training.stickers.words import describe, understand

CASES = held_out_cases(24, 7)


@pytest.fixture(scope="module")
def session() -> Session:
    return open_model(SHIPPED_OMNI)


def test_a_text_becomes_its_picture_and_a_picture_its_text(session: Session) -> None:
    drawn = [read(session.run("t2i", {"text": case.text}).media["image"]) for case in CASES]
    assert np.mean([right_facts(case.scene, scene) for case, scene in zip(CASES, drawn, strict=True)]) > 0.85
    told = [understand(session.run("i2t", {"image": render(case.scene)}).text) for case in CASES]
    assert np.mean([right_facts(case.scene, scene) for case, scene in zip(CASES, told, strict=True)]) > 0.85


def test_a_sketch_becomes_its_picture(session: Session) -> None:
    """Described without places, and with its colors alone; without a text things are right all the same."""
    for said, least in ((without_places, 0.8), (only_colors, 0.7)):
        given = [{"text": said(case), "image": sketch_of(case)} for case in CASES]
        drawn = [read(session.run("sketch", one).media["image"]) for one in given]
        assert np.mean([right_facts(case.scene, scene) for case, scene in zip(CASES, drawn, strict=True)]) > least
    scene = Scene("white", (Group("owl", "", "big", 1, "middle"),))
    lines = sketch(scene, np.random.default_rng(0))
    assert session.doubts("sketch", {"image": lines}) == ()
    (owl,) = read(session.run("sketch", {"image": lines}).media["image"]).groups
    assert owl == scene.groups[0]


def test_questions_are_answered(session: Session) -> None:
    right = [
        session.run("vqa", {"text": case.question.text, "image": render(case.scene)}).text == case.question.answer
        for case in CASES
    ]
    assert np.mean(right) > 0.6


def test_the_caption_of_a_picture_is_the_likeliest_of_ten(session: Session) -> None:
    for number, case in enumerate(CASES[:4]):
        texts = [describe(scene) for scene in (case.scene, *near(case.scene, 9, np.random.default_rng(number)))]
        scores = [session.log_likelihood("t2i", {"text": text}, render(case.scene)) for text in texts]
        assert int(np.argmax(scores)) == 0


def test_an_edit_changes_one_place_and_nothing_else(session: Session) -> None:
    right = []
    for number, case in enumerate(CASES[:8]):
        wanted, place = edited(case.scene, np.random.default_rng(number))
        before = render(case.scene)
        anew = np.zeros(before.shape[:2], bool)
        anew[place_of(place)] = True
        options = RunOptions(keep={"image": Kept(before, anew)})
        after = session.run("t2i", {"text": describe(wanted)}, options).media["image"]
        codec = session.codecs.runner("image", "writes")
        kept = codec.decode(session.codecs.runner("image", "reads").encode(before))  # type: ignore[arg-type]
        assert np.array_equal(after[~anew], kept[~anew])
        right.append(right_facts(wanted, read(after)))
    assert np.mean(right) > 0.8


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED_OMNI.rglob("*")) < 40 * 2**20
