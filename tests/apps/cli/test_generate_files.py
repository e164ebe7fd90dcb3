"""`unmask generate` and `unmask export` with files: pictures in, pictures out, and codecs that are added, missed or wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.apps.conftest import Command
from unmask import Kept, open_model
from unmask.apps.modalities.pictures import read_picture

FEW = ("--passes", "2", "--quiet")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_text_becomes_a_picture(command: Command, media: Path, tmp_path: Path) -> None:
    line = ("generate", media, "--task", "t2i", "--text", "a red bicycle", "--passes", "2")
    made = command(*line, "--output", tmp_path / "bicycle.png", "--show")
    assert (made.code, made.out) == (0, "")
    assert f"{tmp_path / 'bicycle.png'}: 256 image codes" in made.err
    assert "pass 2  260/260 places" in made.err
    with Image.open(tmp_path / "bicycle.png") as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", (256, 256), "RGB")
    first = (tmp_path / "bicycle.png").read_bytes()
    again = command(*line, "--quiet", "--json", "--output", tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == first
    assert len(json.loads(again.out)["codes"]["image"]) == 256


@pytest.mark.slow
def test_a_photo_is_answered_in_text(command: Command, media: Path, photo: Path) -> None:
    asked = ("generate", media, "--task", "vqa", "--text", "what is this", "--length", "8", *FEW)
    told = command(*asked, "--image", photo)
    assert (told.code, told.err) == (0, "")
    assert command(*asked[:-3], "--image", photo, "--reference", "--steps", "2", "--quiet").code == 0
    numbers = photo.with_suffix(".txt")
    numbers.write_text("1 2 3")
    assert command(*asked, "--image", numbers).code == 0


def test_each_wrong_thing_is_a_line_and_nothing_is_lost(
    command: Command, media: Path, omni: Path, photo: Path, tmp_path: Path
) -> None:
    draw = ("generate", media, "--task", "t2i", "--text", "x", *FEW)
    kept = tmp_path / "kept.jpg"
    kept.write_bytes(b"older")
    Image.new("CMYK", (64, 64)).save(tmp_path / "print.jpg")
    for line, told in {
        ("generate", omni, "--task", "t2i", "--text", "x", "--output", tmp_path / "a.png"): "no codec that writes image, so",
        ("generate", omni, "--task", "vqa", "--text", "x", "--image", photo): "`unmask export BUNDLE --magvit FOLDER` adds it",
        (*draw, "--output", kept): "it writes image to a .png file",
        (*draw, "--output", tmp_path / "nowhere" / "a.png"): "there is no folder",
        ("generate", media, "--task", "vqa", "--text", "x", "--image", tmp_path / "print.jpg"): "its colors are CMYK",
        (*draw, "--guided", "first"): "--guided: read only with --guidance",
        (*draw, "--guidance", "2", "--guided", "3-1"): "guided '3-1' is not all, first, or an interval",
    }.items():
        result = command(*line)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result
        assert told in result.err
    assert kept.read_bytes() == b"older"
    assert not (tmp_path / "a.png").exists()


@pytest.mark.slow
def test_a_box_of_a_picture_is_painted_again(command: Command, media: Path, photo: Path, tmp_path: Path) -> None:
    draw = ("generate", media, "--task", "t2i", "--text", "red", *FEW)
    edit = (*draw, "--keep", photo, "--repaint", "10,0,15,15", "30,30,1,1")
    made = command(*edit, "--json", "--output", tmp_path / "a.png")
    codes = json.loads(made.out)["codes"]["image"]
    kept = open_model(media).codecs.keep({"image": Kept(read_picture(photo), np.zeros((60, 80), bool))}, {"image": 256})["image"]
    changed = {i for i in range(256) if codes[i] != kept[i]}
    again = {16 * row + column for row in range(4) for column in range(4)} | {16 * 8 + 5}  # the square is 10 to 70, a code 3.75
    assert changed <= again
    assert 0 in changed
    told = {
        (*draw, "--keep", photo): "nothing would change; name what is made anew: --repaint LEFT,TOP,WIDTH,HEIGHT",
        (*draw, "--repaint", "0,0,9,9"): "--repaint: names what is not kept; give --keep PICTURE too",
        (*draw, "--keep", photo, "--repaint", "0,0,9"): "--repaint 0,0,9: a box is LEFT,TOP,WIDTH,HEIGHT in pixels",
        (*draw, "--keep", photo, "--repaint", "80,0,9,9"): "which has 80 x 60, lies in it",
        (*draw, "--keep", photo, "--repaint", "0,0,4,60"): "all of the answer is kept, so nothing is left to fill",
        (*edit, "--reference"): "leave reference or what is kept out",
        (
            "generate",
            media,
            "--task",
            "vqa",
            "--text",
            "x",
            "--image",
            photo,
            *edit[-5:],
        ): "image is kept, but",
    }
    for line, message in told.items():
        result = command(*line)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result
        assert message in result.err


@pytest.mark.slow
def test_guidance_of_the_first_pass_costs_one_more(command: Command, media: Path) -> None:
    def rows(*options: str) -> int:
        line = ("generate", media, "--task", "t2i", "--text", "red", "--json", *FEW, *options)
        return int(json.loads(command(*line).out)["rows"])

    plain, first, both = rows(), rows("--guidance", "2", "--guided", "first"), rows("--guidance", "2")
    assert first - plain == both - first > 0


@pytest.mark.slow
def test_a_codec_is_added_to_a_bundle(command: Command, omni: Path, omni_files: Path, tmp_path: Path) -> None:
    bundle, source = shutil.copytree(omni, tmp_path / "bundle"), omni_files / "magvit"
    before = command("inspect", bundle)
    assert "as codes; for files: unmask export BUNDLE --magvit FOLDER" in " ".join(before.out.replace("│", " ").split())
    added = command("export", bundle, "--magvit", source)
    assert (added.code, added.out) == (0, f"{bundle}\n")
    assert "codec magvit: license Apache-2.0" in added.err
    told = " ".join(command("inspect", bundle).out.replace("│", " ").split())
    assert "task t2i takes text, gives image;" in told
    assert "reads and writes image; magvit/image_encoder.onnx" in told
    wrong = tmp_path / "wrong.bin"
    wrong.write_bytes(b"no tensors")
    for line, message in (
        (("--magvit", wrong), "wrong.bin: "),
        (("--magvit", source, "--name", "other"), "--name: not read for"),
        (("--magvit", tmp_path / "nowhere"), "nowhere: not there"),
    ):
        result = command("export", bundle, *line)
        assert (result.code, result.out) == (2, "")
        assert message in result.err
    assert command("inspect", bundle).code == 0  # as it was


@pytest.mark.slow
def test_a_checkpoint_and_its_codec_become_one_bundle(
    command: Command, checkpoints: dict[str, Path], omni_files: Path, tmp_path: Path
) -> None:
    source, out = omni_files / "magvit", tmp_path / "out"
    wrong = command("export", checkpoints["dream"], "--out", out, "--magvit", checkpoints["dream"])
    assert (wrong.code, wrong.out) == (2, "")
    assert "not MAGVIT-v2" in wrong.err
    assert list(tmp_path.iterdir()) == []  # nothing half made
    assert command("export", checkpoints["dream"], "--out", out, "--magvit", source).code == 0
    assert sorted(json.loads((out / "bundle.json").read_text())["codecs"]) == ["magvit"]
    told = command("export", checkpoints["dream"], "--out", tmp_path / "lite", "--target", "litert", "--magvit", source)
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert "codecs are graphs of any size" in told.err
