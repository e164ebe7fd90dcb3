"""What a list of words gains and costs: recall of the listed words, false alarms, and word error rate, by weight.

    python -m benchmarks.lab.words.listed --bundle moonshine --corpus DATA/test/librispeech --texts DATA/text \\
      --others DATA/train/librispeech --others DATA/train/librilight

Listed are the corpus's rare words: at least four letters, in none of the texts and in no transcript of the other corpora; and as
many distractors as asked, which are rare words of the other corpora that nobody says here. A false alarm is a listed word in a
caption beyond those in its transcript. Segments are encoded once and decoded with each weight; 0: without the list.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts

from benchmarks.lab.program import run
from benchmarks.lab.word_errors import progress
from unmask import Captioner, EngineOptions, Phrase, load_bundle
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.measure.word_errors import WER_PERCENT, normalize, word_errors
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.speech.transcript import TranscriptReader
from unmask.training.corpus import Utterance, read_corpus, read_lines

SHORTEST = 4  # letters


@dataclass(frozen=True)
class ListedOptions:
    bundle: Path
    corpus: Path
    """The corpus's manifest without its ending."""
    texts: Path
    """Folder of text files: the words in them are not rare."""
    others: tuple[Path, ...]
    """Manifests of other corpora, as `corpus`."""
    distractors: int = 100
    listed: Path | None = None
    """A list of words, as of `unmask caption --words`, instead of the rare words."""
    weights: tuple[float, ...] = (0, 1, 2, 3, 4, 6)
    limit: int | None = None
    """So many utterances, by chance."""


@dataclass
class Counts:
    """One weight's sums over all utterances."""

    errors: int = 0
    words: int = 0
    said: int = 0  # listed words in the transcripts
    found: int = 0
    alarms: int = 0
    passes: int = 0


def main(options: Annotated[ListedOptions, cyclopts.Parameter(name="*")]) -> None:
    chance = random.Random(0)
    utterances = [u for u in read_corpus(options.corpus) if u.text]
    if options.limit:
        utterances = chance.sample(utterances, min(options.limit, len(utterances)))
    words, distractors = listed_words(options, utterances, chance)
    hours = sum(len(u.samples) for u in utterances) / SAMPLE_RATE_HZ / 3600
    print(f"{describe_machine()}\n{len(words)} words and {len(distractors)} distractors, {hours:.2f} h\n")
    print(f"| weight | recall % | false alarms an hour | {WER_PERCENT} | passes |\n|---|---|---|---|---|")
    for weight, c in zip(options.weights, count(options, utterances, [*words, *distractors]), strict=True):
        recall = f"{100 * c.found / max(1, c.said):.1f} ({c.found} of {c.said})"
        wer, passes = 100 * c.errors / c.words, c.passes / len(utterances)
        print(f"| {weight:g} | {recall} | {c.alarms / hours:.1f} | {wer:.2f} | {passes:.2f} |", flush=True)


def listed_words(options: ListedOptions, utterances: Sequence[Utterance], chance: random.Random) -> tuple[list[str], list[str]]:
    """The rare words that are said, or those of a list, and the distractors."""
    from unmask.apps.captions.word_list import read_word_list

    common = {word for path in sorted(options.texts.glob("*.txt")) for word in re.findall(r"[a-z']+", path.read_text().lower())}
    others = {
        word
        for path in options.others
        for row in read_lines(path.with_name(f"{path.name}.jsonl"))
        for word in row["text"].split()
    }
    said = {word for u in utterances for word in u.text.split()}
    rare = sorted(word for word in said - common - others if len(word) >= SHORTEST)
    unsaid = sorted(word for word in others - common - said if len(word) >= SHORTEST)
    words = [phrase.text for phrase in read_word_list(options.listed)] if options.listed else rare
    return words, sorted(chance.sample(unsaid, min(options.distractors, len(unsaid))))


def count(options: ListedOptions, utterances: Sequence[Utterance], words: Sequence[str]) -> list[Counts]:
    captioner = Captioner(load_bundle(options.bundle), EngineOptions(threads=1)).load()
    lists = [
        TranscriptReader(captioner.engine, [Phrase(word, w) for word in words] if w else ()).phrases for w in options.weights
    ]
    wanted, counts = {normalize(word) for word in words}, [Counts() for _ in options.weights]
    for u in progress(list(utterances)):
        segments = list(captioner.segments(u.samples))
        said = Counter(word for word in normalize(u.text).split() if word in wanted)
        for phrases, c in zip(lists, counts, strict=True):
            for segment in segments:
                segment.decoder.phrases = phrases
            caption = captioner.read(segments, len(u.samples) / SAMPLE_RATE_HZ)
            errors, of = word_errors(u.text, caption.text)
            heard = Counter(word for word in normalize(caption.text).split() if word in wanted)
            c.errors, c.words, c.passes = c.errors + errors, c.words + of, c.passes + caption.passes
            c.said, c.found, c.alarms = c.said + said.total(), c.found + (said & heard).total(), c.alarms + (heard - said).total()
    return counts


if __name__ == "__main__":
    run(main)
