"""Live captions on a clock: delays of words, stability, accuracy against offline, cost.

    python -m benchmarks.lab.live --data DATA --bundles models/moonshine-tiny-en

plays the test sessions block by block to a `LiveCaptioner`, in a process of its own for each variant. By default the clock is
simulated: a block arrives when it is due, and the time of computing is measured and added, so a machine that falls behind gets
its audio late; `--realtime` uses the wall clock instead. `--cpu-time` counts CPU seconds as the time of computing: on a machine
that others share, one thread then takes what it would take on a core of its own. `--repeat 10` plays the sessions ten times, for
memory over hours. When words are spoken comes from hama, an aligner that no captioner here uses.

Clocks (seconds; e(w) is the end of a word, s the end of an utterance's speech):
- tentative: a word, as it reads in the end, first shown - e(w); stable: it became stable - e(w). Of words in the transcript.
- final: all text of an utterance became stable - s.
Erasure is words taken back while tentative / words in the end; revised is the share of final words that read differently before.
"""

import difflib
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.program import run
from benchmarks.lab.sessions import SpeechSession, read_sessions
from unmask import Captioner, EngineOptions, LiveCaptioner, LiveOptions, load_bundle
from unmask.apps.audio.voice_activity import Silero
from unmask.benchmarks.measure.machine import describe_machine, peak_rss_mib
from unmask.benchmarks.measure.statistics import summarize
from unmask.benchmarks.measure.word_errors import WER_PERCENT, normalize, word_error_rate
from unmask.benchmarks.scenarios.live_delays import Emitted, play
from unmask.errors import InputError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

COLUMNS = (
    "tentative s, p50 (p90)",
    "stable s, p50 (p90)",
    "final s, p50 (p90)",
    f"{WER_PERCENT}, live (offline)",
    "erasure",
    "revised %",
    "updates/s",
    "passes",
    "rows",
    "update ms, p50 (p90)",
    "RTF",
    "backlog s",
    "RSS MiB",
)


@dataclass(frozen=True)
class LiveRunOptions:
    data: Path
    """Folder with `test/sessions.jsonl` and `test/librispeech`."""
    bundles: tuple[Path, ...]
    sessions: tuple[str, ...] = ()
    """All unless named."""
    threads: tuple[int, ...] = (1, 2)
    stability: tuple[float, ...] = (LiveOptions.stability,)
    update_s: tuple[float, ...] = (LiveOptions.update_s,)
    context_s: tuple[float, ...] = (LiveOptions.context_s,)
    without_drafts: bool = False
    """Also with each update starting from masks."""
    realtime: bool = False
    cpu_time: bool = False
    repeat: int = 1
    out: Path | None = None
    """Every event with its times, as JSON."""


@dataclass(frozen=True)
class Played:
    """One variant's run over all sessions."""

    name: str
    emitted: list[list[Emitted]]
    audio_s: float
    feeding_s: float  # in all calls of the captioner, voice activity detection included
    rss_mib: list[float]  # peak so far, after each session


def main(options: Annotated[LiveRunOptions, cyclopts.Parameter(name="*")]) -> None:
    if options.cpu_time and (options.realtime or options.threads != (1,)):
        raise InputError("--cpu-time is for one simulated thread: give --threads 1, and not --realtime")
    sessions = read_sessions(options.data, options.sessions)
    audio = [session.samples for session in sessions] * options.repeat
    clock = "the wall clock" if options.realtime else f"a simulated clock{' of CPU seconds' if options.cpu_time else ''}"
    minutes = sum(len(samples) for samples in audio) / SAMPLE_RATE_HZ / 60
    print(f"{describe_machine()}\n{minutes:.1f} minutes on {clock}\n")
    print(f"| variant | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}", flush=True)
    results = []
    for bundle in options.bundles:
        captioner = Captioner(load_bundle(bundle), EngineOptions(threads=1))
        offline = wer(sessions, [captioner.caption(session.samples).text for session in sessions])
        for name, threads, live in variants(options):
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                playing = Playing(f"{bundle.name}, {name}", bundle, threads, live, options.realtime, options.cpu_time)
                played = pool.submit(play_all, playing, audio).result()
            print(row(played, sessions * options.repeat, offline), flush=True)
            if options.repeat > 1:
                print(f"peak RSS after each session, MiB: {', '.join(f'{mib:.0f}' for mib in played.rss_mib)}", file=sys.stderr)
            results.append(asdict(played))
    if options.out:
        options.out.write_text(json.dumps(results, ensure_ascii=False), encoding="utf-8")


def variants(options: LiveRunOptions) -> list[tuple[str, int, LiveOptions]]:
    out = []
    for threads, stability, update_s, context_s in product(
        options.threads, options.stability, options.update_s, options.context_s
    ):
        live = LiveOptions(stability, update_s, context_s)
        many = "s" * (threads > 1)
        name = f"{threads} thread{many}, stability {stability:g}, update {update_s:g} s, context {context_s:g} s"
        out.append((name, threads, live))
        if options.without_drafts:
            out.append((f"{name}, no drafts", threads, replace(live, drafts=False)))
    return out


# ---- playing, in a process of its own


@dataclass(frozen=True)
class Playing:
    """One variant."""

    name: str
    bundle: Path
    threads: int
    options: LiveOptions
    realtime: bool
    cpu_time: bool


