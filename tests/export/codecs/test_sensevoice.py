"""SenseVoice's files become the speech encoder of a bundle: from either place, at any length, in both forms, or not at all."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file

from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.benchmarks.scenarios.omni import SENSEVOICE, add_projector, write_sensevoice
from unmask.errors import UnmaskError
from unmask.export.codecs.sensevoice import ENCODER, PROJECTOR, statistics, write
from unmask.export.modules.sensevoice import SpeechEncoder
from unmask.quant.weights.codecs import quantize_codec
from unmask.speech.encoding.frames import positions

CONFIG = replace(SENSEVOICE, rows=24)


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sensevoice(tmp_path_factory.mktemp("source") / "SenseVoiceSmall", CONFIG)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a projector."""
    return add_projector(write_checkpoint(tmp_path_factory.mktemp("model") / "omni", "dream"), CONFIG)


def graph(folder: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(folder / "speech_encoder.onnx")


def written(source: Path, model: Path, folder: Path) -> onnxruntime.InferenceSession:
    folder.mkdir()
    codec = write(source, model, folder, silent)
    assert codec.graphs == {"speech_encoder": "speech_encoder.onnx"}
    return graph(folder)


def feeds(count: int) -> dict[str, np.ndarray]:
    """Log-mel frames of some loudness."""
    frames = np.random.default_rng(count).normal(10, 3, (count, CONFIG.features)).astype(np.float32)
    return {"frames": frames, "positions": positions(count + 4, CONFIG.features)}


def module(source: Path, model: Path) -> SpeechEncoder:
    """The same by PyTorch's own loaders."""
    made = SpeechEncoder(CONFIG).eval().requires_grad_(False)
    states = {f"model.{name}": value for name, value in torch.load(source / "model.pt", weights_only=True).items()}
    states |= {
        "projector." + name.removeprefix(PROJECTOR): value
        for name, value in load_file(model / "model.safetensors").items()
        if name.startswith(PROJECTOR)
    }
    states |= dict(zip(("shift", "scale"), map(torch.from_numpy, statistics(source / "am.mvn")), strict=True))
    states = {name: value for name, value in states.items() if not name.startswith("model.ctc.")}
    made.load_state_dict(states)
    return made


@pytest.mark.slow
def test_the_graph_is_the_module_at_any_length(source: Path, model: Path, tmp_path: Path) -> None:
    session, own = written(source, model, tmp_path / "codec"), module(source, model)
    for count in (1, 2, 17, 60):
        given = feeds(count)
        rows = session.run(["rows"], given)[0]
        assert rows.shape == (count + 4, CONFIG.rows)
        expected = own(*map(torch.from_numpy, given.values())).numpy()
        np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_checkpoints_own_encoder_is_taken_first(source: Path, model: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    shutil.copytree(model, both)
    add_projector(both, CONFIG, seed=0, encoder=True)
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(source / "am.mvn", bare)
    given = feeds(20)
    inside = written(bare, both, tmp_path / "inside").run(["rows"], given)[0]
    outside = written(source, model, tmp_path / "outside").run(["rows"], given)[0]
    assert not np.array_equal(inside, outside)  # rounded to bfloat16
    assert np.abs(inside - outside).max() < 0.1 * np.abs(outside).max()


@pytest.mark.slow
def test_int8_is_a_third_of_the_size_and_near(source: Path, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "codec"
    given = feeds(40)
    exact = written(source, model, folder).run(["rows"], given)[0]
    before = (folder / "weights.bin").stat().st_size
    quantize_codec(folder, write_record(source, model, tmp_path))
    assert (folder / "weights.bin").stat().st_size < before / 3
    rows = graph(folder).run(["rows"], given)[0]
    off = np.linalg.norm(rows - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert 0 < off.max() < 0.1


def write_record(source: Path, model: Path, tmp_path: Path):
    (tmp_path / "record").mkdir()
    return write(source, model, tmp_path / "record", silent)


def test_statistics_are_read_of_kaldis_text(tmp_path: Path) -> None:
    path = tmp_path / "am.mvn"
    path.write_text(
        "<Nnet> \n<Splice> 2 2\n[ 0 ]\n<AddShift> 2 2 \n<LearnRateCoef> 0 [ -8.3 -8.6 ]\n<Rescale> 2 2\n"
        "<LearnRateCoef> 0 [ 0.155775 1.5e-1 ]\n</Nnet> \n"
    )
    shift, scale = statistics(path)
    np.testing.assert_array_equal(shift, np.array([-8.3, -8.6], np.float32))
    np.testing.assert_array_equal(scale, np.array([0.155775, 0.15], np.float32))


def without_projector(source: Path, model: Path) -> None:
    tensors = load_file(model / "model.safetensors")
    save_file({n: t for n, t in tensors.items() if not n.startswith(PROJECTOR)}, model / "model.safetensors")


def change(source: Path, **tensors: torch.Tensor | None) -> None:
    found = {**torch.load(source / "model.pt", weights_only=True), **{n.replace("__", "."): t for n, t in tensors.items()}}
    torch.save({name: tensor for name, tensor in found.items() if tensor is not None}, source / "model.pt")


WRONG = {
    "no am.mvn": (lambda source, model: (source / "am.mvn").unlink(), "am.mvn: missing; give the folder of SenseVoiceSmall"),
    "no model.pt": (lambda source, model: (source / "model.pt").unlink(), "model.pt: missing"),
    "am.mvn is something else": (lambda source, model: (source / "am.mvn").write_text("hello"), "0 shifts and 0 scales"),
    "am.mvn has a word": (
        lambda source, model: (source / "am.mvn").write_text("<AddShift> [ a ] <Rescale> [ 1 ]"),
        "not Kaldi's statistics",
    ),
    "am.mvn of another width": (
        lambda source, model: (source / "am.mvn").write_text("<AddShift> 1 1 [ 1 ] <Rescale> 1 1 [ 1 ]"),
        r"has other sizes of shift \[1\]",
    ),
    "another model": (
        lambda source, model: torch.save({"encoder.layers.0.weight": torch.ones(2)}, source / "model.pt"),
        "not SenseVoiceSmall .*: it has no tensor encoder.encoders0.0.norm1.weight",
    ),
    "a layer is missing": (
        lambda source, model: change(source, **{"encoder.encoders.0.norm1.weight": None}),
        "lacks encoder.encoders.0.norm1.weight",
    ),
    "one too many": (lambda source, model: change(source, decoder__weight=torch.ones(2)), "it has besides decoder.weight"),
    "another shape": (
        lambda source, model: change(source, embed__weight=torch.ones(8, CONFIG.features)),
        r"has other sizes of embed.weight \[8, 560\]",
    ),
    "not finite": (
        lambda source, model: change(source, embed__weight=torch.full((16, CONFIG.features), torch.nan)),
        "embed.weight holds numbers that are not finite",
    ),
    "a model without a projector": (without_projector, f"no tensors {PROJECTOR}"),
    "a half encoder in the checkpoint": (
        lambda source, model: save_file(
            {**load_file(model / "model.safetensors"), f"{ENCODER}embed.weight": torch.ones(16, CONFIG.features)},
            model / "model.safetensors",
        ),
        "it has no tensor encoder.encoders0.0.norm1.weight",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_in_one_line(what: str, source: Path, model: Path, tmp_path: Path) -> None:
    spoil, message = WRONG[what]
    shutil.copytree(source, tmp_path / "source")
    shutil.copytree(model, tmp_path / "model")
    spoil(tmp_path / "source", tmp_path / "model")
    with pytest.raises(UnmaskError, match=message) as raised:
        written(tmp_path / "source", tmp_path / "model", tmp_path / "codec")
    assert "\n" not in str(raised.value)


def test_a_file_and_a_missing_checkpoint_are_refused(source: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match="not a folder; give that of SenseVoiceSmall"):
        write(source / "model.pt", model, tmp_path, silent)
    with pytest.raises(UnmaskError, match="name that folder too, with --projector"):
        write(source, None, tmp_path, silent)
