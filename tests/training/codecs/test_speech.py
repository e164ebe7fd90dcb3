"""The speech codec: sentences said at that pace, and the program that makes it, with a voice of letters."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from tests.tiny_speech import decoder
from unmask.export.codecs.hibari import CODE_FRAMES, FILE, FRAME_NUMBERS, MEANS, SPEECH_CODES, graph
from unmask.export.modules.speech_context import Context
from unmask.training.codecs import context, speech
from unmask.training.codecs.context import Sounds, TrainContext, error
from unmask.training.codecs.pace import PAUSES, UNITS, Pace, pronounced, spread
from unmask.training.codecs.sentences import every_sound, sentences
from unmask.training.codecs.speech import heard_by, load_speech
from unmask.training.omni.vocabulary import END, SAY, TOKENS, make_tokenizer


class Letters:
    """A voice that says each word by its letters, two units each."""

    def __init__(self) -> None:
        self.said: list[tuple[str, list[int]]] = []

    def words(self, text: str) -> list[str]:
        return [word.strip(",") for word in text.split()]

    def letter(self, character: str) -> str:
        return character

    def natural(self, phonemes: str) -> np.ndarray:
        return np.array([14, *([2] * (len(phonemes) - 1)), 9, 6], np.float32)

    def frames(self, phonemes: str, durations: list[int]) -> np.ndarray:
        assert len(durations) == len(phonemes) + 2
        self.said.append((phonemes, list(durations)))
        rows = np.random.default_rng(0).normal(size=(128, FRAME_NUMBERS)).astype(np.float32)
        own = rows[[0, *map(ord, phonemes), 0]]
        return np.repeat(own + np.roll(own, 1, axis=0), 2 * np.array(durations), axis=0)  # a letter also sounds of the one before

    def decoder(self) -> onnx.ModelProto:
        model = decoder(np.random.default_rng(1))
        weight = numpy_helper.to_array(model.graph.initializer[0])
        model.graph.initializer.append(numpy_helper.from_array(weight[:16], "m.dec_in.weight"))
        return model


def test_texts_are_said_by_tokens() -> None:
    said = pronounced(Letters(), make_tokenizer(), "Two cats, a zx4 on sand")  # type: ignore[arg-type]
    assert said.tokens == (SAY, "▁two", "▁cats", ",", "▁a", "z", "x", "4", "▁on", "▁sand", END)
    assert said.phonemes == ("", "two", "cats", "", "a", "z", "x", "4", "on", "sand", "")


def test_a_word_takes_as_long_in_every_sentence() -> None:
    voice, tokenizer = Letters(), make_tokenizer()
    pace = Pace.measured(voice, [pronounced(voice, tokenizer, text) for text in every_sound()])  # type: ignore[arg-type]
    assert {token for token in TOKENS if token[-1].isalnum()} <= pace.codes.keys()
    assert pace.codes["▁cats"] == (4 * 2 + 2) / UNITS  # four letters and the gap
    for text in ("cats", "a cats", "cats, a on"):
        frames = pace.frames(voice, pronounced(voice, tokenizer, text))  # type: ignore[arg-type]
        slots = pace.slots(tokenizer.encode(text).tokens)
        assert len(frames) == CODE_FRAMES * len(slots)
        assert slots[0] == (SAY, 0)
        assert slots[-1] == (END, PAUSES[END] - 1)
    phonemes, durations = voice.said[-1]
    assert phonemes == "cats, a on"
    assert durations[5:7] == [3, 2]  # a breath
    assert durations[4] == 2 + 2 + PAUSES[","] * UNITS - 5  # the letter before it takes what is left of the pause and of the gap


def test_spread() -> None:
    assert spread([1, 1, 2], 8) == [2, 2, 4]
    assert spread([100, 0, 0], 4) == [2, 1, 1]
    for total in range(5, 30):
        found = spread([0.3, 2, 5, 1, 1], total)
        assert sum(found) == total
        assert min(found) >= 1


def test_sentences_are_the_same_each_time_and_apart() -> None:
    mine, held = list(sentences(300, 0)), list(sentences(300, 0, held=True))
    assert mine == list(sentences(300, 0))
    long = {text for text in held if len(text.split()) > 9}
    assert len(long) > 50
    assert not long & set(mine)
    tokens = {token for text in (*mine, *held, *every_sound()) for token in make_tokenizer().encode(text).tokens}
    assert "<unknown>" not in tokens


@pytest.mark.slow
def test_stretches_are_compared_as_the_first_layer_hears_them() -> None:
    model, rng = Letters().decoder(), np.random.default_rng(2)
    points = rng.normal(size=(700, CODE_FRAMES * FRAME_NUMBERS)).astype(np.float32)
    projection = heard_by(model, points, CODE_FRAMES * FRAME_NUMBERS)
    weight = torch.from_numpy(numpy_helper.to_array(model.graph.initializer[-1]).copy())
    first, second = (torch.from_numpy(points[i]).reshape(1, CODE_FRAMES, FRAME_NUMBERS).mT for i in (0, 1))
    heard = torch.nn.functional.conv1d(first - second, weight, padding=CODE_FRAMES + 2).square().sum()
    assert float(np.square((points[0] - points[1]) @ projection).sum()) == pytest.approx(float(heard), rel=1e-3)


@pytest.mark.slow
def test_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "Voice", Letters)
    for name, count in (("PACED", 5), ("CLUSTERED", 40), ("HELD", 4), ("ROUNDS", 2)):
        monkeypatch.setattr(speech, name, count)
    speech.main(tmp_path, count=12)
    made = load_speech(tmp_path)
    assert (len(made.train.texts), len(made.held.texts)) == (12, 4)
    tokenizer = make_tokenizer()
    for text, codes in zip(made.train.texts, made.train.codes, strict=True):
        assert len(codes) == len(made.pace.slots(tokenizer.encode(text).tokens))
        assert codes.max() < SPEECH_CODES
    assert made.means.shape == (SPEECH_CODES, CODE_FRAMES * FRAME_NUMBERS)
    line = json.loads((tmp_path / "log.jsonl").read_text())
    assert line["places"] == sum(made.pace.codes.values())
    assert 0.1 < line["usual_code"] < 1
    before = (tmp_path / FILE).read_bytes()
    speech.main(tmp_path, count=99)  # what is there stays
    assert (tmp_path / FILE).read_bytes() == before
    assert MEANS.encode() in before
    monkeypatch.setattr(context, "Voice", Letters)
    context.main(TrainContext(out=tmp_path / "context", codec=tmp_path, minutes=0.005, batch=2))
    assert json.loads((tmp_path / "context" / "log.jsonl").read_text())["left"] > 0
    alone = shutil.copytree(tmp_path, tmp_path / "alone", ignore=shutil.ignore_patterns("context", "alone"))
    assert len(graph(tmp_path).SerializeToString()) > len(graph(alone).SerializeToString())


def test_what_neighbors_change_is_learned() -> None:
    torch.manual_seed(0)
    means, shifts, projection = torch.randn(SPEECH_CODES, 6), torch.randn(9, 6), torch.eye(6)
    codes = [torch.randint(0, 9, (length,)) for length in (7, 12, 9, 30)]
    sounds = Sounds(codes, [(means[own] + shifts[own.roll(1)]).half() for own in codes])
    batch = sounds.batch([0, 1, 2, 3])
    assert batch[0].shape == (4, 30)
    assert (batch[0][0, 7:] == SPEECH_CODES).all()
    model = Context(SPEECH_CODES, 6, 16, 32)
    alone = float(error(None, means, projection, *batch))
    assert alone == pytest.approx(np.mean([float(shifts[own].square().sum(-1).mean()) for own in codes]), rel=1e-2)
    assert float(error(model, means, projection, *batch).detach()) == pytest.approx(alone)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    for _ in range(60):
        loss = error(model, means, projection, *batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.2 * alone
    padded = torch.cat([codes[0], torch.full((5,), SPEECH_CODES)])
    assert torch.allclose(model(padded[None])[0, :7], model(codes[0][None])[0], atol=1e-5)
