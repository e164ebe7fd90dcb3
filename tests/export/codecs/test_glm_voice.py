"""GLM-4-Voice's files: sizes from config.yaml, tensors by their names, and what is said of files of another model."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.benchmarks.scenarios.codecs.glm_voice import CONFIG, FLOW, VOCODER, files_of, make_voice, write_glm_voice
from unmask.bundle.codec_spec import CODECS
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import open_session
from unmask.errors import BundleError, InputError
from unmask.export.checkpoint.yaml_numbers import read_numbers
from unmask.export.codecs.glm_voice import fused, load, read_sizes, write
from unmask.export.modules.voice.sizes import FlowSizes, VocoderSizes
from unmask.export.modules.voice.vocoder import Vocoder
from unmask.quant.weights.codecs import quantize_codec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_glm_voice(tmp_path / "glm")


def test_sizes_are_read_from_the_published_file(folder: Path) -> None:
    assert read_sizes(folder) == (FLOW, VOCODER)
    (folder / "config.yaml").unlink()
    assert read_sizes(folder) == (FlowSizes(), VocoderSizes())


def test_nothing_that_a_config_names_is_made(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "__seed: !apply:random.seed [1986]\na: !new:os.system\n  b: 3 # three\n  c: [1, [2, 3]]\n  d: 'text'\n  e: True\n"
        "  f: __import__('os')\n  g: !ref <b>\nh: -2.5e-1\n"
    )
    assert read_numbers(path) == {"a.b": 3, "a.c": [1, [2, 3]], "h": -0.25}
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"config\.yaml: cannot be read"):
        read_numbers(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("sample_rate: 22050", "sample_rate: 24000", "24000 Hz, 256 samples a frame"),
        ("in_channels: 8", "in_channels: 9", "9 mels"),
        ("channels: [16, 16]", "channels: 16", r"estimator\.channels is 16, which is no size"),
    ],
)
def test_another_decoders_sizes_are_named(tmp_path: Path, old: str, new: str, reason: str) -> None:
    folder = write_glm_voice(tmp_path / "glm")
    (folder / "config.yaml").write_text(CONFIG.replace(old, new))
    with pytest.raises(InputError, match=reason) as raised:
        read_sizes(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("broken", "error", "reason"),
    [
        (lambda glm: (glm / "hift.pt").unlink(), BundleError, r"hift\.pt: missing"),
        (lambda glm: (glm / "flow.pt").write_bytes(b"not a model"), BundleError, r"flow\.pt: .*damaged"),
        (lambda glm: (glm / "hift.pt").rename(glm / "flow.pt"), InputError, r"flow\.pt: .*input_embedding\.weight.*flow\.pt"),
        (lambda glm: (glm / "config.yaml").unlink(), InputError, r"flow\.pt: .*lacks encoder\.encoders\.1\."),
        (lambda glm: change(glm / "flow.pt", "encoder_proj.bias", None), InputError, r"lacks encoder_proj\.bias"),
        (lambda glm: change(glm / "flow.pt", "llm.weight", torch.ones(2)), InputError, r"besides llm\.weight"),
        (lambda glm: change(glm / "hift.pt", "conv_pre.bias", torch.full((16,), torch.nan)), InputError, "conv_pre.bias"),
        (lambda glm: change(glm / "hift.pt", "conv_pre.weight_g", None), InputError, r"conv_pre\.weight_v but no .*weight_g"),
    ],
)
def test_files_of_another_model_are_named(
    tmp_path: Path, folder: Path, broken: object, error: type[Exception], reason: str
) -> None:
    broken(folder)  # type: ignore[operator]
    (tmp_path / "out").mkdir()
    with pytest.raises(error, match=reason) as raised:
        write(folder, None, tmp_path / "out", lambda line: None)
    assert "\n" not in str(raised.value)


def change(path: Path, name: str, value: torch.Tensor | None) -> None:
    tensors = torch.load(path, weights_only=True)
    tensors.pop(name, None)
    torch.save(tensors if value is None else {**tensors, name: value}, path)


def test_int8_is_for_the_flow_and_stays_close(media: Path, tmp_path: Path) -> None:
    codec = load_bundle(media).manifest.codecs["glm-voice"]
    folder = shutil.copytree(media / "glm-voice", tmp_path / "glm-voice")
    quantize_codec(folder, codec, CODECS["glm-voice"].int8)
    assert (folder / "weights.bin").stat().st_size < (media / "glm-voice" / "weights.bin").stat().st_size
    draw = np.random.default_rng(0).standard_normal
    mels = {name: draw((1, 8, 40), np.float32) for name in ("mel", "mean", "speaker", "known")}
    feeds = {
        "flow_encoder": {"codes": np.arange(12), "places": np.arange(40) // 4},
        "flow_estimator": {**mels, "time": np.array([0.5], np.float32)},
        "vocoder": {
            "mel": mels["mel"],
            "pitch": np.full(40, 100, np.float32),
            "phases": np.zeros((9, 40), np.float32),
            "noise": draw((9, 40 * 256), np.float32),
        },
    }
    for role, given in feeds.items():
        made, usual = (
            open_session(path / f"{role}.onnx", EngineOptions()).run(None, given)[0] for path in (folder, media / "glm-voice")
        )
        error = np.sqrt(np.mean((made - usual) ** 2)) / usual.std()
        assert error == 0 if role == "vocoder" else 0 < error < 0.1


def test_a_file_in_place_of_the_folder_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"flow\.pt: not a folder; give the one with flow\.pt and hift\.pt"):
        write(folder / "flow.pt", None, tmp_path, lambda line: None)


@pytest.mark.parametrize("newer", [False, True])
def test_weight_normalization_is_fused_as_pytorch_does(tmp_path: Path, newer: bool) -> None:
    wanted = make_voice()[2]
    tensors = files_of(make_voice())[1]
    if newer:  # as torch.nn.utils.parametrizations.weight_norm names them
        numbers = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
        for old, new in numbers.items():
            tensors = {name.replace(old, new): value for name, value in tensors.items()}
    torch.save(tensors, tmp_path / "hift.pt")
    loaded = Vocoder(VOCODER)
    load(tmp_path / "hift.pt", {"": loaded})
    torch.testing.assert_close(loaded.state_dict(), wanted.state_dict())
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(3, 4, 5))
    layer.parametrizations.weight.original0.data.uniform_(1, 2)
    own = {f"x.{name}": value for name, value in layer.state_dict().items()}
    torch.testing.assert_close(fused(own, tmp_path)["x.weight"], layer.weight)
