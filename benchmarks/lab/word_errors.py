"""Word error rate and decoding time of caption bundles on a corpus, by schedule, with 95 % bootstrap intervals.

    python -m benchmarks.lab.word_errors --corpus DATA/test/librispeech --bundles models/moonshine-tiny-en

Every utterance's context is computed once per bundle and then decoded in every way, in random order. Decoding is timed from the
context to the words; `token by token` is the bundle's own decoder, greedily with its key-value cache in this runtime.
`--ways checked --ahead 4 --ahead 8` compares how far the checks read; `--noise NOISE --snr-db 10` mixes noise of the test kinds
in. Writes a Markdown table to stdout and, with --out, every utterance's text and counts as JSON.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.token_by_token import token_by_token
from unmask import Captioner, EngineOptions, Schedule, load_bundle
from unmask.benchmarks.measure.bundles import engine_of
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.measure.statistics import RATE_RESAMPLES, bootstrap_rate, summarize
from unmask.benchmarks.measure.word_errors import WER_PERCENT, word_errors
from unmask.bundle.manifest import Manifest
from unmask.decoding.draft import Draft
from unmask.speech.captioner import TASK, Segment
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.augment import mix
from unmask.training.corpus import Utterance, read_corpus, read_corpus_split

DRAFT, CHECKED = "draft alone", "checked"
TOKEN_BY_TOKEN = "token by token"
DRAFTED = "checked after the text of the first three quarters"


@dataclass(frozen=True)
class WordErrorOptions:
    corpus: Path
    """The corpus's manifest without its ending."""
    bundles: tuple[Path, ...]
    out: Path | None = None
    limit: int | None = None
    """The first utterances only, this many."""
    ways: tuple[str, ...] = ()
    """Ways of decoding, by their names in the table; all by default."""
    ahead: tuple[int, ...] = ()
    """Also checked by passes that read only this many tokens of the draft after the settled text."""
    noise: Path | None = None
    """The noise corpus's manifest without its ending; kinds of its test split are mixed in at `snr_db`."""
    snr_db: float = 10.0
    resamples: int = RATE_RESAMPLES
    threads: int = 1
    engine: str | None = None
    """Engine that runs the bundles; by default the one that each bundle's graphs are for."""
    provider: str = "cpu"
    """Provider of ONNX Runtime."""
    static: bool = False
    """Run graphs of fixed sizes even if there are graphs of any size."""


@dataclass
class WayScores:
    """One setting's result; one entry for each utterance."""

    name: str
    texts: list[str] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def add(self, reference: str, text: str, passes: int, rows: int, tokens: int, seconds: float) -> None:
        errors, words = word_errors(reference, text)
        self.texts.append(text)
        self.errors.append(errors)
        self.words.append(words)
        self.passes.append(passes)
        self.rows.append(rows)
        self.tokens.append(tokens)
        self.milliseconds.append(round(1000 * seconds, 3))


def main(options: Annotated[WordErrorOptions, cyclopts.Parameter(name="*")]) -> None:
    utterances = [u for u in read_corpus(options.corpus) if u.text][: options.limit]
    if options.noise:
        utterances = list(noisy(utterances, options.noise, options.snr_db))
    print(describe_machine())
    results = [row for path in options.bundles for row in score_bundle(path, utterances, options)]
    speakers = np.array([u.speaker for u in utterances])
    print(table(results, speakers, options.resamples))
    if options.out:
        options.out.write_text(json.dumps([asdict(row) for row in results], ensure_ascii=False), encoding="utf-8")


def noisy(utterances: list[Utterance], noise: Path, snr_db: float) -> Iterator[Utterance]:
    """Each utterance mixed with a stretch of the next noise, `snr_db` decibels below the speech."""
    rng = np.random.default_rng(0)
    sounds = [u.samples for u in read_corpus_split(noise, "test")]
    for i, u in enumerate(utterances):
        sound = sounds[i % len(sounds)]
        yield replace(u, samples=mix(u.samples, np.roll(sound, rng.integers(len(sound))), snr_db))


