"""What each saving of the trimmed decoding changes, on a model that is trained: omni-tiny, which ships, draws held-out scenes.

    python -m benchmarks.lab.omnivoice.savings

OmniVoice's own weights were not at hand, and random ones are never sure. omni-tiny has one stream of codes and draws pictures, so
this shows what the sampler's savings do to a trained masked diffusion model, and not what OmniVoice loses. Each way draws the
same scenes as the first one, which has OmniVoice's published form: guidance in every pass, few commits at first.
"""

from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np

from benchmarks.lab.program import run
from unmask.benchmarks.measure.statistics import bootstrap_rate
from unmask.benchmarks.report.tables import Table
from unmask.decoding.schedule import Schedule
from unmask.engines.engine_options import EngineOptions
from unmask.session import RunOptions, open_model
from unmask.text.generator import Answer
from unmask.training.stickers.exam import held_out_cases
from unmask.training.stickers.pictures import read
from unmask.training.stickers.scores import right_groups

BASE = Schedule(passes=16, rule="quota", curve="shifted", guidance=2.0, reuse=True, window="block")
WAYS: dict[str, Schedule] = {
    "16 passes, guidance in all": BASE,
    "guidance in the first": replace(BASE, guided="first"),
    "guidance in the first 4": replace(BASE, guided="1-4"),
    "no guidance": replace(BASE, guidance=0.0),
    "10 passes": replace(BASE, passes=10),
    "10 passes, guidance in the first": replace(BASE, passes=10, guided="first"),
    "8 passes, guidance in the first": replace(BASE, passes=8, guided="first"),
    "commits from 0.9 on, 16 passes at most": replace(BASE, rule="threshold", threshold=0.9),
    "commits from 0.9 on, guidance in the first": replace(BASE, rule="threshold", threshold=0.9, guided="first"),
}


@dataclass(frozen=True)
class SavingsOptions:
    cases: int = 64
    seed: int = 0
    threads: int = 1


def main(*, options: Annotated[SavingsOptions, cyclopts.Parameter(name="*")] = SavingsOptions()) -> None:
    session = open_model(Path(str(files("unmask.models"))) / "omni-tiny", EngineOptions(threads=options.threads))
    cases = held_out_cases(options.cases, options.seed)
    first: list[np.ndarray] = []
    rows = []
    for name, way in WAYS.items():
        own = replace(way, block=session.tasks["t2i"].schedule.block)
        answers = [session.run("t2i", {"text": case.text}, RunOptions(own)) for case in cases]
        assert all(isinstance(answer, Answer) for answer in answers)
        codes = [np.array(answer.codes["image"]) for answer in answers]
        first = first or codes
        same = np.mean([np.mean(a == b) for a, b in zip(codes, first, strict=True)])
        right = np.array([right_groups(case.scene, read(a.media["image"])) for case, a in zip(cases, answers, strict=True)])
        rate, spread = bootstrap_rate(right, np.ones(len(right)))
        passes = np.mean([answer.passes for answer in answers])
        cells = (
            name,
            f"{passes:.1f}",
            f"{100 * same:.1f}",
            f"{100 * rate:.1f} ({100 * spread.low:.0f} to {100 * spread.high:.0f})",
        )
        rows.append((*cells, str(round(np.mean([answer.rows for answer in answers])))))
    head = ("way", "passes", "codes as in the first, %", "groups of things that are right, %", "rows")
    print(Table(head, tuple(rows)).to_markdown())


if __name__ == "__main__":
    run(main)
