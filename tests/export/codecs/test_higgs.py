"""Higgs Audio's codec: files that are none, and windows that equal the whole. Its numbers: tests/agreement/test_omnivoice.py."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from unmask import open_model
from unmask.errors import BundleError, InputError
from unmask.export.codecs import higgs, higgs_voice
from unmask.export.codecs.attach import codecs_inside
from unmask.export.codecs.higgs_files import open_folder


def test_a_long_sound_in_windows_is_the_whole(voice: Path) -> None:
    writer = open_model(voice).codecs.sound_writer()
    codes = np.random.default_rng(0).integers(0, 1024, 90 * 8)
    whole = writer.decode(codes.tolist())
    assert len(whole) == 90 * 960
    parts = list(writer.stream(codes.tolist()))
    assert np.cumsum([len(part) for part in parts]).tolist() == writer.ends(len(codes)) == [24_000, 72_000, 86_400]
    assert np.abs(np.concatenate(parts) - whole).max() < 1e-4 * np.abs(whole).max()
    for wrong, told in (([1, 2], "no frames of 8"), ([1024] * 8, r"outside 0\.\.1023"), ([], "no frames of 8")):
        with pytest.raises(InputError, match=told):
            writer.decode(wrong)


def test_the_codec_of_a_checkpoint_lies_in_it(voice_files: Path, checkpoints: dict[str, Path]) -> None:
    assert codecs_inside(voice_files) == dict.fromkeys(("higgs", "higgs-voice"), voice_files / "audio_tokenizer")
    assert codecs_inside(checkpoints["dream"]) == {}


def test_other_folders_are_refused(voice_files: Path, omni_files: Path, tmp_path: Path) -> None:
    for folder, told in ((omni_files / "magvit", "config.json: not there"), (voice_files, "is of the model_type 'omnivoice'")):
        with pytest.raises(InputError, match=told):
            open_folder(folder)
    own = tmp_path / "codec"
    shutil.copytree(voice_files / "audio_tokenizer", own)
    tensors = load_file(own / "model.safetensors")
    save_file({**tensors, "fc2.bias": tensors["fc2.bias"] * np.nan}, own / "model.safetensors")
    with pytest.raises(BundleError, match=r"fc2\.bias holds NaN"):
        higgs.bias(open_folder(own))
    save_file({name: t for name, t in tensors.items() if "acoustic" not in name}, own / "model.safetensors")
    for module in (higgs, higgs_voice):
        with pytest.raises(InputError, match=r"it lacks acoustic_.*coder\.block\.0"):
            module.sizes_of(open_folder(own))
    (own / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(BundleError, match="cut short or damaged"):
        open_folder(own)


def test_a_strange_hubert_is_refused(voice_files: Path, tmp_path: Path) -> None:
    own = tmp_path / "codec"
    shutil.copytree(voice_files / "audio_tokenizer", own)
    config = json.loads((own / "config.json").read_text())
    config["semantic_model_config"]["do_stable_layer_norm"] = True
    (own / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="of another form"):
        higgs_voice.sizes_of(open_folder(own))