def score_bundle(path: Path, utterances: list[Utterance], options: WordErrorOptions) -> list[WayScores]:
    bundle = load_bundle(path)
    engine = options.engine or engine_of(bundle.manifest)
    chosen = EngineOptions(options.threads, engine=engine, provider=options.provider, static=options.static)
    captioner = Captioner(bundle, chosen).load()
    schedules = ways(options, bundle.manifest)
    label = f"{path.name} ({engine}, {captioner.bundle.manifest.precision})"
    results = {name: WayScores(f"{label}, {name}") for name in schedules}
    rng = np.random.default_rng(0)
    for utterance in progress(utterances):
        windows = list(captioner.segments(utterance.samples))
        drafts = [early_draft(captioner, utterance, window) for window in windows] if DRAFTED in schedules else []
        for name in rng.permutation(list(schedules)):
            began = time.perf_counter()
            if name == TOKEN_BY_TOKEN:
                text, count = token_by_token(captioner, windows)
                passes = count + len(windows)
                results[name].add(utterance.text, text, passes, passes, count, time.perf_counter() - began)
            elif name == DRAFTED:
                results[name].add(utterance.text, *from_drafts(captioner, windows, drafts), time.perf_counter() - began)
            else:
                done = captioner.read(windows, len(utterance.samples) / SAMPLE_RATE_HZ, schedules[name])
                taken = time.perf_counter() - began
                results[name].add(utterance.text, done.text, done.passes, done.rows, done.tokens, taken)
    return list(results.values())


def ways(options: WordErrorOptions, manifest: Manifest) -> dict[str, Schedule | None]:
    """The chosen ways of decoding by name; None for those that are more than a schedule."""
    own = manifest.tasks[TASK]
    further = {f"{CHECKED}, {n} ahead": replace(own, verify_lookahead=n) for n in options.ahead}
    found: dict[str, Schedule | None] = {DRAFT: replace(own, verify=0, verify_lookahead=None), CHECKED: own}
    found |= {f"{CHECKED}, near second choices accepted": replace(own, verify_accept_ratio=0.3)}
    found |= {**further, TOKEN_BY_TOKEN: None, DRAFTED: None}
    if unknown := {*options.ways} - set(found):
        raise ValueError(f"{', '.join(sorted(unknown))}: no such way of decoding; there are {', '.join(found)}")
    return {name: way for name, way in found.items() if not options.ways or name in options.ways or name in further}


def early_draft(captioner: Captioner, utterance: Utterance, window: Segment) -> Draft:
    """The caption of the segment's first three quarters, as live captions have it when more audio arrives."""
    start = round(window.start_s * SAMPLE_RATE_HZ)
    early = captioner.encode(utterance.samples[start : start + round(0.75 * window.audio_s * SAMPLE_RATE_HZ)])
    border = (0.75 * window.audio_s - 0.48) / captioner.reader.place_s  # the last half second is read again
    return captioner.decode(early, captioner.bundle.schedule(TASK)).text.as_draft(trusted_until=border)


def from_drafts(captioner: Captioner, windows: list[Segment], drafts: list[Draft]) -> tuple[str, int, int, int]:
    """Text, passes, rows and tokens when a draft is kept except its last half second, and the rest is filled and checked."""
    schedule = captioner.bundle.schedule(TASK)
    readings = [captioner.decode(w, schedule, known) for w, known in zip(windows, drafts, strict=True)]
    texts = [word.text for reading in readings for word in captioner.spell(reading.text)]
    return " ".join(texts), *(sum(n) for n in zip(*((r.passes, r.rows, len(r.text.ids)) for r in readings), strict=True))


Write = Callable[[NDArray[np.float32]], str]


def bundle_text(path: Path, schedule: Schedule | None = None) -> Write:
    """A function of a recording to a bundle's caption, by its own schedule unless one is given."""
    captioner = Captioner(load_bundle(path)).load()
    return lambda samples: captioner.caption(samples, schedule).text


def table(results: list[WayScores], speakers: NDArray[np.str_], resamples: int) -> str:
    """Markdown: all speakers with interval, then the commonest speaker and the others apart (one reader may dominate)."""
    names, counts = np.unique(speakers, return_counts=True)
    common = speakers == names[counts.argmax()]
    lines = [
        f"| setting | {WER_PERCENT} (95 %) | speaker {names[counts.argmax()]} | other speakers | passes | rows per token "
        "| decoding ms, median (p90) |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results:
        errors, words = np.array(row.errors), np.array(row.words)
        rate, spread = bootstrap_rate(errors, words, resamples)
        parts = [f"{100 * errors[at].sum() / max(1, words[at].sum()):.1f}" for at in (common, ~common)]
        taken = summarize(row.milliseconds)
        cost = f"{np.mean(row.passes):.1f} | {sum(row.rows) / max(1, sum(row.tokens)):.1f} | {taken.p50:.0f} ({taken.p90:.0f})"
        wer = f"{100 * rate:.1f} ({100 * spread.low:.1f} to {100 * spread.high:.1f})"
        lines.append(f"| {row.name} | {wer} | {parts[0]} | {parts[1]} | {cost} |")
    return "\n".join(lines)


def progress(utterances: list[Utterance]) -> Iterator[Utterance]:
    for i, utterance in enumerate(utterances):
        print(f"\r{i + 1}/{len(utterances)}", end="", file=sys.stderr, flush=True)
        yield utterance
    print(file=sys.stderr)


if __name__ == "__main__":
    cyclopts.run(main)
