"""The bundle of omni-tiny says what PyTorch says, pass by pass, and its codec gives the pixels of the codes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny_speech import TEXTS
from unmask import Kept
from unmask.bundle.manifest import load_bundle, read_manifest
from unmask.errors import BundleError, InputError
from unmask.export.modules.sticker_codec import StickerCodec
from unmask.session import RunOptions, open_model
from unmask.text.generator import Answer
from unmask.text.partial import partial
from unmask.training.codecs.speech import SpeechCodec
from unmask.training.codecs.stickers import from_codes, to_codes
from unmask.training.omni.examples import Example, Examples
from unmask.training.omni.fill import fill
from unmask.training.omni.model import Omni
from unmask.training.omni.vocabulary import (
    ANSWER_LENGTH,
    END_ID,
    IMAGE,
    LONGEST,
    PICTURE,
    SAID,
    SIDE_CODES,
    SIZE,
    SPEECH,
    make_tokenizer,
)
from unmask.training.stickers.pictures import render
from unmask.training.stickers.scene import draw_scene
from unmask.training.stickers.sketches import sketch
from unmask.training.stickers.words import Question, describe

SCENE = draw_scene(np.random.default_rng(0))
RNG = np.random.default_rng(0)  # of which a steady hand takes nothing
LINES = sketch(SCENE, RNG)
PIXELS, TEXT, QUESTION = render(SCENE), describe(SCENE), "tell me, what is on the left?"


@pytest.mark.parametrize("passes", [1, 4])
@pytest.mark.parametrize("task", ["t2i", "sketch", "i2t", "vqa", "t2s"])
def test_the_runtime_fills_as_pytorch_does(
    bundle: Path, model: Omni, codec: StickerCodec, speech: SpeechCodec, task: str, passes: int
) -> None:
    examples = Examples(codec, make_tokenizer(), speech)
    picture = examples.picture(SCENE)
    cases: dict[str, tuple[dict[str, object], Example]] = {
        "t2i": ({"text": TEXT}, examples.draw(TEXT, picture)),
        "sketch": ({"text": TEXT, "image": LINES}, examples.draw(TEXT, picture, examples.sketch(SCENE, LINES))),
        "i2t": ({"image": PIXELS}, examples.tell(picture, TEXT)),
        "vqa": ({"text": QUESTION, "image": PIXELS}, examples.answer(picture, SCENE, Question("there", QUESTION, "no"))),
        "t2s": ({"text": TEXTS[0]}, examples.speak(TEXTS[0], speech.train.codes[0])),
    }
    inputs, example = cases[task]
    session = open_model(bundle)
    schedule = replace(session.task(task).schedule, rule="quota", passes=passes)
    answer = session.run(task, inputs, RunOptions(schedule=schedule))
    block = LONGEST if task == "vqa" else len(example.answer)
    expected = fill(model, [example], passes, block)[0]
    for start in range(0, len(expected), block):  # what is after an end is not computed
        own = expected[start : start + block]
        upto = start + next((i + 1 for i in range(len(own)) if own[i] == END_ID), len(own))
        assert list(answer.ids[start:upto]) == list(expected[start:upto])
    if task in ("t2i", "sketch"):
        drawn = from_codes(codec, torch.from_numpy(expected - IMAGE).reshape(1, SIDE_CODES, SIDE_CODES))[0]
        assert np.abs(answer.media["image"].astype(int) - drawn).max() <= 1
    if task == "t2s":
        assert len(answer.media["speech"]) == len(speech.train.codes[0]) * 22_050 // 20


def test_the_codec_reads_what_it_wrote(bundle: Path, codec: StickerCodec) -> None:
    runner = open_model(bundle).codecs.runner("image", "reads")
    assert runner.encode(PIXELS) == to_codes(codec, [PIXELS]).flatten().tolist()
    codes = np.random.default_rng(1).integers(0, SPEECH - IMAGE, PICTURE).tolist()
    pixels = runner.decode(codes)
    assert pixels.shape == PIXELS.shape
    assert runner.encode(pixels) == codes


@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_a_part_that_is_made_anew_sees_the_part_that_is_kept(bundle: Path, guidance: float) -> None:
    """Rows of what is kept are computed again in each pass: so says a fill that reuses nothing."""
    session = open_model(bundle)
    anew = np.zeros(PIXELS.shape[:2], bool)
    anew[24:48, 8:41] = True
    schedule = replace(session.task("t2i").schedule, rule="quota", passes=4, guidance=guidance)
    made = [
        session.run("t2i", {"text": TEXT}, RunOptions(schedule=one, keep={"image": Kept(PIXELS, anew)})).codes["image"]
        for one in (schedule, replace(schedule, reuse=False, window="masked"))
    ]
    assert made[0] == made[1]
    again = np.zeros((SIDE_CODES, SIDE_CODES), bool)
    again[3:6, 1:6] = True
    own = session.codecs.runner("image", "reads").encode(PIXELS)
    assert [code for code, a in zip(made[0], again.ravel(), strict=True) if not a] == [
        code for code, a in zip(own, again.ravel(), strict=True) if not a
    ]


def test_an_answer_after_a_thought_computes_the_prompt_once(bundle: Path) -> None:
    """And is what it is when every pass computes everything."""
    session = open_model(bundle)
    given = {"text": "what is on the left?", "image": PIXELS}
    own = replace(session.task("vqa").schedule, rule="quota", passes=2)
    once, anew = (session.run("vqa", given, RunOptions(one)) for one in (own, replace(own, reuse=False)))
    assert once.ids == anew.ids
    assert once.passes == anew.passes
    prompt = session.request("vqa", given).prompt
    assert once.rows <= anew.rows - (once.passes - 1) * prompt


def test_guidance_leads_away_from_pictures_without_a_text(bundle: Path) -> None:
    session = open_model(bundle)
    schedule = replace(session.task("t2i").schedule, rule="quota", passes=2)
    plain, guided = (
        session.run("t2i", {"text": "a cat"}, RunOptions(schedule=replace(schedule, guidance=g))) for g in (0.0, 2.0)
    )
    assert plain.ids != guided.ids
    assert guided.rows > plain.rows


def test_a_sketch_needs_no_text(bundle: Path) -> None:
    session = open_model(bundle)
    alone, empty = (session.run("sketch", given).codes["image"] for given in ({"image": LINES}, {"text": "", "image": LINES}))
    assert alone == empty
    assert session.doubts("sketch", {"image": [0] * PICTURE}) == ()
    with pytest.raises(InputError, match="the input text is empty"):
        session.run("sketch", {"text": "  ", "image": LINES})
    with pytest.raises(InputError, match="the task sketch takes text, image; not given: image"):
        session.run("sketch", {"text": "red"})


def test_places_are_checked(bundle: Path, tmp_path: Path) -> None:
    session = open_model(bundle)
    with pytest.raises(InputError, match=f"{4 * PICTURE} positions of image are too many; checkpoint knows {PICTURE} places"):
        session.run("t2i", {"text": "a cat"}, RunOptions(length=4 * PICTURE))
    manifest = load_bundle(bundle).manifest
    first = SIZE + PICTURE + SAID
    assert manifest.places["text"] == (SIZE + PICTURE, first)
    assert manifest.places == {
        "image": (SIZE, SIZE + PICTURE),
        "text": (SIZE + PICTURE, first),
        "speech": (first, first + sum(manifest.spoken)),
    }
    wrong = replace(manifest, places={"image": (SIZE, SIZE + 5000)})
    (tmp_path / "bundle.json").write_text(wrong.to_json(), encoding="utf-8")
    with pytest.raises(BundleError, match=r"the places .* of 'image' are not rows of the embedding"):
        read_manifest(tmp_path)
    unlike = replace(manifest, spoken=(1, *manifest.spoken[1:]))
    (tmp_path / "bundle.json").write_text(unlike.to_json(), encoding="utf-8")
    with pytest.raises(BundleError, match=r"said in \d+ codes, and speech has \d+ places"):
        read_manifest(tmp_path)


def test_a_text_is_said_in_the_codes_of_its_tokens(bundle: Path, speech: SpeechCodec) -> None:
    session = open_model(bundle)
    codes = session.run("t2s", {"text": TEXTS[3]}).codes["speech"]
    assert len(codes) == len(speech.train.codes[3])
    with pytest.raises(InputError, match=f"said in {len(codes)} codes, and not in 7"):
        session.run("t2s", {"text": TEXTS[3]}, RunOptions(length=7))
    with pytest.raises(InputError, match="nothing of this text can be said; give words"):
        session.run("t2s", {"text": "... ?!"})
    runner = session.codecs.runner("speech", "writes")
    whole = runner.decode(codes)
    assert np.array_equal(whole, np.concatenate([*runner.stream(codes)]))
    assert runner.ends(len(codes)) == [len(whole)]
    with pytest.raises(InputError, match=r"speech code 1024 is outside 0\.\.1023"):
        runner.decode([1024])
    with pytest.raises(InputError, match="no speech codes"):
        runner.decode([])


def test_an_answer_comes_after_a_thought_and_without_it(bundle: Path) -> None:
    session, examples = open_model(bundle), Examples(StickerCodec(torch.zeros(1, 8, 8, 3)), make_tokenizer())
    inputs = {"text": QUESTION, "image": PIXELS}
    answer = session.run("vqa", inputs)
    assert isinstance(answer, Answer)
    assert answer.thought == examples.text(np.array(answer.ids[:LONGEST]))
    assert answer.text == examples.text(np.array(answer.ids[LONGEST:]))
    request, generator = session.request("vqa", inputs), session.generator
    assert generator is not None
    assert request.places is not None
    first = session.bundle.manifest.places["text"][0]
    assert request.places[request.prompt :].tolist() == list(range(first, first + SAID))
    filled: list[tuple[bool, bool]] = []
    for step in generator.steps(request):
        stands = partial(request, step, session.bundle.manifest.vocabulary)
        assert {name: len(part.codes) for name, part in stands.items()} == {"thought": LONGEST, "text": ANSWER_LENGTH}
        filled.append((bool(stands["thought"].masked.any()), bool(stands["text"].masked.all())))
    assert all(waits for thinks, waits in filled if thinks)
    assert filled[-1] == (False, False)
    with pytest.raises(InputError, match="task vqa answers in 2 spans; an answer can be scored in one"):
        session.log_likelihood("vqa", inputs, "a cat")
