"""What real people say who ask for no panel: how often one appears all the same.

    python -m benchmarks.lab.ui.real --data DATA

Test recordings of DATA through the shipped captioner: orders of drinks (`picovoice`), which a panel cannot fill, spelled letters
and numbers (`an4`), and sentences read by learners (`speechocean762`). No recordings of real people are at hand who ask for
panels. An answer is right when the screen stays empty.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np

from benchmarks.lab.program import run
from unmask import Captioner, EngineOptions, load_bundle
from unmask.apps.ui.board import Board
from unmask.apps.ui.filler import Filler
from unmask.apps.ui.hearing import expected
from unmask.apps.ui.slots import WORDS
from unmask.apps.ui.words import words_of
from unmask.benchmarks.measure.statistics import bootstrap_rate
from unmask.training.corpus import read_corpus


@dataclass(frozen=True)
class RealOptions:
    data: Path
    bundle: Path = Path("models/ui-tiny")
    captioner: Path = Path("models/moonshine-tiny-en")
    corpora: tuple[str, ...] = ("picovoice", "an4", "speechocean762")
    show: bool = False
    """Print what was heard where a panel appeared."""


def main(options: Annotated[RealOptions, cyclopts.Parameter(name="*")]) -> None:
    one = EngineOptions(threads=1)
    filler, captioner = Filler(load_bundle(options.bundle), one).load(), Captioner(load_bundle(options.captioner), one).load()
    captioner.expect(expected(None))
    print("| recordings | n | nothing shown (95 %) | answers |\n|---|---:|---:|---|")
    for name in options.corpora:
        kinds = []
        for utterance in read_corpus(options.data / "test" / name):
            heard = captioner.caption(utterance.samples).text
            count = len(words_of(heard))
            kinds.append(Board(filler).ask(heard).kind if 0 < count <= WORDS else "no words")
            if options.show and kinds[-1] == "new":
                print(f"  {heard}")
        rate, interval = bootstrap_rate(np.array([kind != "new" for kind in kinds], float), np.ones(len(kinds)))
        shown = f"{100 * rate:.0f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"
        print(f"| {name} | {len(kinds)} | {shown} | {', '.join(f'{kind} {n}' for kind, n in Counter(kinds).most_common())} |")


if __name__ == "__main__":
    run(main)
