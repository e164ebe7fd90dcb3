"""How far word times are from a forced alignment of the true transcript.

    python -m benchmarks.lab.words.times --corpus DATA/test/librispeech --bundles models/moonshine-tiny-en

The alignment is by hama's phonemes (`benchmarks.lab.words.phonemes`), to a frame or two of 20 ms. Only words that the captioner
got right are compared. Early: words that begin more than 0.1 s before they are said.
"""

import difflib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.program import run
from benchmarks.lab.sessions import SpokenWord, spoken_words
from benchmarks.lab.word_errors import progress
from benchmarks.lab.words.phonemes import PhonemeAligner
from unmask import Captioner, EngineOptions, load_bundle
from unmask.benchmarks.measure.statistics import summarize
from unmask.benchmarks.measure.word_errors import normalize
from unmask.training.corpus import Utterance, read_corpus

EARLY_S = 0.1


@dataclass(frozen=True)
class TimestampOptions:
    corpus: Path
    """The corpus's manifest without its ending."""
    bundles: tuple[Path, ...]
    limit: int | None = None
    """So many utterances, by chance."""


def main(options: Annotated[TimestampOptions, cyclopts.Parameter(name="*")]) -> None:
    utterances = [u for u in read_corpus(options.corpus) if u.text]
    if options.limit:
        utterances = random.Random(0).sample(utterances, min(options.limit, len(utterances)))
    aligner = PhonemeAligner()
    truth = [spoken_words(u, aligner) for u in progress(utterances)]
    sides = (f"{side}: mean shift s | median error s | 90 % within s" for side in ("starts", "ends"))
    print(f"| bundle | words compared | {' | '.join(sides)} | early % |\n|{'---|' * 9}")
    for path in options.bundles:
        captioner = Captioner(load_bundle(path), EngineOptions(threads=1)).load()
        shifts = np.concatenate([shift(captioner, u, words) for u, words in zip(utterances, truth, strict=True)])
        cells = [f"{path.name} | {len(shifts)}"]
        for side in shifts.T:
            errors = summarize(np.abs(side).tolist())
            cells.append(f"{side.mean():+.3f} | {errors.p50:.3f} | {errors.p90:.3f}")
        print(f"| {' | '.join(cells)} | {100 * (shifts[:, 0] < -EARLY_S).mean():.1f} |", flush=True)


def shift(captioner: Captioner, utterance: Utterance, truth: list[SpokenWord]) -> NDArray[np.float64]:
    """(N, 2) start and end, ours minus the alignment's, of each word that both have."""
    words = captioner.caption(utterance.samples).words
    ours, theirs = [normalize(word.text) for word in words], [normalize(word.text) for word in truth]
    blocks = difflib.SequenceMatcher(a=ours, b=theirs, autojunk=False).get_matching_blocks()
    pairs = [(words[b.a + i], truth[b.b + i]) for b in blocks for i in range(b.size)]
    return np.array([(our.start_s - their.start_s, our.end_s - their.end_s) for our, their in pairs]).reshape(-1, 2)


if __name__ == "__main__":
    run(main)
