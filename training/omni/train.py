"""Train omni-tiny: descriptions and sketches become pictures, pictures captions, questions on pictures answers, and texts
speech.

    python -m unmask.training.omni.train --codec CODEC/squares.safetensors --speech SPEECH --out RUN --minutes 600

Everything it reads is made while it trains. Goes on from RUN/last.pt when it is there; RUN/log.jsonl has the curves. Runs on a
CPU, and unchanged on a GPU with `--device cuda --workers 15` and a larger batch (`--draw 512 --tell 128 --answer 128`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import cyclopts
import torch
from torch import Tensor

from unmask.training.codecs.stickers import load_codec
from unmask.training.denoiser import Passed, Sequences
from unmask.training.omni.ahead import Ahead, Recipe, examples_of
from unmask.training.omni.batches import TASKS, Batch
from unmask.training.omni.evaluate import Exam
from unmask.training.omni.model import Omni, OmniConfig, asked_loss, looks_of, losses_at, shown_losses
from unmask.training.omni.spoken import Listener
from unmask.training.run import Run, RunOptions, mixed

SHOWN_WEIGHT, ASKED_WEIGHT = 0.5, 1.0


@dataclass(frozen=True)
class TrainOmni(RunOptions):
    codec: Path = Path("codec/squares.safetensors")
    """The picture codec, as `unmask.training.codecs.stickers` writes them."""
    speech: Path | None = None
    """Folder of the speech codec, as `unmask.training.codecs.speech` writes it. None: nothing is spoken."""
    model: OmniConfig = field(default_factory=OmniConfig)
    draw: int = 16
    """Canvases of an update: pictures of descriptions,"""
    tell: int = 4
    """captions of pictures,"""
    answer: int = 4
    """answers to questions on pictures,"""
    read: int = 16
    """answers to questions on captions,"""
    speak: int = 4
    """speech of sentences,"""
    sketch: int = 8
    """and pictures of sketches and descriptions."""
    peak: float = 2e-3
    warmup_steps: int = 100
    exam: int = 48
    """Held-out scenes of each report."""
    captioner: Path = Path(__file__).parents[2] / "models" / "moonshine-tiny-en"
    """Hears what is said, in reports."""
    workers: int = 0
    """Processes that make batches; a GPU needs one for each core."""
    compile: bool = False
    """Fuse the model's operators for this machine: takes minutes and a C++ compiler, and saves half of each update."""


def main(options: Annotated[TrainOmni, cyclopts.Parameter(name="*")]) -> None:
    torch.manual_seed(options.seed)
    examples = examples_of(options.codec, options.speech)
    sizes = {name: getattr(options, name) for name in TASKS} | {"speak": options.speak if options.speech else 0}
    sounds = looks_of(examples.speech.means) if examples.speech else None
    paces = torch.from_numpy(examples.paces)
    model = Omni(options.model, looks_of(load_codec(options.codec).squares), sounds, paces)
    run = Run(model, options, model.matrices)
    if not torch.equal(model.paces.cpu(), paces):
        raise SystemExit(f"{options.start or options.out}: has another speech codec than {options.speech}; leave out --start")
    exam = Exam(
        examples, options.exam, options.seed, options.out, Listener(options.speech, options.captioner) if options.speech else None
    )
    passed = torch.compile(model.passed, dynamic=True) if options.compile else model.passed
    ahead = Ahead(Recipe(options.codec, options.speech, tuple(sizes.items()), options.seed), options.workers)
    try:
        run.go(lambda step: task_losses(model, passed, ahead.batches(step), options.device), lambda: exam.scores(model))
    finally:
        ahead.close()


def task_losses(model: Omni, passed: Callable[[Sequences], Passed], parts: list[Batch], device: str) -> dict[str, Tensor]:
    """Of each task, the mean of nats over all that is masked in the batches, what squares show, and where answers look. passed:
    the model's, or that compiled."""
    totals: dict[str, Tensor] = {}
    counts: dict[str, float] = {}
    for batch in parts:
        at, wanted = batch.at.to(device), batch.wanted.to(device)
        with mixed(device):
            canvas = batch.canvas.to(device)
            found = passed(canvas)
            nats = losses_at(model, found.last[at[:, 0], at[:, 1]], wanted)
            shown = shown_losses(model, found.middle, batch.shown.to(device))
            asked = asked_loss(found.looks, batch.asked.to(device), canvas.length)
        for hint, weight, loss in (("shown", SHOWN_WEIGHT, shown), ("asked", ASKED_WEIGHT, asked)):
            if loss is not None:
                totals[hint] = totals.get(hint, 0) + weight * loss
                counts[hint] = counts.get(hint, 0) + 1
        for task, weights in batch.weights.items():
            totals[task] = totals.get(task, 0) + nats @ weights.to(device)
            counts[task] = counts.get(task, 0) + float(weights.sum())
    return {task: total / counts[task] for task, total in totals.items()}


if __name__ == "__main__":
    cyclopts.run(main)
