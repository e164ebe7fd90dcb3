"""How far word times are from a forced alignment of the true transcript.

    python -m benchmarks.lab.words.times --corpus DATA/test/librispeech --bundles models/caption-tiny-en --whisper WHISPER

The alignment is Whisper's: its decoder reads the transcript, and a monotonic path through its cross-attention gives the times, to
about a tenth of a second. Only words that the captioner got right are compared, by their starts.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.sessions import Aligner, SpokenWord
from benchmarks.lab.word_errors import progress
from unmask import Captioner, load_bundle
from unmask.benchmarks.measure.statistics import summarize
from unmask.benchmarks.measure.word_errors import normalize
from unmask.training.corpus import Utterance, read_corpus


@dataclass(frozen=True)
class TimestampOptions:
    corpus: Path
    """The corpus's manifest without its ending."""
    bundles: tuple[Path, ...]
    whisper: Path
    limit: int | None = None


def main(options: Annotated[TimestampOptions, cyclopts.Parameter(name="*")]) -> None:
    utterances = [u for u in read_corpus(options.corpus) if u.text][: options.limit]
    aligner = Aligner(options.whisper)
    truth = [aligner.words(u) for u in progress(utterances)]
    print("| bundle | words compared | mean shift s | median error s | 90 % within s |\n|---|---|---|---|---|")
    for path in options.bundles:
        captioner = Captioner(load_bundle(path)).load()
        shifts = np.concatenate([shift(captioner, u, words) for u, words in zip(utterances, truth, strict=True)])
        errors = summarize(np.abs(shifts).tolist())
        print(f"| {path.name} | {errors.n} | {shifts.mean():+.2f} | {errors.p50:.2f} | {errors.p90:.2f} |")


def shift(captioner: Captioner, utterance: Utterance, truth: list[SpokenWord]) -> NDArray[np.float64]:
    """Ours minus the alignment's, for each word that both have."""
    words = captioner.caption(utterance.samples).words
    ours, theirs = [normalize(word.text) for word in words], [normalize(word.text) for word in truth]
    blocks = difflib.SequenceMatcher(a=ours, b=theirs, autojunk=False).get_matching_blocks()
    return np.array([words[b.a + i].start_s - truth[b.b + i].start_s for b in blocks for i in range(b.size)], dtype=np.float64)


if __name__ == "__main__":
    cyclopts.run(main)
