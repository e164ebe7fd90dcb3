"""Pictures as people have them: turned by EXIF, see-through, gray, with few colors; and what is refused, in a line each."""

import io
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unmask.apps.modalities.files import Output, read_input
from unmask.apps.modalities.pictures import png, read_picture
from unmask.errors import InputError

SIDE = 24


def picture(mode: str = "RGB", size: tuple[int, int] = (SIDE, 32)) -> Image.Image:
    noise = np.random.default_rng(2).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_lossless_pictures_come_as_they_are(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    picture().save(path, **({"lossless": True} if kind == "webp" else {}))
    np.testing.assert_array_equal(read_input("image", path), np.asarray(picture()))


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_pictures_of_few_colors(tmp_path: Path, mode: str) -> None:
    picture(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), np.asarray(picture(mode).convert("RGB")))


def test_a_photo_is_turned_upright(tmp_path: Path) -> None:
    """Orientation 6: the camera was turned, and the picture is to be turned by 90 degrees clockwise."""
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = Image.fromarray(np.linspace(0, 255, 32 * 24 * 3).reshape(32, 24, 3).astype(np.uint8))
    plain.save(tmp_path / "photo.jpg", quality=100, exif=exif)
    stored = np.asarray(Image.open(tmp_path / "photo.jpg"))
    np.testing.assert_array_equal(read_picture(tmp_path / "photo.jpg"), np.rot90(stored, -1))


def test_a_large_picture_is_read_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow warns from a bound of its own on, which is below ours."""
    picture().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), np.asarray(picture()))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_is_white(tmp_path: Path, mode: str) -> None:
    clear = Image.new("RGBA", (SIDE, SIDE), (200, 10, 10, 0))
    clear.paste((10, 20, 30, 255), (0, 0, SIDE // 2, SIDE))
    clear.convert(mode).save(tmp_path / "a.png" if mode != "PA" else tmp_path / "a.webp", lossless=True)
    read = read_picture(next(tmp_path.iterdir()))
    assert (read[:, SIDE // 2 :] == 255).all()
    assert (read[:, : SIDE // 2] < 40).all()


def bad(folder: Path) -> dict[str, str]:
    """Name of a file that is refused -> what is said."""
    whole = io.BytesIO()
    picture(size=(200, 200)).save(whole, "PNG")
    (folder / "cut.png").write_bytes(whole.getvalue()[:-3000])
    (folder / "start.png").write_bytes(whole.getvalue()[:20])
    picture(size=(1, 1)).save(folder / "dot.png")
    picture(size=(20_000, 1000)).save(folder / "panorama.png", compress_level=1)
    picture("CMYK").save(folder / "print.jpg")
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint16)).save(folder / "deep.png")
    picture().save(folder / "moves.gif", save_all=True, append_images=[picture("L").convert("RGB")])
    picture().save(folder / "moves.webp", save_all=True, append_images=[picture("L").convert("RGB")])
    (folder / "notes.png").write_text("this is a text")
    return {
        "cut.png": "cannot be read .*cut short or damaged",
        "start.png": "cut short or damaged|not a PNG",
        "dot.png": "1 x 1 pixels; a side of fewer than 16 shows nothing",
        "panorama.png": "20000 x 1000 pixels; a model sees a square from the middle, 5 % of it",
        "print.jpg": "its colors are CMYK, not RGB",
        "deep.png": "its colors are I;16, not RGB",
        "moves.gif": "not a PNG, JPEG or WebP picture",
        "moves.webp": "a moving picture of 2 frames",
        "notes.png": "not a PNG, JPEG or WebP picture",
        "nowhere.png": "cannot be read .*No such file",
    }


@pytest.mark.slow
def test_bad_pictures_are_a_line_each(tmp_path: Path) -> None:
    for name, told in bad(tmp_path).items():
        path = tmp_path / name
        with pytest.raises(InputError, match=f"^{re.escape(str(path))}: .*({told})") as raised:
            read_input("image", path)
        assert "\n" not in str(raised.value)


def test_outputs_are_checked_before_anything_is_made(tmp_path: Path) -> None:
    assert Output.of(tmp_path / "a.PNG", ["image"]).modality == "image"
    for path, gives, told in (
        ("a.gif", ["image"], "it writes image to a .png file"),
        ("a.png", ["text"], "no file: text is printed"),
        ("nowhere/a.png", ["image"], "there is no folder"),
    ):
        with pytest.raises(InputError, match=told):
            Output.of(tmp_path / path, gives)


def test_a_file_that_cannot_be_written_leaves_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"older")
    pixels = np.asarray(picture())
    Output.of(path, ["image"]).write(pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), pixels)
    assert png(pixels, ".png") == path.read_bytes()
    (tmp_path / "b.png").mkdir()
    with pytest.raises(InputError, match=r"b\.png: cannot be written"):
        Output.of(tmp_path / "b.png", ["image"]).write(pixels)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]
