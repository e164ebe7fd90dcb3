"""Case and punctuation: F1 of capital letters and of marks against text written by people.

    python -m benchmarks.lab.capitalization --corpus DATA/train/ljspeech --bundles models/moonshine-tiny-en

LJ Speech's `raw` text has both. The 64 recordings that training holds out (the first by name) are scored. Words are aligned
after normalizing; a capital or a mark counts as found when the word in the same place has it, so a wrong word loses its own.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts

from benchmarks.lab.word_errors import bundle_text, progress
from unmask.benchmarks.measure.word_errors import normalize
from unmask.training.corpus import read_corpus, read_lines

MARKS = ".,?!;:"


@dataclass(frozen=True)
class CapitalizationOptions:
    corpus: Path
    """The corpus's manifest without its ending; lines have `raw`."""
    bundles: tuple[Path, ...]
    limit: int = 64


def main(options: Annotated[CapitalizationOptions, cyclopts.Parameter(name="*")]) -> None:
    raw = {row["id"]: row["raw"] for row in read_lines(options.corpus.with_suffix(".jsonl"))}
    utterances = sorted(read_corpus(options.corpus), key=lambda u: u.id)[: options.limit]
    writers = {path.name: bundle_text(path) for path in options.bundles}
    print(f"| {len(utterances)} recordings | capitals F1 % | marks F1 % |\n|---|---|---|")
    for name, write in writers.items():
        pairs = [(raw[u.id], write(u.samples)) for u in progress(utterances)]
        print(f"| {name} | {100 * f1(pairs, capital):.1f} | {100 * f1(pairs, mark):.1f} |", flush=True)


def capital(word: str) -> str:
    return "A" if word[:1].isupper() else ""


def mark(word: str) -> str:
    return word[-1] if word[-1:] in MARKS else ""


def f1(pairs: list[tuple[str, str]], feature: Callable[[str], str]) -> float:
    """F1 of a feature over aligned words. pairs: what was written by people, what was said by the model."""
    right = wanted = given = 0
    for reference, said in pairs:
        ours, theirs = reference.split(), said.split()
        wanted += sum(bool(feature(word)) for word in ours)
        given += sum(bool(feature(word)) for word in theirs)
        matcher = difflib.SequenceMatcher(a=[normalize(w) for w in ours], b=[normalize(w) for w in theirs], autojunk=False)
        for block in matcher.get_matching_blocks():
            for i in range(block.size):
                one, two = feature(ours[block.a + i]), feature(theirs[block.b + i])
                right += bool(one) and one == two
    return 2 * right / max(1, wanted + given)


if __name__ == "__main__":
    cyclopts.run(main)
