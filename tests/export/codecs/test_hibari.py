"""The speech codec's graph: its table is what was written, int8 is near fp32, and it refuses other files."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny_speech import write_speech
from unmask.bundle.codec_spec import CODECS
from unmask.errors import InputError
from unmask.export.codecs.hibari import (
    CODE_FRAMES,
    CONTEXT,
    DECODER,
    FILE,
    FRAME_NUMBERS,
    MEANS,
    NAME,
    ROLE,
    SPECTRA,
    SPEECH_CODES,
    graph,
    write,
)
from unmask.export.modules.speech_context import Context

CODES = np.random.default_rng(3).integers(0, 1024, 9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("speech"))


def run(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"codes": CODES}), strict=True))


def test_the_graph_is_what_pytorch_computes(folder: Path) -> None:
    made = run(graph(folder, "fp32"))
    frames = load_file(folder / FILE)[MEANS].float()[torch.from_numpy(CODES)].reshape(-1, FRAME_NUMBERS)
    weight = torch.from_numpy(onnx.numpy_helper.to_array(onnx.load(folder / DECODER).graph.initializer[0]).copy())
    wanted = torch.nn.functional.conv1d(frames.T[None], weight, padding=1).chunk(len(SPECTRA), 1)
    for name, spectrum in zip(SPECTRA, wanted, strict=True):
        np.testing.assert_allclose(made[name], spectrum, atol=1e-4)
    hz = (torch.exp(5 * frames[:, 128]) - 1).clamp(min=0)
    np.testing.assert_allclose(made["pitch"][0], hz, rtol=1e-3, atol=1e-3)
    assert len(hz) == CODE_FRAMES * len(CODES)
    assert [*made] == CODECS[NAME].graphs[ROLE].output_names


def test_neighbors_change_a_stretch_as_in_pytorch(folder: Path, tmp_path: Path) -> None:
    for file in (FILE, DECODER):
        shutil.copy(folder / file, tmp_path / file)
    torch.manual_seed(0)
    context = Context(SPEECH_CODES, CODE_FRAMES * FRAME_NUMBERS)
    torch.nn.init.normal_(context.out.weight, std=0.1)
    (tmp_path / CONTEXT).parent.mkdir()
    save_file(context.state_dict(), tmp_path / CONTEXT)
    codes = torch.from_numpy(CODES)
    with torch.no_grad():
        frames = (load_file(folder / FILE)[MEANS].float()[codes] + context(codes[None])[0]).reshape(-1, FRAME_NUMBERS)
    weight = torch.from_numpy(onnx.numpy_helper.to_array(onnx.load(folder / DECODER).graph.initializer[0]).copy())
    wanted = torch.cat(torch.nn.functional.conv1d(frames.T[None], weight, padding=1).chunk(len(SPECTRA), 1))
    for form, most in (("fp32", 1e-5), ("int8", 0.03)):
        made = run(graph(tmp_path, form))
        found = np.concatenate([made[name] for name in SPECTRA])
        assert np.abs(found - wanted.numpy()).mean() < most * np.abs(found).mean()
    other = run(graph(folder, "fp32"))
    assert np.abs(made["lh"] - other["lh"]).mean() > 0.1 * np.abs(other["lh"]).mean()


def test_int8_is_near_and_small(folder: Path, tmp_path: Path) -> None:
    wide, small = graph(folder, "fp32"), graph(folder)
    assert len(small.SerializeToString()) < 0.3 * len(wide.SerializeToString())
    one, other = run(wide), run(small)
    for name in SPECTRA:
        assert np.abs(one[name] - other[name]).mean() < 0.03 * np.abs(one[name]).mean()
    codec = write(folder, None, tmp_path, lambda line: None)
    assert codec.settings == {"codes": 1024}
    assert "Kokoro-82M" in codec.license


def test_other_files_are_refused(folder: Path, tmp_path: Path) -> None:
    save_file({"means": torch.zeros(3, 520)}, tmp_path / FILE)
    with pytest.raises(InputError, match=r"other sizes of means \(3, 520\)"):
        graph(tmp_path)
    save_file({"means": torch.zeros(1024, 520)}, tmp_path / FILE)
    with pytest.raises(InputError, match=r"decoder\.onnx: is missing"):
        graph(tmp_path)


def test_hibari_decodes_as_before_it_was_cut() -> None:
    """The frames that it makes on the way give the spectra that the whole graph gives."""
    hibari = pytest.importorskip("hibari")
    from unmask.training.codecs.voice import FRAMES, IDS, SPEED, Voice

    voice, whole = Voice(), hibari.Hibari()
    phonemes = " ".join(voice.words("a big cat on the left"))
    frames = voice.frames(phonemes, voice.natural(phonemes).tolist())
    decoder = onnxruntime.InferenceSession(voice.decoder().SerializeToString(), providers=["CPUExecutionProvider"])
    made = decoder.run(list(SPECTRA), {FRAMES: frames.T[None]})
    ids = np.array([whole.ids(phonemes)])
    wanted = whole.sess.run(list(SPECTRA), {IDS: ids, SPEED: np.ones(1, np.float32)})
    for one, other in zip(made, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
