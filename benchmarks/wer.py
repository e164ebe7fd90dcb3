"""Word error rate of caption bundles on a corpus, by schedule, with 95 % bootstrap intervals.

    python -m unmask.benchmarks.wer --corpus DATA/test/librispeech --bundles models/caption-tiny-en [--whisper WHISPER]

Every utterance's context is computed once per bundle and then filled by each schedule. Words are compared after Whisper's English
normaliser. Writes a Markdown table to stdout and, with --out, every utterance's text and counts as JSON.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import cyclopts
import jiwer
import numpy as np
from numpy.typing import NDArray
from whisper_normalizer.english import EnglishTextNormalizer

from unmask import Captioner, EngineOptions, Schedule, load_bundle
from unmask.mel import SAMPLE_RATE_HZ, log_mel
from unmask.training.corpus import Utterance, read_corpus

NORMAL = EnglishTextNormalizer()
SCHEDULES = {
    "1 pass": Schedule(rule="quota", passes=1),
    "2 passes": Schedule(rule="quota", passes=2),
    "4 passes": Schedule(rule="quota", passes=4),
    "8 passes": Schedule(rule="quota", passes=8),
    "threshold 0.9": Schedule(threshold=0.9),
    "threshold 0.9, at most 8": Schedule(threshold=0.9, passes=8),
    "threshold 0.9, at most 8, reuse": Schedule(threshold=0.9, passes=8, reuse=True),
}


@dataclass(frozen=True)
class Wer:
    corpus: Path
    """The corpus's manifest without its ending."""
    bundles: tuple[Path, ...]
    whisper: Path | None = None
    """Also decode greedily with this Whisper (in PyTorch), on windows padded to 30 s and on the captioner's own."""
    out: Path | None = None
    limit: int | None = None
    """Only so many utterances."""
    resamples: int = 10_000
    threads: int = 1


@dataclass
class Row:
    """One setting's result; one entry an utterance."""

    name: str
    texts: list[str] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    def add(self, reference: str, text: str, passes: int, rows: int, tokens: int) -> None:
        counts = jiwer.process_words(NORMAL(reference), NORMAL(text))
        self.texts.append(text)
        self.errors.append(counts.substitutions + counts.deletions + counts.insertions)
        self.words.append(counts.hits + counts.substitutions + counts.deletions)
        self.passes.append(passes)
        self.rows.append(rows)
        self.tokens.append(tokens)


def main(options: Annotated[Wer, cyclopts.Parameter(name="*")]) -> None:
    utterances = [u for u in read_corpus(options.corpus) if u.text][: options.limit]
    results = [row for path in options.bundles for row in score_bundle(path, utterances, options)]
    if options.whisper:
        results += score_whisper(options.whisper, utterances)
    speakers = np.array([u.speaker for u in utterances])
    print(table(results, speakers, options.resamples))
    if options.out:
        options.out.write_text(json.dumps([asdict(row) for row in results], ensure_ascii=False), encoding="utf-8")


def score_bundle(path: Path, utterances: list[Utterance], options: Wer) -> list[Row]:
    captioner = Captioner(load_bundle(path), EngineOptions(threads=options.threads)).load()
    results = {name: Row(f"{captioner.bundle.manifest.precision}, {name}") for name in SCHEDULES}
    for utterance in progress(utterances):
        windows = list(captioner.windows(utterance.samples))
        for name, schedule in SCHEDULES.items():
            done = captioner.read(windows, len(utterance.samples) / SAMPLE_RATE_HZ, schedule)
            results[name].add(utterance.text, done.text, done.passes, done.rows, done.tokens)
    return list(results.values())


def score_whisper(folder: Path, utterances: list[Utterance]) -> list[Row]:
    import torch
    from tokenizers import Tokenizer

    from unmask.export.whisper import load_whisper
    from unmask.training.teacher import greedy, read_settings

    model = load_whisper(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    suppress, _ = read_settings(folder)
    rows = []
    for name, longest_s in (("Whisper greedy, 30 s windows", 30), ("Whisper greedy, speech and 1 s", None)):
        row = Row(name)
        for utterance in progress(utterances):
            size = longest_s * SAMPLE_RATE_HZ if longest_s else len(utterance.samples) + SAMPLE_RATE_HZ
            padded = np.pad(utterance.samples, (0, size - len(utterance.samples)))[: size // 320 * 320]
            with torch.inference_mode():
                states = model.encoder(torch.from_numpy(log_mel(padded))[None])
            (ids,) = greedy(model, states, [states.shape[1]], suppress)
            row.add(utterance.text, tokenizer.decode(ids), len(ids) + 1, len(ids) + 1, len(ids))
        rows.append(row)
    return rows


def interval(errors: NDArray[np.int64], words: NDArray[np.int64], resamples: int) -> tuple[float, float, float]:
    """Word error rate and its 95 % percentile bootstrap interval over utterances, all in %."""
    rng = np.random.default_rng(0)
    picks = rng.integers(len(errors), size=(resamples, len(errors)))
    low, high = np.percentile(errors[picks].sum(1) / words[picks].sum(1), [2.5, 97.5])
    return 100 * errors.sum() / words.sum(), 100 * float(low), 100 * float(high)


def table(results: list[Row], speakers: NDArray[np.str_], resamples: int) -> str:
    """Markdown: all speakers with interval, then the commonest speaker and the others apart (one reader may dominate)."""
    names, counts = np.unique(speakers, return_counts=True)
    common = speakers == names[counts.argmax()]
    lines = [
        f"| setting | WER % (95 %) | speaker {names[counts.argmax()]} | other speakers | passes | rows per token |",
        "|---|---|---|---|---|---|",
    ]
    for row in results:
        errors, words = np.array(row.errors), np.array(row.words)
        rate, low, high = interval(errors, words, resamples)
        parts = [f"{100 * errors[at].sum() / max(1, words[at].sum()):.1f}" for at in (common, ~common)]
        cost = f"{np.mean(row.passes):.1f} | {sum(row.rows) / max(1, sum(row.tokens)):.1f}"
        lines.append(f"| {row.name} | {rate:.1f} ({low:.1f} to {high:.1f}) | {parts[0]} | {parts[1]} | {cost} |")
    return "\n".join(lines)


def progress(utterances: list[Utterance]) -> Iterator[Utterance]:
    for i, utterance in enumerate(utterances):
        print(f"\r{i + 1}/{len(utterances)}", end="", file=sys.stderr, flush=True)
        yield utterance
    print(file=sys.stderr)


if __name__ == "__main__":
    cyclopts.run(main)
