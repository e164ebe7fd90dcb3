"""Train what neighbors change of a stretch of speech: the part of the speech codec that is learned.

    python -m unmask.training.codecs.context --codec SPEECH --out SPEECH/context --minutes 10

The table of stretches knows each code alone. A word that begins after silence is the worst for it, and answers of one word are
all of that kind. Codes stay as they are, so a model that writes them needs no new training. Goes on from SPEECH/context/last.pt.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from unmask.export.codecs.hibari import FILE, SPEECH_CODES
from unmask.export.modules.speech_context import Context
from unmask.training.codecs.speech import NUMBERS, PROJECTION, load_speech, said_stretches
from unmask.training.codecs.voice import Voice
from unmask.training.run import Run, RunOptions


@dataclass(frozen=True)
class TrainContext(RunOptions):
    codec: Path = Path("speech")
    """Folder of the speech codec, as `unmask.training.codecs.speech` writes it."""
    sentences: int = 2000
    """Of those that the codec has, whose sound is made again."""
    batch: int = 24
    peak: float = 3e-3


@dataclass(frozen=True)
class Sounds:
    """Codes and the stretches that they stand for."""

    codes: list[Tensor]
    stretches: list[Tensor]

    def batch(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """(B, N) codes, SPEECH_CODES beyond the end, and (B, N, NUMBERS)."""
        pad = torch.nn.utils.rnn.pad_sequence
        return pad([self.codes[i] for i in rows], True, SPEECH_CODES), pad([self.stretches[i].float() for i in rows], True)


def main(options: Annotated[TrainContext, cyclopts.Parameter(name="*")]) -> None:
    torch.manual_seed(options.seed)
    codec, voice = load_speech(options.codec), Voice()
    train, held = (
        Sounds(
            [torch.from_numpy(codes) for codes in said.codes[: options.sentences]],
            [torch.from_numpy(own).half() for own in said_stretches(voice, codec.pace, said.texts[: options.sentences])],
        )
        for said in (codec.train, codec.held)
    )
    projection = load_file(options.codec / FILE)[PROJECTION]
    model, every = Context(SPEECH_CODES, NUMBERS), list(range(len(held.codes)))
    alone = float(error(None, codec.means, projection, *held.batch(every)))

    def losses(step: int) -> dict[str, Tensor]:
        rows = np.random.default_rng([options.seed, step]).integers(len(train.codes), size=options.batch).tolist()
        return {"share": error(model, codec.means, projection, *train.batch(rows)) / alone}

    def score() -> dict[str, float]:
        return {"left": round(float(error(model, codec.means, projection, *held.batch(every))) / alone, 4)}

    Run(model, options, ()).go(losses, score)


def error(model: Context | None, means: Tensor, projection: Tensor, codes: Tensor, wanted: Tensor) -> Tensor:
    """Mean square of what is heard of the stretches' errors, each sentence counting alike. model: None for the table alone."""
    table = torch.cat([means, torch.zeros(1, means.shape[1])])
    found = table[codes] if model is None else table[codes] + model(codes)
    inside = codes != SPEECH_CODES
    squares = ((found - wanted) @ projection).square().sum(-1) * inside
    return (squares.sum(1) / inside.sum(1)).mean()


if __name__ == "__main__":
    cyclopts.run(main)
