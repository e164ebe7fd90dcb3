"""Measure two bundles against each other: size, time, and how far their answers to the same canvases lie apart.

Knows bundles and a clock. Times are taken in turns, in random order, and have a spread; drift is `unmask.quant.drift`'s. Memory
needs a process for each bundle, which the caller makes.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from unmask.benchmarks.compare.report import Comparison, Memory, Pass, Spread, Texts, Timed
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.calibration.instrumented import InstrumentedEngine, whole_logits
from unmask.quant.calibration.partially_masked import State, Subject, subject_of
from unmask.quant.drift import Drift, drift, log_softmax, word_error_rate
from unmask.speech.captioner import FAMILY, Captioner
from unmask.text.generator import Generator

Clock = Callable[[], float]
Said = Callable[[str], None]
Peak = Callable[[Bundle], float]


def compare_bundles(
    a: Bundle,
    b: Bundle,
    material: Material,
    transcripts: Sequence[str | None] = (),
    runs: int = 5,
    options: EngineOptions | None = None,
    *,
    threads: Sequence[int] = (),
    peak: Peak | None = None,
    clock: Clock = time.perf_counter,
    say: Said = lambda line: None,
) -> Comparison:
    """Ask both about the same material. transcripts: of the recordings, where known. runs: 0 takes no times.

    threads: counts that passes are timed with; that of `options` unless given. peak: most memory, MiB, that a process takes which
    does a bundle's task and nothing else. Raises InputError when the two do not predict the same ids.
    """
    if _speaks(a) != _speaks(b):
        raise InputError(f"{a.folder} and {b.folder} do not predict the same ids; compare bundles made of the same model")
    say("drift")
    parts, states = measure_drift(a, b, material, options)
    memory = None
    if peak:
        say("memory")
        memory = Memory(peak(a), peak(b))
    load, passes = None, list[Pass]()
    own = options or EngineOptions()
    if runs:
        say("time to load")
        load = _timed([lambda bundle=bundle: opened(bundle, options) for bundle in (a, b)], runs, clock)
        for count in threads or (own.threads,):
            say(f"time of a pass, threads: {count}")
            subjects = [subject_of(bundle, material, Engine(bundle, replace(own, threads=count))) for bundle in (a, b)]
            jobs = [lambda subject=subject: _all(subject, states) for subject in subjects]
            passes.append(Pass(count, _timed(jobs, runs, clock, len(states))))
    say("texts")
    written = [subject_of(bundle, material, Engine(bundle, options)).texts() for bundle in (a, b)]
    texts = compare_texts(*written, transcripts)
    return Comparison(bundle_bytes(a), bundle_bytes(b), memory, load, tuple(passes), parts, texts)


def measure_drift(
    a: Bundle, b: Bundle, material: Material, options: EngineOptions | None = None
) -> tuple[tuple[Drift, ...], list[State]]:
    """Drift at each share of masks, the verifier's last; and the canvases, which A filled, without the verifier's."""
    subjects = [subject_of(bundle, material, InstrumentedEngine(bundle, whole_logits, options)) for bundle in (a, b)]
    states = subjects[0].states()
    groups: dict[float | None, list[State]] = {}
    for state in states:
        groups.setdefault(state.ratio, []).append(state)
    order = sorted(groups, key=lambda ratio: (ratio is None, ratio or 0))
    parts = [
        drift(ratio, [tuple(log_softmax(subject.logits(state)) for subject in subjects) for state in groups[ratio]])
        for ratio in order
    ]
    return tuple(parts), [state for state in states if state.ratio is not None]


def compare_texts(a: list[str], b: list[str], transcripts: Sequence[str | None]) -> Texts:
    known = [(said, own, other) for said, own, other in zip(transcripts, a, b, strict=False) if said is not None]
    rates = [word_error_rate([said for said, *_ in known], [row[i] for row in known]) if known else None for i in (1, 2)]
    return Texts(tuple(a), tuple(b), word_error_rate(a, b), *rates)


def _speaks(bundle: Bundle) -> tuple[str, int, str]:
    manifest = bundle.manifest
    return manifest.family, manifest.vocabulary.size, manifest.files[manifest.tokenizer].sha256


# ---- sizes and times


def bundle_bytes(bundle: Bundle) -> int:
    """Of the files that the manifest lists."""
    return sum(file.bytes for file in bundle.manifest.files.values())


def opened(bundle: Bundle, options: EngineOptions | None) -> None:
    """Verify a bundle and open its graphs."""
    loaded = load_bundle(bundle.folder)
    (Captioner if loaded.manifest.family == FAMILY else Generator)(loaded, options).load()


def _all(subject: Subject, states: Sequence[State]) -> None:
    for state in states:
        subject.ask(state)


def _timed(jobs: Sequence[Callable[[], None]], runs: int, clock: Clock, count: int = 1) -> Timed:
    """Two jobs in turns, first the one and then the other by lot, after a turn that does not count; ms each of `count`."""
    rng = np.random.default_rng(0)
    taken = np.zeros((2, runs + 1))
    for run in range(runs + 1):
        for i in rng.permutation(2):
            began = clock()
            jobs[i]()
            taken[i, run] = 1000 * (clock() - began) / count
    taken = taken[:, 1:]
    a, b = (Spread(*(float(np.percentile(row, q)) for q in (50, 25, 75)), runs) for row in taken)
    return Timed(a, b, float(np.median(taken[1] / taken[0])))
