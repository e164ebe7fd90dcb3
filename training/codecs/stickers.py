"""Train the picture codec of omni-tiny on pictures of the sticker world.

    python -m unmask.training.codecs.stickers --out RUN --minutes 60

Reports the mean PSNR of held-out pictures, and the share of facts that the reader still finds in them; RUN/sheet.png shows some
of them, each above what its codes give back.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from unmask.export.modules.sticker_codec import StickerCodec, StickerCodecConfig, codes_of
from unmask.training.omni.pictures import Pixels, read, render
from unmask.training.omni.scene import draw_scene
from unmask.training.omni.scores import right_facts
from unmask.training.run import Run, RunOptions

SHOWN = 16  # pictures on the sheet


@dataclass(frozen=True)
class TrainStickers(RunOptions):
    batch: int = 64
    peak: float = 2e-3
    edge_weight: float = 0.5
    """Weight of differences between neighboring pixels in the loss, relative to pixels."""
    held_out: int = 128
    """Pictures to measure on."""


def main(options: Annotated[TrainStickers, cyclopts.Parameter(name="*")]) -> None:
    torch.manual_seed(options.seed)
    codec = StickerCodec(StickerCodecConfig())
    run = Run(codec, options)
    rng = np.random.default_rng([options.seed, 1])
    scenes = [draw_scene(rng, held=True) for _ in range(options.held_out)]
    pictures = [render(scene) for scene in scenes]

    def losses(step: int) -> dict[str, Tensor]:
        draw = np.random.default_rng([options.seed, 2, step])
        pixels = tensor([render(draw_scene(draw)) for _ in range(options.batch)]).to(options.device)
        with torch.autocast(options.device.split(":")[0], torch.bfloat16):
            made = codec(pixels)
        return loss_parts(made, pixels, options.edge_weight)

    def score() -> dict[str, float]:
        made, codes = through(codec, pictures)
        Image.fromarray(sheet(pictures[:SHOWN], made[:SHOWN])).save(options.out / "sheet.png")
        return {
            "psnr": round(float(np.mean([psnr(a, b) for a, b in zip(pictures, made, strict=True)])), 2),
            "facts": round(float(np.mean([right_facts(s, read(p)) for s, p in zip(scenes, made, strict=True)])), 4),
            "codes": int(codes.unique().numel()),
        }

    run.go(losses, score)


def tensor(pictures: list[Pixels]) -> Tensor:
    """(B, 3, H, W) in -1 to 1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def loss_parts(made: Tensor, pixels: Tensor, edge_weight: float) -> dict[str, Tensor]:
    """Squared and absolute differences of pixels, and absolute ones of their slopes: sharp edges are what stickers consist of."""
    slopes = sum(F.l1_loss(made.diff(dim=axis), pixels.diff(dim=axis)) for axis in (2, 3))
    return {"pixels": F.mse_loss(made, pixels) + 0.2 * F.l1_loss(made, pixels), "edges": edge_weight * slopes}


def through(codec: StickerCodec, pictures: list[Pixels]) -> tuple[list[Pixels], Tensor]:
    """Pictures as their codes give them back, and the codes (B, rows, columns)."""
    device = codec.read_out.weight.device
    levels = codec.levels(tensor(pictures).to(device)).round()
    made = ((codec.pixels(levels).clamp(-1, 1) + 1) * 127.5).round().byte()
    return list(made.permute(0, 2, 3, 1).cpu().numpy()), codes_of(levels).cpu()


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
    """The codec with the weights of a run."""
    from safetensors.torch import load_file

    codec = StickerCodec(StickerCodecConfig())
    codec.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return codec.eval().requires_grad_(False)


if __name__ == "__main__":
    cyclopts.run(main)
