"""Kokoro's voices: the folder, the phonemes, and what the graph is asked. The graph here gives back its tokens."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from unmask.errors import InputError
from unmask.training.kokoro import LONGEST, RATE_HZ, STYLE, Kokoro, phonemes
from unmask.training.synthesize import open_voice

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tokens times speed, plus the first number of the style."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["tokens"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["tokens", "speed"], ["scaled"]),
        helper.make_node("ReduceMax", ["style"], ["first"], keepdims=0),
        helper.make_node("Add", ["scaled", "first"], ["waveform"]),
    ]
    given = [("input_ids", TensorProto.INT64, [1, "n"]), ("style", TensorProto.FLOAT, [1, STYLE])]
    inputs = [helper.make_tensor_value_info(*each) for each in (*given, ("speed", TensorProto.FLOAT, [1]))]
    output = helper.make_tensor_value_info("waveform", TensorProto.FLOAT, [1, "n"])
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, [output]), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    for name in ("onnx", "voices"):
        (tmp_path / name).mkdir()
    onnx.save(model, tmp_path / "onnx" / "model_quantized.onnx")
    vocabulary = {sign: i for i, sign in enumerate("$abcdefghijklmnopqrstuvwxyz ,.?ɹəɪˈː", 0)}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}), encoding="utf-8")
    styles = np.repeat(1000 * np.arange(LONGEST, dtype=np.float32)[:, None], STYLE, 1)
    styles.tofile(tmp_path / "voices" / "bm_george.bin")
    return tmp_path


@needs_espeak
def test_a_voice_gets_its_tokens_and_the_style_of_their_number(folder: Path) -> None:
    samples, rate = open_voice(f"kokoro:{folder}:bm_george")("a red bed, please", 2.0)
    assert rate == RATE_HZ
    assert samples.dtype == np.float32
    ids = [token for sign in phonemes("a red bed, please", "en-gb") if (token := vocabulary(folder).get(sign)) is not None]
    assert ids.count(vocabulary(folder)[","]) == 1
    np.testing.assert_allclose(samples, 2.0 * np.array([0, *ids, 0]) + 1000 * len(ids))


@needs_espeak
def test_punctuation_stays_and_signs_are_the_vocabularys() -> None:
    said = phonemes("Red, green; blue.", "en-us")
    assert [sign for sign in said if sign in ",;."] == [",", ";", "."]
    assert "ɹ" in said
    assert "r" not in said


def test_a_folder_that_lacks_a_voice_is_told(folder: Path) -> None:
    with pytest.raises(InputError, match=r"af_nobody\.bin is not there; fetch onnx-community"):
        Kokoro(folder, "af_nobody")


def vocabulary(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return found
