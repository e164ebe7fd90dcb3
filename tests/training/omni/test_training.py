"""Omni-tiny's training: what is masked and what is seen, that it learns, and that it goes on where it stopped."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny_speech import TEXTS
from tests.training.omni.conftest import CONFIG
from unmask.export.codecs.hibari import SPEECH_CODES
from unmask.export.modules.sticker_codec import StickerCodec
from unmask.training.codecs.speech import SpeechCodec
from unmask.training.codecs.stickers import from_codes, to_codes
from unmask.training.omni.ahead import Ahead, Recipe
from unmask.training.omni.batches import PADDING_WEIGHT, TASKS, laid_out, masked, sketched, task_batches, thinned
from unmask.training.omni.checkpoint import load_model
from unmask.training.omni.evaluate import Exam
from unmask.training.omni.examples import Examples, Picture, shown_by
from unmask.training.omni.model import NO_PLACE, SPOKEN, Omni, asked_loss, losses_at
from unmask.training.omni.train import TrainOmni, main, task_losses
from unmask.training.omni.vocabulary import ANSWER_LENGTH, END_ID, IMAGE, LONGEST, MASK_ID, PICTURE, SKETCH, make_tokenizer
from unmask.training.stickers.pictures import render
from unmask.training.stickers.scene import Group, Scene, draw_scene
from unmask.training.stickers.sketches import STEADY, sketch
from unmask.training.stickers.things import THINGS
from unmask.training.stickers.words import Question

NEW = ["paces", "sound_head_look", "sound_head_own", "sound_look", "sound_own", "sounds", "spoken"]


def picture(codes: np.ndarray) -> Picture:
    return Picture(codes, np.zeros((PICTURE, 3), np.int64))


def examples(codec: StickerCodec, speech: SpeechCodec | None = None) -> Examples:
    return Examples(codec, make_tokenizer(), speech)


def test_a_prompt_does_not_see_the_answer_and_rows_see_no_padding(model: Omni, codec: StickerCodec) -> None:
    made = examples(codec)
    rng = np.random.default_rng(0)
    pictures = [picture(rng.integers(IMAGE, IMAGE + 9, PICTURE)) for _ in range(2)]
    canvas = laid_out([made.draw("a cat", pictures[0]), made.draw("two red cars on sand", pictures[1])])
    hidden = model(canvas)
    short = int(canvas.prompt[0])
    other = canvas.ids.clone()
    other[0, short:] = MASK_ID
    changed = model(type(canvas)(other, canvas.places, canvas.positions, canvas.prompt, canvas.length))
    assert torch.allclose(hidden[0, :short], changed[0, :short], atol=1e-5)
    assert not torch.allclose(hidden[0, short], changed[0, short], atol=1e-2)
    alone = model(laid_out([made.draw("a cat", picture(canvas.ids[0, short : short + PICTURE].numpy()))]))
    assert torch.allclose(alone[0], hidden[0, : alone.shape[1]], atol=1e-4)


def test_a_thinned_picture_is_the_same_canvas_with_less_on_it(codec: StickerCodec) -> None:
    rng = np.random.default_rng(1)
    codes = np.full(PICTURE, IMAGE + 5)
    codes[[3, 40]] = IMAGE + 6
    whole = examples(codec).draw("a cat", picture(codes))
    thin = thinned(whole, rng)
    assert {3, 40} <= set(thin.answer_places)
    assert 2 < len(thin.answer) < 30
    canvas = laid_out([thin])
    start = int(canvas.prompt[0])
    assert (canvas.positions[0, start:] == start + canvas.places[0, start:]).all()
    assert (canvas.places[0, :start] == NO_PLACE).all()
    told = examples(codec).tell(picture(codes), "a big cat on the left on a pink background")
    assert thinned(told, rng) is told


def test_a_sketch_is_before_its_picture_and_shows_no_color(codec: StickerCodec) -> None:
    made, rng = examples(codec), np.random.default_rng(4)
    scene = Scene("pink", (Group("car", "red", "big", 1, "right"),))
    lines = made.sketch(scene, sketch(scene, rng, STEADY))
    assert (lines.codes == to_codes(codec, [sketch(scene, rng)]).flatten().numpy() + IMAGE).all()
    own = made.picture(scene)
    example = made.draw("red on a pink background", own, lines)
    words = made.words(f"{SKETCH}red on a pink background")
    assert example.prompt.tolist() == [*words, *lines.codes]
    assert example.prompt_places.tolist() == [NO_PLACE] * len(words) + list(range(PICTURE))
    assert (example.answer == own.codes).all()
    before, after = example.shown[len(words) : len(words) + PICTURE], example.shown[len(words) + PICTURE :]
    assert (before[:, [0, 2]] == after[:, [0, 2]]).all()
    assert sorted(set(after[:, 1])) == [0, 1]
    assert not before[:, 1].any()
    thin = thinned(example, rng)
    assert len(thin.answer) < PICTURE
    assert (thin.prompt == example.prompt).all()


def test_what_is_said_of_a_sketch() -> None:
    rng = np.random.default_rng(5)
    scene = Scene("pink", (Group("car", "red", "big", 1, "left"), Group("cat", "", "small", 2, "right")))
    said = [sketched(scene, rng) for _ in range(300)]
    assert 10 < said.count("") < 60
    assert 60 < sum(bool(text) and "car" not in text for text in said) < 150
    assert 10 < sum("left" in text for text in said) < 80
    assert any("red" in text and "left" not in text and "car" in text for text in said)


def test_masks(codec: StickerCodec) -> None:
    made = examples(codec)
    rng = np.random.default_rng(2)
    told = [("tell", made.tell(picture(np.full(PICTURE, IMAGE)), "a big cat on the left on a pink background"))] * 40
    batch = masked(told, rng)
    hidden = batch.canvas.ids == MASK_ID
    assert hidden.sum() == len(batch.wanted)
    assert not hidden[:, : int(batch.canvas.prompt[0])].any()
    shares = hidden.sum(1) / len(told[0][1].answer)
    assert 10 < (shares == 1).sum() < 30
    first = (batch.wanted == END_ID) & (batch.weights["tell"] == 1)
    assert 10 < first.sum() <= 40
    assert (batch.weights["tell"][batch.wanted != END_ID] == 1).all()


def test_what_squares_show() -> None:
    big, small = shown_by(Group("cat", "", "big", 1, "top")), shown_by(Group("car", "blue", "small", 2, "top"))
    cat, car = (1 + [thing.name for thing in THINGS].index(name) for name in ("cat", "car"))
    assert (big[..., 0] == cat).all()
    assert (big[..., 1] == 0).all()
    assert big[..., 2].ravel().tolist() == list(range(1, 17))
    assert small[..., 0].tolist() == [[0] * 4, [car] * 4, [car] * 4, [0] * 4]
    assert small[1, :, 1].tolist() == [5] * 4
    assert small[1:3, :, 2].tolist() == [[17, 18, 17, 18], [19, 20, 19, 20]]


def test_losses_are_cross_entropies_over_the_modality(model: Omni) -> None:
    hidden = torch.randn(3, CONFIG.width)
    found = losses_at(model, hidden, torch.tensor([7, IMAGE + 9, 8]))
    words = torch.log_softmax(hidden @ model.word_head.T, -1)
    codes = torch.log_softmax(hidden @ (model.looks @ model.code_head_look + model.code_head_own).T, -1)
    assert torch.allclose(found, -torch.stack([words[0, 7], codes[1, 9], words[2, 8]]), atol=1e-5)


def test_examples_come_back(codec: StickerCodec) -> None:
    made = examples(codec)
    scene = Scene("pink", (Group("cat", "", "small", 2, "left"), Group("car", "red", "big", 1, "right")))
    asked = Question("thing", "what is on the left?", "cats", scene.groups[0])
    example = made.answer(picture(np.full(PICTURE, IMAGE)), scene, asked)
    caption = "two small cats on the left and a big red car on the right on a pink background"
    assert made.text(example.answer[:LONGEST]) == caption
    assert made.text(example.answer[LONGEST:]) == "cats"
    assert (example.answer[LONGEST + 1 :] == END_ID).all()
    assert example.answer_places.tolist() == [PICTURE + i for i in range(LONGEST + ANSWER_LENGTH)]
    told = example.asked[len(example.prompt) :]
    assert told.tolist() == [1] * 6 + [0] * (LONGEST + ANSWER_LENGTH - 6)
    assert not example.asked[: len(example.prompt)].any()
    alone = made.answer(None, scene, Question("ground", "which background is it?", "pink"))
    assert np.flatnonzero(alone.asked[len(alone.prompt) :]).tolist() == [14, 15, 16, 17]
    absent = made.answer(None, scene, Question("there", "is there a fox?", "no"))
    assert np.flatnonzero(absent.asked).tolist() == [0]


def test_most_questions_are_learned_after_the_whole_caption(codec: StickerCodec) -> None:
    made, rng = examples(codec), np.random.default_rng(2)
    asked = made.answer(picture(np.full(PICTURE, IMAGE)), draw_scene(rng), Question("there", "is there a fox?", "no"))
    batch = masked([("answer", asked)] * 60, rng)
    hidden = (batch.canvas.ids == MASK_ID)[:, len(asked.prompt) :]
    after = hidden[:, LONGEST:].all(1) & ~hidden[:, :LONGEST].any(1)
    assert 30 < after.sum() < 58
    assert (batch.asked.any(1) == after).all()
    weights = batch.weights["answer"].reshape(-1)[batch.at[:, 1] >= len(asked.prompt) + LONGEST]
    assert sorted(set(weights.tolist())) == pytest.approx([PADDING_WEIGHT, 1.0])


def test_codes_of_a_scene_are_those_of_its_picture(codec: StickerCodec) -> None:
    made, rng = examples(codec), np.random.default_rng(3)
    for _ in range(10):
        scene = draw_scene(rng)
        codes = to_codes(codec, [render(scene)])
        assert (made.picture(scene).codes == codes.flatten().numpy() + IMAGE).all()
        assert (made.pictures(made.picture(scene).codes[None])[0] == from_codes(codec, codes)[0]).all()


def test_places_of_speech_belong_to_the_tokens_that_are_said(codec: StickerCodec, speech: SpeechCodec) -> None:
    made = examples(codec, speech)
    example = made.speak(TEXTS[0], speech.train.codes[0])
    first = np.cumsum(made.paces) - made.paces
    tokens = np.searchsorted(first, example.answer_places - SPOKEN, "right") - 1
    tokens = np.array([np.flatnonzero(first == first[i])[-1] for i in tokens])  # tokens without codes share a first place
    counts = made.paces[example.prompt]
    assert tokens.tolist() == np.repeat(example.prompt, counts).tolist()
    again = np.flatnonzero(example.prompt == made.words("on")[0])
    ends = np.cumsum(counts)
    one, other = (example.answer_places[ends[i] - counts[i] : ends[i]].tolist() for i in again)
    assert one == other
    canvas = laid_out([example])
    assert canvas.positions[0].tolist() == list(range(len(example.prompt) + len(example.answer)))
    assert thinned(example, np.random.default_rng(0)) is example


def test_a_tiny_model_learns_one_batch_of_each_task(codec: StickerCodec, speech: SpeechCodec) -> None:
    torch.manual_seed(0)
    made, rng = examples(codec, speech), np.random.default_rng(0)
    sounds, paces = torch.randn(SPEECH_CODES, 64), torch.from_numpy(made.paces)
    model = Omni(CONFIG, torch.randn(codec.squares.shape[0], 64), sounds, paces)
    parts = task_batches(made, dict.fromkeys(TASKS, 3), rng)
    assert {task for batch in parts for task in batch.weights} == set(TASKS)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    losses = []
    for _ in range(30):
        total = sum(task_losses(model, model.passed, parts, "cpu").values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
    assert losses[-1] < losses[0] / 3


def test_where_answers_look_is_the_first_head_of_a_middle_layer(model: Omni, codec: StickerCodec) -> None:
    scene = Scene("pink", (Group("cat", "", "small", 2, "left"),))
    example = examples(codec).answer(None, scene, Question("count", "how many cats are there?", "two", scene.groups[0]))
    canvas = laid_out([example])
    looks = model.passed(canvas).looks[0]
    assert torch.allclose(looks.exp().sum(-1), torch.ones(len(looks)), atol=1e-5)
    assert not looks.exp()[: len(example.prompt), len(example.prompt) :].any()
    last = looks.exp()[-ANSWER_LENGTH:, np.flatnonzero(example.asked)].sum(-1)
    found = asked_loss(looks[None], torch.from_numpy(example.asked)[None], canvas.length)
    assert found is not None
    assert float(found.detach()) == pytest.approx(float(-last.log().mean()), rel=1e-5)
    assert asked_loss(looks[None], torch.zeros(1, 0, dtype=torch.int64), canvas.length) is None


@pytest.mark.slow
def test_layers_compile_whole_and_for_any_sizes(model: Omni, codec: StickerCodec) -> None:
    """Traced by the compiler of `--compile`; that it then fuses operators takes minutes and is its own matter."""
    made = examples(codec)
    compiled = torch.compile(model.passed, dynamic=True, fullgraph=True, backend="aot_eager")
    for count in (3, 5):
        parts = task_batches(made, {"draw": count, "read": count}, np.random.default_rng(count))
        plain, fused = (task_losses(model, passed, parts, "cpu") for passed in (model.passed, compiled))
        assert {name: float(loss.detach()) for name, loss in fused.items()} == pytest.approx(
            {name: float(loss.detach()) for name, loss in plain.items()}, rel=1e-4
        )


def test_captions_alone_show_no_squares(model: Omni, codec: StickerCodec) -> None:
    parts = task_batches(examples(codec), {"read": 4}, np.random.default_rng(1))
    assert all((batch.canvas.ids < IMAGE).all() for batch in parts)
    found = task_losses(model, model.passed, parts, "cpu")
    assert found.keys() == {"read", "asked"}
    assert all(bool(loss.isfinite()) for loss in found.values())


def test_a_model_that_knows_all_passes_the_exam(
    codec: StickerCodec, speech: SpeechCodec, model: Omni, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = examples(codec, speech)
    exam = Exam(made, 4, 0)
    kinds = (exam._draw, exam._draw, *exam._sketch.values(), exam._tell, exam._answer, exam._speak, exam._speak)
    answers = iter([[example.answer for example in kind] for kind in kinds])
    monkeypatch.setattr("unmask.training.omni.evaluate.fill", lambda *_: next(answers))
    monkeypatch.setattr(made, "pictures", lambda ids: [render(scene) for scene in exam.scenes])
    scores = exam.scores(model)
    names = ("draw_1", "draw_8", "sketch", "sketch_colors", "tell", "answer", "speak_1", "speak_8")
    assert {name: scores[name] for name in names} == dict.fromkeys(names, 1.0)


def test_a_run(tmp_path: Path, codec: StickerCodec, speech_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """First without speech, and from there with it."""
    save_file({"squares": ((codec.squares + 1) * 127.5).round().byte()}, tmp_path / "squares.safetensors")
    options = {"out": tmp_path / "run", "codec": tmp_path / "squares.safetensors", "model": CONFIG, "exam": 2}
    sizes = {"draw": 2, "tell": 1, "answer": 1, "speak": 2, "sketch": 1}
    main(TrainOmni(minutes=0.01, **options, **sizes))
    spent = json.loads((tmp_path / "run" / "log.jsonl").read_text())["minutes"]
    main(TrainOmni(minutes=spent + 0.1, **options, **sizes))
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[1]["step"] > log[0]["step"] > 0
    assert {"loss_shown", "loss_draw", "loss_tell", "loss_answer", "loss_sketch"} <= log[1].keys()
    assert {"draw_1", "draw_8", "draw_thing", "tell", "answer", "sketch", "sketch_colors"} <= log[1].keys()
    model = load_model(tmp_path / "run" / "weights.safetensors")
    assert model.config == CONFIG
    again = tmp_path / "again"
    start = tmp_path / "run" / "weights.safetensors"
    save_file({name: value for name, value in load_file(start).items() if name not in NEW}, start)
    assert torch.equal(load_model(start).words, model.words)
    main(TrainOmni(**{**options, "out": again, "speech": speech_folder}, **sizes, minutes=0.0, start=start))
    assert f"has no {', '.join(NEW)}: these begin as in a new model" in capsys.readouterr().out
    spoken = load_model(again / "weights.safetensors")
    assert torch.equal(spoken.words, model.words)
    assert spoken.config.spoken == spoken.paces.sum() > 0
    log = json.loads((again / "log.jsonl").read_text())
    assert 0 <= log["speak_8"] < 1
    with pytest.raises(SystemExit, match=r"paces|another speech codec|not as this model has it"):
        main(TrainOmni(**{**options, "out": tmp_path / "third"}, **sizes, minutes=0.0, start=again / "weights.safetensors"))


@pytest.mark.slow  # a process of its own imports PyTorch
def test_batches_that_are_made_ahead_are_the_same(tmp_path: Path, codec: StickerCodec, speech_folder: Path) -> None:
    save_file({"squares": ((codec.squares + 1) * 127.5).round().byte()}, tmp_path / "squares.safetensors")
    recipe = Recipe(tmp_path / "squares.safetensors", speech_folder, (("draw", 2), ("answer", 1), ("speak", 1)), 0)
    ahead = Ahead(recipe, 1)
    for step in range(2):
        for mine, other in zip(recipe.batches(step), ahead.batches(step), strict=True):
            assert torch.equal(mine.canvas.ids, other.canvas.ids)
            assert torch.equal(mine.shown, other.shown)
    ahead.close()


def test_scenes_of_training_are_not_held_out(codec: StickerCodec) -> None:
    exam = Exam(examples(codec), 5, 0)
    trained = [draw_scene(np.random.default_rng(i)) for i in range(50)]
    assert not set(exam.scenes) & set(trained)
