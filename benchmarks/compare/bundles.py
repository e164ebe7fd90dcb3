"""Measure two bundles against each other: size, memory, time, and how far their answers to the same canvases differ.

Knows bundles and a clock. The arithmetic of drift is in `unmask.quant.drift`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from unmask.benchmarks.compare.bundle_tables import BundleComparison, Memory, PassTime, Texts, TimedPair
from unmask.benchmarks.measure.bundles import same_model
from unmask.benchmarks.measure.footprint import can_measure_memory, peak_memory
from unmask.benchmarks.measure.harness import Clock, interleave, timed
from unmask.benchmarks.measure.statistics import paired_ratio, quartiles
from unmask.benchmarks.measure.word_errors import word_error_rate
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.quant.calibration.calibration_data import Material
from unmask.quant.calibration.instrumented import InstrumentedEngine, whole_logits
from unmask.quant.calibration.states import State, Subject
from unmask.quant.calibration.subjects import subject_of
from unmask.quant.drift import Drift, Floats, drift, log_softmax
from unmask.session import open_model

Say = Callable[[str], None]


def compare_bundles(
    a: Bundle,
    b: Bundle,
    material: Material,
    transcripts: Sequence[str | None] = (),
    runs: int = 6,
    options: EngineOptions | None = None,
    *,
    threads: Sequence[int] = (),
    clock: Clock = time.perf_counter,
    say: Say = lambda line: None,
) -> BundleComparison:
    """Ask both bundles about the same material.

    transcripts: of the recordings, None where unknown. runs: samples of each time; 0 measures neither times nor memory. threads:
    numbers of threads that passes are timed with; that of `options` unless given. Raises InputError when the two bundles do not
    predict the same ids.
    """
    if not same_model(a, b):
        raise InputError(f"{a.folder} and {b.folder} do not predict the same ids; compare bundles made of the same model")
    say("drift")
    parts, states = measure_drift(a, b, material, options)
    memory = None
    if runs and can_measure_memory():
        say("memory")
        memory = Memory(peak_memory(a, material, options), peak_memory(b, material, options))
    load, passes = None, list[PassTime]()
    own = options or EngineOptions()
    if runs:
        say("time to load")
        load = _timed([lambda bundle=bundle: opened(bundle, options) for bundle in (a, b)], runs, clock)
        for count in threads or (own.threads,):
            say(f"time of a pass, threads: {count}")
            subjects = [subject_of(bundle, material, Engine(bundle, replace(own, threads=count))) for bundle in (a, b)]
            jobs = [lambda subject=subject: _all(subject, states) for subject in subjects]
            passes.append(PassTime(count, _timed(jobs, runs, clock, len(states))))
    say("texts")
    written = [subject_of(bundle, material, Engine(bundle, options)).texts() for bundle in (a, b)]
    texts = compare_texts(*written, transcripts)
    names = [f"{bundle.folder.name} ({bundle.manifest.precision})" for bundle in (a, b)]
    return BundleComparison(*names, a.manifest.bytes, b.manifest.bytes, memory, load, tuple(passes), parts, texts)


def measure_drift(
    a: Bundle, b: Bundle, material: Material, options: EngineOptions | None = None
) -> tuple[tuple[Drift, ...], list[State]]:
    """Drift at each share of masks, of texts and of slots; and what A's window answers, whose passes are timed."""
    subjects = [subject_of(bundle, material, InstrumentedEngine(bundle, whole_logits, options)) for bundle in (a, b)]
    states = subjects[0].states()
    groups: dict[tuple[str, float | None], list[State]] = {}
    for state in states:
        groups.setdefault((state.role, state.ratio), []).append(state)
    order = sorted(groups, key=lambda group: (group[1] is None, group[1] or 0, group[0]))
    parts = [drift(*group, [_answers(subjects, state) for state in groups[group]]) for group in order]
    return tuple(parts), [state for state in states if state.role == "window"]


def _answers(subjects: Sequence[Subject], state: State) -> tuple[Floats, Floats]:
    """Log-probabilities of A and of B. Raises InputError for drafters of different tokens."""
    a, b = (log_softmax(subject.logits(state)) for subject in subjects)
    if a.shape != b.shape:
        raise InputError(f"the bundles draft {a.shape[1] - 1} and {b.shape[1] - 1} tokens; compare bundles of one drafter")
    return a, b


def compare_texts(a: list[str], b: list[str], transcripts: Sequence[str | None]) -> Texts:
    known = [(said, own, other) for said, own, other in zip(transcripts, a, b, strict=False) if said is not None]
    rates = [word_error_rate([said for said, *_ in known], [row[i] for row in known]) if known else None for i in (1, 2)]
    return Texts(tuple(a), tuple(b), word_error_rate(a, b), *rates)


# ---- times


def opened(bundle: Bundle, options: EngineOptions | None) -> None:
    """Verify a bundle and open its graphs."""
    loaded = load_bundle(bundle.folder)
    open_model(loaded, options).load()


def _all(subject: Subject, states: Sequence[State]) -> None:
    for state in states:
        subject.ask(state)


def _timed(jobs: Sequence[Callable[[], None]], runs: int, clock: Clock, count: int = 1) -> TimedPair:
    """Two jobs of `count` equal parts each: milliseconds of a part."""
    taken = interleave({i: timed(job, clock) for i, job in enumerate(jobs)}, runs, clock=clock)
    a, b = ([1000 * seconds / count for seconds in taken[i]] for i in range(2))
    return TimedPair(quartiles(a), quartiles(b), paired_ratio(a, b))
