"""From a finished run to bundles: the averaged weights in fp32, and their int8 form.

The penalty on blank's logit is chosen on the held-out utterances (`CaptionWindow` explains it).

python -m unmask.training.captions.release --whisper WHISPER --cache CACHE --run RUN --out BUNDLES
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts

from unmask.export.onnx.captioner import write_captioner
from unmask.quant.weights.quantize import Recipe, quantize_bundle
from unmask.training.captions.train import Run, Train, load_averaged

NAME = "caption-tiny-en"
PENALTIES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


@dataclass(frozen=True)
class Release:
    whisper: Path
    cache: Path
    run: Path
    out: Path
    """Gets `caption-tiny-en-fp32` and `caption-tiny-en`."""
    frames_per_slot: int = 8
    rarer: int | None = Train.rarer
    """The value of the training run."""
    rare: str = "int4"
    """Form of the rarer tokens' rows in the int8 bundle."""


def main(options: Annotated[Release, cyclopts.Parameter(name="*")]) -> None:
    recipe = Train(options.whisper, options.cache, options.run, frames_per_slot=options.frames_per_slot, rarer=options.rarer)
    run = Run(recipe)
    run.resume()
    rates = run.held_out_wer(PENALTIES)
    print("held-out word error rates:", ", ".join(f"{name} {100 * wer:.1f} %" for name, wer in rates.items()))
    penalty = min(PENALTIES, key=lambda p: rates[f"wer_{p:g}"])
    provenance = {
        "source": "OpenAI Whisper tiny.en (MIT), its encoder and two copies of its decoder trained further",
        "training": f"{run.step} updates, {run.elapsed / 60:.0f} minutes, blank penalty {penalty:g}; see the model card",
    }
    license = "MIT (weights derived from Whisper tiny.en)"
    folder = options.out / f"{NAME}-fp32"
    fp32 = write_captioner(load_averaged(recipe), run.tokenizer.to_str(), folder, NAME, license, provenance, penalty)
    print(f"{fp32}\n{quantize_bundle(fp32, options.out / NAME, Recipe(rare=options.rare))}")


if __name__ == "__main__":
    cyclopts.run(main)
