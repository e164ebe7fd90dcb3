"""Train omni-tiny: descriptions become pictures, pictures captions, and questions on pictures answers.

    python -m unmask.training.omni.train --codec CODEC/weights.safetensors --out RUN --minutes 600

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
from unmask.training.omni.model import Omni, OmniConfig, losses_at
from unmask.training.omni.vocabulary import END, MASK, make_tokenizer
from unmask.training.run import Run, RunOptions


@dataclass(frozen=True)
class TrainOmni(RunOptions):
    codec: Path = Path("codec/weights.safetensors")
    """Weights of the picture codec, as `unmask.training.codecs.stickers` writes them."""
    model: OmniConfig = field(default_factory=OmniConfig)
    draw: int = 32
    """Canvases of an update: pictures of descriptions,"""
    tell: int = 10
    """captions of pictures,"""
    answer: int = 10
    """and answers to questions on pictures."""
    peak: float = 1.5e-3
    warmup_steps: int = 200
    exam: int = 48
    """Held-out scenes of each report."""


def main(options: Annotated[TrainOmni, cyclopts.Parameter(name="*")]) -> None:
    torch.manual_seed(options.seed)
    tokenizer = make_tokenizer()
    mask_id, end_id = (int(tokenizer.token_to_id(mark)) for mark in (MASK, END))
    examples = Examples(load_codec(options.codec), tokenizer)
    model = Omni(options.model)
    run = Run(model, options)
    exam = Exam(examples, options.exam, options.seed, mask_id, options.out)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([options.seed, 3, step])
        sizes = {"draw": options.draw, "tell": options.tell, "answer": options.answer}
        batches = {task: task_batches(task, examples, size, rng, mask_id, end_id) for task, size in sizes.items() if size}
        return {task: loss(model, parts, options.device) for task, parts in batches.items()}

    run.go(losses, lambda: exam.scores(model))


def loss(model: Omni, parts: list[Batch], device: str) -> Tensor:
    """The mean of nats, over all that is masked in the batches."""
    total, weight = torch.zeros((), device=device), 0.0
    for batch in parts:
        at, wanted, weights = batch.at.to(device), batch.wanted.to(device), batch.weights.to(device)
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            hidden = model(batch.canvas.to(device))[at[:, 0], at[:, 1]]
            nats = losses_at(model, hidden, wanted)
        total = total + nats @ weights
        weight += float(batch.weights.sum())
    return total / weight


if __name__ == "__main__":
    cyclopts.run(main)
