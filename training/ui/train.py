"""Train ui-tiny: requests become panels, and changes of panels.

    python -m unmask.training.ui.train --out RUN --minutes 60

Everything it reads is made while it trains. Goes on from RUN/last.pt when it is there; RUN/log.jsonl has the curves.
"""

from dataclasses import dataclass, field
from typing import Annotated

import cyclopts
import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.apps.ui.slots import COUNT
from unmask.training.run import Run, RunOptions, mixed
from unmask.training.ui.batches import Batch, Batches
from unmask.training.ui.exam import Exam
from unmask.training.ui.hint import hint_loss
from unmask.training.ui.model import UiConfig, UiModel
from unmask.training.ui.pieces import Encoder, learned

HINT_WEIGHT = 0.2


@dataclass(frozen=True)
class TrainUi(RunOptions):
    model: UiConfig = field(default_factory=UiConfig)
    batch: int = 48
    """Canvases of an update."""
    peak: float = 1.5e-3
    exam: int = 96
    """Requests of each half of a report: of phrasings that training sees, and of those held back."""
    compile: bool = False
    """Fuse the model's operators for this machine: takes minutes and a C++ compiler, and saves a third of each update."""


def main(options: Annotated[TrainUi, cyclopts.Parameter(name="*")]) -> None:
    torch.manual_seed(options.seed)
    tokenizer = learned(options.out, options.start)
    encode = Encoder(tokenizer)
    model = UiModel(options.model, tokenizer.get_vocab_size() - COUNT)
    run = Run(model, options, model.matrices)
    if options.compile:
        model.compile(dynamic=True)
    batches, exam = Batches(encode, options.batch, options.seed), Exam(encode, options.exam, options.seed)
    run.go(lambda step: losses(model, batches.batch(step)), lambda: exam.scores(model))


def losses(model: UiModel, batch: Batch) -> dict[str, Tensor]:
    """Mean nats of what is masked, and of what the words of requests stand for."""
    with mixed("cpu"):
        middle, hidden = model(batch.canvas)
        logits = model.logits(hidden[batch.at[:, 0], batch.at[:, 1]])
        hints = F.linear(middle[batch.said[:, 0], batch.said[:, 1]], model.hints)
    slots = F.cross_entropy(logits.float(), batch.wanted)
    return {"slots": slots, "hint": HINT_WEIGHT * hint_loss(hints, batch.told)}


if __name__ == "__main__":
    cyclopts.run(main)
