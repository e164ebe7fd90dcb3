"""Train omni-tiny: descriptions become pictures, pictures captions, and questions on pictures answers.

    python -m unmask.training.omni.train --codec CODEC/squares.safetensors --out RUN --minutes 600

Everything it reads is made while it trains. Goes on from RUN/last.pt when it is there; RUN/log.jsonl has the curves. Runs on a
CPU, and unchanged on a GPU with `--device cuda` and a larger batch.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import torch
from torch import Tensor

from unmask.training.codecs.stickers import load_codec
from unmask.training.omni.batches import Batch, Examples, task_batches
from unmask.training.omni.evaluate import Exam
from unmask.training.omni.model import Omni, OmniConfig, looks_of, losses_at
from unmask.training.omni.vocabulary import make_tokenizer
from unmask.training.run import Run, RunOptions


@dataclass(frozen=True)
class TrainOmni(RunOptions):
    codec: Path = Path("codec/squares.safetensors")
    """The picture codec, as `unmask.training.codecs.stickers` writes them."""
    model: OmniConfig = field(default_factory=OmniConfig)
    draw: int = 16
    """Canvases of an update: pictures of descriptions,"""
    tell: int = 4
    """captions of pictures,"""
    answer: int = 4
    """and answers to questions on pictures."""
    peak: float = 2e-3
    warmup_steps: int = 100
    exam: int = 48
    """Held-out scenes of each report."""


def main(options: Annotated[TrainOmni, cyclopts.Parameter(name="*")]) -> None:
    torch.manual_seed(options.seed)
    codec = load_codec(options.codec)
    examples = Examples(codec, make_tokenizer())
    model = Omni(options.model, looks_of(codec.squares))
    run = Run(model, options, model.matrices)
    exam = Exam(examples, options.exam, options.seed, options.out)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([options.seed, 3, step])
        sizes = {"draw": options.draw, "tell": options.tell, "answer": options.answer}
        return task_losses(model, task_batches(examples, sizes, rng), options.device)

    run.go(losses, lambda: exam.scores(model))


def task_losses(model: Omni, parts: list[Batch], device: str) -> dict[str, Tensor]:
    """Of each task, the mean of nats over all that is masked in the batches."""
    totals: dict[str, Tensor] = {}
    counts: dict[str, float] = {}
    for batch in parts:
        at, wanted = batch.at.to(device), batch.wanted.to(device)
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            hidden = model(batch.canvas.to(device))[at[:, 0], at[:, 1]]
            nats = losses_at(model, hidden, wanted)
        for task, weights in batch.weights.items():
            totals[task] = totals.get(task, 0) + nats @ weights.to(device)
            counts[task] = counts.get(task, 0) + float(weights.sum())
    return {task: total / counts[task] for task, total in totals.items()}


if __name__ == "__main__":
    cyclopts.run(main)
