"""Word error rate and decoding time of caption bundles on a corpus, by schedule, with 95 % bootstrap intervals.

    python -m benchmarks.lab.word_errors --corpus DATA/test/librispeech --bundles models/caption-tiny-en [--whisper WHISPER]

Every utterance's context is computed once per bundle and then decoded in every way, in random order. Decoding is timed from the
context to the words; `token by token` is the bundle's own causal model, decoding greedily with its key-value cache in this
runtime. The one pass of a transcript bundle is the draft that comes with its context. `--ways "1 pass, checked" --ahead 4 --ahead
8` compares how far the checks read; `--noise NOISE --snr-db 10` mixes noise of the test kinds in. Writes a Markdown table to
stdout and, with --out, every utterance's text and counts as JSON.
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

from benchmarks.lab.token_by_token import can_write_in_order, token_by_token
from unmask import Captioner, EngineOptions, Schedule, load_bundle
from unmask.benchmarks.measure.bundles import engine_of
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.measure.statistics import RATE_RESAMPLES, bootstrap_rate, summarize
from unmask.benchmarks.measure.word_errors import WER_PERCENT, word_errors
from unmask.bundle.manifest import Manifest
from unmask.decoding.draft import Draft
from unmask.speech.captioner import TASK, Segment
from unmask.speech.log_mel import SAMPLE_RATE_HZ, log_mel
from unmask.training.augment import mix
from unmask.training.corpus import Utterance, read_corpus, read_corpus_split

SCHEDULES = {
    "1 pass": Schedule(rule="quota", passes=1),
    "2 passes": Schedule(rule="quota", passes=2),
    "4 passes": Schedule(rule="quota", passes=4),
    "8 passes": Schedule(rule="quota", passes=8),
    "threshold 0.9": Schedule(threshold=0.9),
}
CHECKED = Schedule(rule="quota", passes=1, verify=64, verify_lookahead=8)  # of a transcript: by the bundle's own schedule
SOME_CHECKS = {
    "1 pass, 1 check": replace(CHECKED, verify=1, verify_lookahead=None),
    "1 pass, 4 checks": replace(CHECKED, verify=4, verify_lookahead=None),
}
NEAR = "near second choices accepted"
TOKEN_BY_TOKEN = "token by token"
DRAFTED = "draft of the first three quarters, 1 pass, checked"


@dataclass(frozen=True)
class WordErrorOptions:
    corpus: Path
    """The corpus's manifest without its ending."""
    bundles: tuple[Path, ...]
    whisper: Path | None = None
    """Also decode greedily with this Whisper (in PyTorch), on segments padded to 30 s and on the captioner's own."""
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
    if options.whisper:
        results += score_whisper(options.whisper, utterances)
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
    own = checked_schedule(manifest)
    checked = {f"1 pass, checked, {n} ahead": replace(own, verify_lookahead=n) for n in options.ahead}
    found: dict[str, Schedule | None] = {} if manifest.transcript else {**SCHEDULES, **(SOME_CHECKS if manifest.verifier else {})}
    if can_write_in_order(manifest):
        found |= {"1 pass, checked": own, f"1 pass, checked, {NEAR}": replace(own, verify_accept_ratio=0.3)}
        found |= {**checked, TOKEN_BY_TOKEN: None, DRAFTED: None}
    if unknown := {*options.ways, *checked} - set(found):
        raise ValueError(f"{', '.join(sorted(unknown))}: no such way of decoding; there are {', '.join(found)}")
    return {name: way for name, way in found.items() if not options.ways or name in options.ways or name in checked}


def checked_schedule(manifest: Manifest) -> Schedule:
    return manifest.tasks[TASK] if manifest.transcript else CHECKED


def early_draft(captioner: Captioner, utterance: Utterance, window: Segment) -> Draft:
    """The caption of the segment's first three quarters, as live captions have it when more audio arrives."""
    start = round(window.start_s * SAMPLE_RATE_HZ)
    early = captioner.encode(utterance.samples[start : start + round(0.75 * window.audio_s * SAMPLE_RATE_HZ)])
    border = (0.75 * window.audio_s - 0.48) / captioner.reader.place_s  # the last half second is read again
    return captioner.decode(early, checked_schedule(captioner.bundle.manifest)).text.as_draft(trusted_until=border)


def from_drafts(captioner: Captioner, windows: list[Segment], drafts: list[Draft]) -> tuple[str, int, int, int]:
    """Text, passes, rows and tokens when a draft is kept except its last half second, and the rest is filled and checked."""
    schedule = checked_schedule(captioner.bundle.manifest)
    readings = [captioner.decode(w, schedule, known) for w, known in zip(windows, drafts, strict=True)]
    texts = [word.text for reading in readings for word in captioner.spell(reading.text)]
    return " ".join(texts), *(sum(n) for n in zip(*((r.passes, r.rows, len(r.text.ids)) for r in readings), strict=True))


def score_whisper(folder: Path, utterances: list[Utterance]) -> list[WayScores]:
    read = whisper_reader(folder)
    rows = []
    for name, longest_s in (("Whisper greedy, 30 s segments", 30), ("Whisper greedy, speech and 1 s", None)):
        row = WayScores(name)
        for utterance in progress(utterances):
            size = longest_s * SAMPLE_RATE_HZ if longest_s else len(utterance.samples) + SAMPLE_RATE_HZ
            text, tokens, seconds = read(utterance.samples, size)
            row.add(utterance.text, text, tokens + 1, tokens + 1, tokens, seconds)
        rows.append(row)
    return rows


def whisper_reader(folder: Path) -> Callable[[NDArray[np.float32], int], tuple[str, int, float]]:
    """A function of a recording and the samples to pad it to (30 s at most) to Whisper's greedy text, its tokens and seconds."""
    import torch
    from tokenizers import Tokenizer

    from unmask.training.captions.teacher import DecoderPrompt, greedy, read_settings
    from unmask.training.captions.whisper_weights import load_whisper

    model = load_whisper(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    voice = DecoderPrompt.whisper(read_settings(folder)[0], model.config.vocabulary)

    def read(samples: NDArray[np.float32], size: int) -> tuple[str, int, float]:
        padded = np.pad(samples, (0, size - len(samples)))[: size // 320 * 320]
        with torch.inference_mode():
            states = model.encoder(torch.from_numpy(log_mel(padded))[None])
        began = time.perf_counter()
        (ids,) = greedy(model.decoder, states, [states.shape[1]], voice)
        taken = time.perf_counter() - began
        return tokenizer.decode(ids).strip(), len(ids), taken

    return read


Write = Callable[[NDArray[np.float32]], str]


def whisper_text(folder: Path) -> Write:
    """A function of a recording of up to 30 s to Whisper's greedy text, on a segment padded to 30 s."""
    read = whisper_reader(folder)
    return lambda samples: read(samples, 30 * SAMPLE_RATE_HZ)[0]


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
