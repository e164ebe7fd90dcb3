"""`unmask generate` with the omni-tiny that ships: what it does not know is told, and what cannot be is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.apps.conftest import Command


def test_what_it_does_not_know_is_told_and_answered(command: Command, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    told = command("generate", "--task", "i2t", "--image", tmp_path / "photo.png")
    assert (told.code, "the picture is not of omni-tiny's world" in told.err, bool(told.out.strip())) == (0, True, True)
    told = command("generate", "--task", "t2i", "--text", "a big unicorn", "--output", tmp_path / "drawn.png")
    assert (told.code, "omni-tiny does not know 'unicorn'" in told.err) == (0, True)
    assert np.asarray(Image.open(tmp_path / "drawn.png")).shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--task", "t2i", "--text", ""), "the input text is empty"),
        (("--task", "t2i", "--text", "   "), "the input text is empty"),
        (("--task", "t2i", "--text", "a cat " * 400), "omni-tiny takes"),
        (("--task", "i2t", "--image", "large.png"), "more than 100 million"),
        (("--task", "i2t", "--image", "small.png"), "fewer than 16 shows nothing"),
    ],
)
def test_what_it_refuses(command: Command, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    Image.new("1", (10_001, 10_000)).save(tmp_path / "large.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "small.png")
    told = command("generate", *(str(tmp_path / word) if word.endswith(".png") else word for word in words))
    assert (told.code, told.out, message in told.err, told.err.count("\n")) == (2, "", True, 1), told.err
