"""Make the picture codec of omni-tiny: the squares of pixels that are nearest to the sticker world and to its sketches (k-means).

    python -m unmask.training.codecs.stickers --out CODEC

Takes a minute on one core. CODEC/squares.safetensors is the codec. CODEC/log.jsonl has the mean PSNR of held-out pictures and of
sketches of them, and the share of facts that the reader still finds in the pictures; CODEC/sheet.png some of both, each above
what its codes give back.
"""

import json
import math
from pathlib import Path

import cyclopts
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from unmask.export.modules.sticker_codec import COLORED, LINED, PATCH, StickerCodec, patches
from unmask.training.stickers.pictures import Pixels, drawn, read, render
from unmask.training.stickers.scene import draw_scene, every_group
from unmask.training.stickers.scores import right_facts
from unmask.training.stickers.sketches import any_hand, sketch
from unmask.training.stickers.things import GROUNDS

FILE = "squares.safetensors"
SHOWN = 8  # pictures, and sketches, on the sheet
SKETCHES = 4000  # whose squares lines are learned from
PART = 8192  # points that are compared at once


def main(out: Path, rounds: int = 30, held_out: int = 128, seed: int = 0) -> None:
    """rounds: of k-means. held_out: pictures to measure on."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    colored = means(*every_square(), COLORED, rounds, seed)
    lined = means(*line_squares(SKETCHES, seed), LINED, rounds, seed).repeat(1, 3)
    squares = torch.cat([colored, lined]).round().byte()
    save_file({"squares": squares}, out / FILE)
    codec = StickerCodec(squares)
    rng = np.random.default_rng([seed, 1])
    scenes = [draw_scene(rng, held=True) for _ in range(held_out)]
    pictures, sketches = [render(scene) for scene in scenes], [sketch(scene, rng, any_hand(rng)) for scene in scenes]
    made, lines = (from_codes(codec, to_codes(codec, each)) for each in (pictures, sketches))
    shown = [*pictures[:SHOWN], *sketches[:SHOWN]], [*made[:SHOWN], *lines[:SHOWN]]
    Image.fromarray(sheet(*shown)).save(out / "sheet.png")
    line = {
        "psnr": mean_psnr(pictures, made),
        "facts": round(float(np.mean([right_facts(s, read(p)) for s, p in zip(scenes, made, strict=True)])), 4),
        "psnr_sketches": mean_psnr(sketches, lines),
    }
    print(json.dumps(line))
    (out / "log.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")


def every_square() -> tuple[Tensor, Tensor]:
    """(N, NUMBERS) every different square of the world, in 0 to 255: things in each color and size on each ground.

    (N,) how often each occurs: inside a thing it is the same on every ground.
    """
    kinds = [kind for kind in every_group() if kind[3] == 1]
    shown = np.stack([drawn(ground, *kind) for ground in GROUNDS for kind in kinds])
    squares, counts = patches(torch.from_numpy(shown).permute(0, 3, 1, 2)).flatten(0, 2).unique(dim=0, return_counts=True)
    return squares.float(), counts.clamp(max=len(GROUNDS)).float()


def line_squares(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """(N, PATCH**2) the different squares of so many sketches in which something is drawn, in 0 to 255; and (N,) how often each
    occurs."""
    rng = np.random.default_rng([seed, 2])
    pages = np.stack([sketch(draw_scene(rng), rng, any_hand(rng)) for _ in range(count)])
    cut = patches(torch.from_numpy(pages).permute(0, 3, 1, 2)).flatten(0, 2)[:, : PATCH**2]  # red, which is as green and blue
    squares, counts = cut[(cut < 255).any(1)].unique(dim=0, return_counts=True)
    return squares.float(), counts.float()


def means(points: Tensor, weights: Tensor, count: int, rounds: int, seed: int) -> Tensor:
    """(N, d), (N,) -> (count, d) by Lloyd's algorithm. A mean without points moves to the point that costs most."""
    random = torch.Generator().manual_seed(seed)
    found = points[torch.multinomial(weights, count, generator=random)].clone()
    lengths = (points**2).sum(1)
    for _ in range(rounds):
        near, at = nearest(points, found)
        shares = torch.bincount(at, weights, minlength=count).float()
        found = torch.zeros_like(found).index_add_(0, at, points * weights[:, None]) / shares.clamp(min=1)[:, None]
        empty = shares == 0
        found[empty] = points[((near + lengths) * weights).topk(int(empty.sum())).indices]
    return found


def nearest(points: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Of each point (N, d), the squared distance to the nearest center (K, d) without the point's own square, and its index."""
    lengths = (centers**2).sum(1)
    parts = [(lengths - 2 * part @ centers.T).min(1) for part in points.split(PART)]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def tensor(pictures: list[Pixels]) -> Tensor:
    """(B, 3, H, W) in -1 to 1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_codes(codec: StickerCodec, pictures: list[Pixels]) -> Tensor:
    """(B, rows, columns)"""
    return codec.codes(tensor(pictures))


def from_codes(codec: StickerCodec, codes: Tensor) -> list[Pixels]:
    return list(((codec.pixels(codes) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy())


def mean_psnr(wanted: list[Pixels], found: list[Pixels]) -> float:
    return round(float(np.mean([psnr(a, b) for a, b in zip(wanted, found, strict=True)])), 2)


def psnr(first: Pixels, second: Pixels) -> float:
    """dB between pictures with pixels from 0 to 255."""
    error = float(np.mean(np.square(first.astype(np.float32) - second)))
    return 10 * math.log10(255**2 / max(error, 1e-3))


def sheet(above: list[Pixels], below: list[Pixels], across: int = 8, scale: int = 2) -> Pixels:
    """Pairs of pictures, one above the other, in rows of `across` pairs."""
    pairs = [np.concatenate([a, b]) for a, b in zip(above, below, strict=True)]
    rows = [np.concatenate(pairs[i : i + across], 1) for i in range(0, len(pairs), across)]
    return np.concatenate([row for row in rows if row.shape == rows[0].shape]).repeat(scale, 0).repeat(scale, 1)


def load_codec(path: Path) -> StickerCodec:
    """The codec that this program wrote."""
    return StickerCodec(load_file(path)["squares"]).eval()


if __name__ == "__main__":
    cyclopts.run(main)
