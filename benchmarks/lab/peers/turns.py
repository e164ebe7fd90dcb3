"""All systems on the same recordings: each recording is transcribed by every system, in random order.

A round is a recording, so that times and word errors of two systems are compared pair by pair.
Knows cases, recordings' texts and processes. Knows no system.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unmask.benchmarks.measure.harness import interleave
from unmask.benchmarks.measure.statistics import Counts, Ratio, bootstrap_rate, paired_ratio, summarize
from unmask.benchmarks.measure.word_errors import WER_PERCENT, word_errors
from unmask.benchmarks.measure.worker import Worker
from unmask.benchmarks.report.record import Row
from unmask.benchmarks.report.tables import Table, number
from unmask.benchmarks.scenarios.rows import rows_of
from unmask.benchmarks.scenarios.runner import Case, Plan, Sample, Say, processors
from unmask.errors import InputError

DECODING = "decoding"  # a measure of some systems: what follows the encoder
HEAD = (
    "system",
    "ms, median (p90)",
    "time of ours / its time (95 %)",
    "the same for decoding alone",
    f"{WER_PERCENT} (95 %)",
    "points above ours (95 %)",
    "RSS MiB",
)


@dataclass(frozen=True)
class Transcribed:
    """What one system wrote for all recordings; one entry for each transcription, in the order of time."""

    case: Case
    samples: list[Sample]
    errors: Counts
    words: Counts

    @property
    def name(self) -> str:
        return self.case.title

    def seconds(self, measure: str = "") -> list[float]:
        return [sample.more[measure][0] if measure else sample.seconds for sample in self.samples]


class CaptionTurns:
    """How systems take turns (`take`) and how samples become rows (`rows`) for `unmask.benchmarks.scenarios.run.run`.

    said: the transcript of each recording. The plan's rounds are the number of times that all recordings are read.
    """

    def __init__(self, said: Sequence[str], audio_s: Sequence[float]) -> None:
        self._said, self._audio_s = said, audio_s
        self.transcribed: list[Transcribed] = []

    def take(self, cases: Sequence[Case], plan: Plan, say: Say) -> list[tuple[Case, list[Sample]]]:
        """Raises InputError for what a process refuses and RuntimeError when one dies."""
        samples: list[list[Sample]] = [[] for _ in cases]
        count = len(self._said)
        say(f"{len(cases)} ways of transcribing {count} recording{'s' * (count > 1)}")
        with ExitStack() as stack:
            workers: dict[str, Worker] = {}
            for case in cases:
                if case.process not in workers:
                    workers[case.process] = stack.enter_context(_opened(case, plan))
            turns = {
                i: _turn(workers[case.process], case, samples[i], count, plan.warmup, None if i else say)
                for i, case in enumerate(cases)
            }
            interleave(turns, plan.rounds * count, plan.seed, plan.warmup)
        taken = [(case, own[plan.warmup :]) for case, own in zip(cases, samples, strict=True)]
        self.transcribed = [self._scored(case, own) for case, own in taken]
        return taken

    def _scored(self, case: Case, samples: list[Sample]) -> Transcribed:
        counts = [word_errors(self._said[i % len(self._said)], sample.text or "") for i, sample in enumerate(samples)]
        errors, words = np.array(counts, np.int64).T
        return Transcribed(case, samples, errors, words)

    def rows(self, case: Case, samples: list[Sample]) -> list[Row]:
        """Word errors of all recordings together; audio is the median recording's, as times are medians."""
        own = next(other for other in self.transcribed if other.case is case)
        rate, audio_s = round(float(own.errors.sum() / own.words.sum()), 4), round(float(np.median(self._audio_s)), 3)
        return [row if row.measure else replace(row, error_rate=rate, audio_s=audio_s) for row in rows_of(case, samples)]


def _opened(case: Case, plan: Plan) -> Worker:
    try:
        return Worker(case.target, case.arguments, processors(case.threads) if plan.pin else ())
    except RuntimeError as error:
        weights = Path(case.arguments["weights"]).name
        raise InputError(
            f"{case.subject} does not open {weights}; its own message is above, give it weights in its format"
        ) from error


def _turn(worker: Worker, case: Case, samples: list[Sample], count: int, warmup: int, say: Say | None) -> Callable[[], float]:
    def turn() -> float:
        done = len(samples) - warmup
        samples.append(Sample.from_json(worker(recording=max(0, done) % count, **case.call)))
        if say and done > 0 and done % 20 == 0:
            say(f"{done} recordings")
        return samples[-1].seconds

    return turn


def table(transcribed: Sequence[Transcribed]) -> Table:
    """Every system against the first, which is ours: ratios recording by recording, word errors on the same recordings."""
    return Table(HEAD, tuple(_cells(transcribed[0], own) for own in transcribed))


def _cells(base: Transcribed, own: Transcribed) -> tuple[str, ...]:
    taken = summarize([1000 * s for s in own.seconds()])
    rate, spread = bootstrap_rate(own.errors, own.words)
    whole = decoding = points = ""
    if own is not base:
        whole = str(ratio(base, own))
        decoding = str(ratio(base, own, DECODING)) if DECODING in own.samples[0].more else ""
        more, between = bootstrap_rate(own.errors - base.errors, base.words)
        points = f"{100 * more:+.1f} ({100 * between.low:+.1f} to {100 * between.high:+.1f})"
    rss = max(sample.rss_mib for sample in own.samples)
    errors = f"{100 * rate:.1f} ({100 * spread.low:.1f} to {100 * spread.high:.1f})"
    return own.name, f"{number(taken.p50)} ({number(taken.p90)})", whole, decoding, errors, points, f"{rss:.0f}"


def ratio(base: Transcribed, other: Transcribed, measure: str = "") -> Ratio:
    """Time of `base` / time of `other`."""
    return paired_ratio(other.seconds(measure), base.seconds(measure))
