"""One picture of omni-tiny's arrows, from inputs to what the shipped bundle makes of them: docs/arrows.png.

    python -m benchmarks.lab.omni.gallery --out docs/arrows.png

Needs the extra `bench` for matplotlib, and espeak-ng for the spoken request. How often it is wrong is in docs/omni-tiny.md.
"""

from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib
import numpy as np
import soxr
from numpy.typing import NDArray

from benchmarks.lab.program import run
from unmask.apps.cli.options import SHIPPED, SHIPPED_OMNI
from unmask.apps.modalities.heard import in_words_of
from unmask.codecs import Kept
from unmask.session import RunOptions, Session, open_model
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.stickers.scene import Group, Scene
from unmask.training.stickers.sketches import Hand, sketch
from unmask.training.synthesize import open_voice

matplotlib.use("Agg")
from matplotlib import pyplot

Pixels = NDArray[np.uint8]
Axes = Any
WISH = "three small red cars in the top left and a big cat on the right on a sand background"
SPOKEN = "draw two small blue fish in the top left and a big owl on the right on a gray background"
EDIT = "three small red cars in the top left and a big dog on the right on a sand background"
ASKED = "how many cars are there?"
LOOSE = Hand(0.5, 1.3, strong=True, weak=False)
RIGHT_THIRD = (slice(16, 48), slice(32, 64))
DRAWN = Scene("pink", (Group("owl", "", "big", 1, "top left"), Group("mushroom", "", "small", 3, "right")))
COLORED = "three purple mushrooms and an owl on a pink background"
TITLES = ("text to picture", "picture to text", "question to answer", "speech to picture", "edit", "sketch to picture")


def main(out: Path) -> None:
    model, captioner = open_model(SHIPPED_OMNI), open_model(SHIPPED)
    figure, axes = pyplot.subplots(2, len(TITLES), figsize=(15.6, 4.6), gridspec_kw={"hspace": 0.5, "wspace": 0.15})
    picture = draw(model, WISH)
    show_text(axes[0, 0], WISH)
    show_pixels(axes[1, 0], picture)
    show_pixels(axes[0, 1], picture)
    show_text(axes[1, 1], answered(model, "i2t", {"image": picture}))
    show_pixels(axes[0, 2], picture, ASKED)
    answer = answered(model, "vqa", {"text": ASKED, "image": picture})
    show_sound(axes[1, 2], said(model, answer), f"“{answer}”")
    samples, rate = open_voice("espeak:en-us+f3")(SPOKEN, 1.0)
    heard = captioner.run("caption", {"speech": soxr.resample(samples, rate, SAMPLE_RATE_HZ)}).text
    show_sound(axes[0, 3], samples, f"“{SPOKEN}”")
    show_pixels(axes[1, 3], draw(model, in_words_of(model.bundle, heard)))
    anew = np.zeros(picture.shape[:2], bool)
    anew[RIGHT_THIRD] = True
    show_pixels(
        axes[0, 4], np.where(anew[..., None] & checkered(anew.shape)[..., None], 255, picture), "… a big dog on the right …"
    )
    show_pixels(axes[1, 4], draw(model, EDIT, {"image": Kept(picture, anew)}))
    lines = sketch(DRAWN, np.random.default_rng(0), LOOSE)
    show_pixels(axes[0, 5], lines, COLORED)
    colored = made_of(model, "sketch", {"text": COLORED, "image": lines})
    show_pixels(axes[1, 5], colored, f"“{answered(model, 'i2t', {'image': colored})}”")
    for column, title in enumerate(TITLES):
        axes[0, column].set_title(title, fontweight="bold", fontsize=11)
        axes[1, column].annotate("↓", (0.5, 1.03), xycoords="axes fraction", ha="center", fontsize=18)
    figure.savefig(out, dpi=110, bbox_inches="tight")


def draw(model: Session, text: str, keep: dict[str, Kept] | None = None) -> Pixels:
    return made_of(model, "t2i", {"text": text}, keep)


def made_of(model: Session, task: str, given: dict[str, Any], keep: dict[str, Kept] | None = None) -> Pixels:
    made: Pixels = model.run(task, given, RunOptions(keep=keep or {})).media["image"]  # type: ignore[union-attr]
    return made


def answered(model: Session, task: str, given: dict[str, Any]) -> str:
    return model.run(task, given).text


def said(model: Session, text: str) -> NDArray[np.float32]:
    made: NDArray[np.float32] = model.run("t2s", {"text": text}).media["speech"]  # type: ignore[union-attr]
    return made


def checkered(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.add.outer(np.arange(shape[0]) // 4, np.arange(shape[1]) // 4) % 2 == 0


def show_text(axis: Axes, text: str) -> None:
    bare(axis)
    axis.text(0.5, 0.5, fill(text, 20), ha="center", va="center", fontsize=10, transform=axis.transAxes)


def show_pixels(axis: Axes, pixels: NDArray[Any], below: str = "") -> None:
    bare(axis)
    axis.imshow(pixels.astype(np.uint8), interpolation="nearest")
    axis.set_xlabel(fill(below, 34), fontsize=8)


def show_sound(axis: Axes, samples: NDArray[np.float32], below: str) -> None:
    bare(axis)
    axis.plot(samples, linewidth=0.4)
    axis.set_box_aspect(1)
    axis.set_xlabel(fill(below, 34), fontsize=8)


def bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_box_aspect(1)


if __name__ == "__main__":
    run(main)