def play_all(playing: Playing, audio: list[NDArray[np.float32]]) -> Played:
    captioner = Captioner(load_bundle(playing.bundle), EngineOptions(threads=playing.threads)).load()
    captioner.caption(audio[0][: 4 * SAMPLE_RATE_HZ])  # warm
    clock = time.process_time if playing.cpu_time else time.perf_counter
    live = LiveCaptioner(captioner, Silero(), playing.options, clock)
    emitted, rss_mib, feeding_s = [], [], 0.0
    for samples in audio:
        live.reset()
        events, taken_s = play(live, samples, playing.realtime, clock)
        emitted.append(events)
        feeding_s += taken_s
        rss_mib.append(peak_rss_mib())
    return Played(playing.name, emitted, sum(map(len, audio)) / SAMPLE_RATE_HZ, feeding_s, rss_mib)


# ---- figures


def row(played: Played, sessions: list[SpeechSession], offline: float) -> str:
    tentative, stable, final, texts = [], [], [], []
    erased = revised = words = 0
    for emitted, session in zip(played.emitted, sessions, strict=True):
        delays = word_delays(emitted, session.words)
        tentative += [shown - spoken.end_s for spoken, shown, _ in delays]
        stable += [settled - spoken.end_s for spoken, _, settled in delays]
        final += final_delays(emitted, session.ends_s)
        texts.append(" ".join(e.event.text for e in emitted if e.event.event == "segment_ended"))
        taken_back, read_otherwise, count = stability(emitted)
        erased, revised, words = erased + taken_back, revised + read_otherwise, words + count
    updates = [e.event for emitted in played.emitted for e in emitted if e.event.passes]
    cost_ms = [1000 * event.compute_s for event in updates]
    cells = (
        spread(tentative),
        spread(stable),
        spread(final),
        f"{wer(sessions, texts):.1f} ({offline:.1f})",
        f"{erased / max(1, words):.2f}",
        f"{100 * revised / max(1, words):.0f}",
        f"{len(updates) / played.audio_s:.1f}",
        f"{np.mean([event.passes for event in updates]):.1f}",
        f"{np.mean([event.rows for event in updates]):.0f}",
        spread(cost_ms, 0),
        f"{played.feeding_s / played.audio_s:.3f}",
        f"{max(e.backlog_s for emitted in played.emitted for e in emitted):.1f}",
        f"{played.rss_mib[-1]:.0f}",
    )
    return f"| {played.name} | {' | '.join(cells)} |"


def spread(values: list[float], digits: int = 2) -> str:
    found = summarize(values)
    return f"{found.p50:.{digits}f} ({found.p90:.{digits}f})"


def wer(sessions: list[SpeechSession], texts: list[str]) -> float:
    """In %."""
    return 100 * word_error_rate([" ".join(word.text for word in session.words) for session in sessions], texts)


def word_delays(emitted: list[Emitted], spoken: tuple) -> list[tuple]:
    """(the word as spoken, when it was first shown, when it was stable) for each word that the transcript has too."""
    finals, shown_s, stable_s = list[str](), list[float](), list[float]()
    for segment in by_segment(emitted):
        for i, word in enumerate(segment[-1].event.words):
            text = normalize(word.text)
            finals.append(text)
            shown_s.append(next(e.at_s for e in segment if i < len(e.event.words) and normalize(e.event.words[i].text) == text))
            stable_s.append(next(e.at_s for e in segment if i < e.event.stable_words))
    truth = [normalize(word.text) for word in spoken]
    blocks = difflib.SequenceMatcher(a=finals, b=truth, autojunk=False).get_matching_blocks()
    return [(spoken[b.b + i], shown_s[b.a + i], stable_s[b.a + i]) for b in blocks for i in range(b.size)]


def final_delays(emitted: list[Emitted], ends_s: Sequence[float]) -> list[float]:
    """For each utterance, from the end of its speech until every word that began in it is stable."""
    known = []  # (start of a word, when it became stable)
    for segment in by_segment(emitted):
        for i, word in enumerate(segment[-1].event.words):
            known.append((word.start_s, next(e.at_s for e in segment if i < e.event.stable_words)))
    out, before_s = [], 0.0
    for end_s in ends_s:
        own = [at_s for start_s, at_s in known if before_s <= start_s < end_s]
        if own:
            out.append(max(own) - end_s)
        before_s = end_s
    return out


def stability(emitted: list[Emitted]) -> tuple[int, int, int]:
    """Words taken back, final words that had read otherwise, final words. A stable word that changes is an AssertionError."""
    erased = revised = words = 0
    for segment in by_segment(emitted):
        changed, before = set[int](), segment[0].event
        for event in (e.event for e in segment[1:]):
            assert event.stable.startswith(before.stable), f"stable text was retracted: {before.stable!r} -> {event.stable!r}"
            old, new = ([word.text for word in e.words] for e in (before, event))
            same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
            erased += len(old) - same
            changed |= set(range(same, len(old)))
            before = event
        words += len(before.words)
        revised += len([i for i in changed if i < len(before.words)])
    return erased, revised, words


def by_segment(emitted: list[Emitted]) -> list[list[Emitted]]:
    out: dict[int, list[Emitted]] = {}
    for e in emitted:
        out.setdefault(e.event.segment, []).append(e)
    return list(out.values())


if __name__ == "__main__":
    run(main)
