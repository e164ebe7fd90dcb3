"""The sticker codec: means of squares, its two ways, and the program that makes it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unmask.export.modules.sticker_codec import CODES, NUMBERS, PATCH, StickerCodec, patches, whole
from unmask.training.codecs import stickers
from unmask.training.codecs.stickers import from_codes, load_codec, means, psnr, sheet, to_codes


def test_patches_are_squares_in_the_order_of_reading() -> None:
    pixels = torch.arange(2 * 3 * 16 * 24).reshape(2, 3, 16, 24)
    cut = patches(pixels)
    assert cut.shape == (2, 2, 3, NUMBERS)
    assert (cut[1, 1, 2].reshape(3, 8, 8) == pixels[1, :, 8:16, 16:24]).all()
    assert (whole(cut) == pixels).all()


def test_means_are_means_of_the_points_nearest_to_them() -> None:
    rng = torch.Generator().manual_seed(0)
    points, weights = torch.randn(300, 2, generator=rng), torch.randint(1, 9, (300,), generator=rng).float()
    costs = []
    for rounds in (1, 5, 60):
        found = means(points, weights, 6, rounds, seed=1)
        near, at = torch.cdist(points, found).min(1)
        costs.append(float((near**2 * weights).sum()))
    assert costs == sorted(costs, reverse=True)
    own = [np.average(points[at == i].numpy(), 0, weights[at == i].numpy()) for i in range(6)]
    assert np.allclose(found.numpy(), own, atol=1e-3)
    assert len(means(points, weights, 250, 3, seed=0).unique(dim=0)) > 200


def test_squares_of_sketches_are_those_in_which_something_is_drawn() -> None:
    squares, counts = stickers.line_squares(20, 0)
    assert squares.shape[1] == PATCH**2
    assert ((squares < 255).any(1)).all()
    assert 200 < counts.sum() < 20 * 64


def test_codes_are_the_nearest_squares() -> None:
    squares = torch.randint(0, 256, (CODES, NUMBERS), generator=torch.Generator().manual_seed(0)).byte()
    codec = StickerCodec(squares)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (16, 24, 3)).astype(np.uint8) for _ in range(2)]
    codes = to_codes(codec, pictures)
    cut = pictures[1][8:16, 16:24].transpose(2, 0, 1).reshape(-1).astype(int)
    assert int(codes[1, 1, 2]) == int(np.square(squares.numpy().astype(int) - cut).sum(1).argmin())
    again = from_codes(codec, codes)
    assert (to_codes(codec, again) == codes).all()
    assert again[0].dtype == np.uint8


def test_psnr() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    assert psnr(black, black + 255) == pytest.approx(0)
    assert psnr(black, black + 1) == pytest.approx(48.13, abs=0.01)
    assert sheet([black] * 8, [black] * 8).shape == (16, 64, 3)


def test_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a twentieth of the squares."""
    squares, counts = stickers.every_square()
    assert 20_000 < len(squares) < 30_000
    assert counts.min() >= 1
    monkeypatch.setattr(stickers, "every_square", lambda: (squares[::4], counts[::4]))
    monkeypatch.setattr(stickers, "SKETCHES", 150)
    stickers.main(tmp_path, rounds=2, held_out=8)
    codec = load_codec(tmp_path / "squares.safetensors")
    assert codec.squares.shape == (CODES, NUMBERS)
    assert Image.open(tmp_path / "sheet.png").size == (1024, 512)
    assert '"psnr": 2' in (tmp_path / "log.jsonl").read_text()
