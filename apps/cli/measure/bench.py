"""`unmask bench`: measure bundles, or models of a given shape with random weights, on this machine."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter

from unmask.apps.audio.files import demo_clips, read_recording, read_transcript
from unmask.apps.cli.options import (
    FLAG,
    MANY,
    SHIPPED,
    EngineChoice,
    changed,
    refuse_unread,
    require,
    say_on_stderr,
)
from unmask.benchmarks.scenarios.catalog import Recording
from unmask.benchmarks.scenarios.runner import Plan
from unmask.errors import InputError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ

VOICE_DETECTOR = "unmask.apps.audio.voice_activity:Silero"  # opened in the measured process
Scenario = Literal["step", "fill", "caption", "load", "soak"]


@Parameter(name="*")
@dataclass(frozen=True)
class BenchOptions:
    """Options of `unmask bench`."""

    shape: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = ()
    """Random weights of a shape, instead of bundles or in addition: dream-small, dream-0.5b, dream-1.5b, dream-3b, dream-7b, or
    sizes as in d=896,layers=24,heads=14,kv=2,ff=4864,vocab=151936. Made once, in the cache. Needs the extra export."""
    precision: Literal["int8", "fp32"] = "int8"
    """Precision of shapes."""
    scenario: Annotated[tuple[Scenario, ...], Parameter(consume_multiple=True, negative="")] = ("step", "fill", "caption", "load")
    """step: one pass; fill: a whole canvas; caption: recordings offline and live; load: starting; soak: fills for minutes."""
    audio: Annotated[tuple[Path, ...], MANY] = ()
    """Recordings for a bundle that captions; the demo clips by default. A .txt file beside a recording is its transcript."""
    minutes: float = 5.0
    """Length of a soak."""
    output: Path | None = None
    """Folder for report.json, report.md, report.html and plots; made if it is missing."""
    json: Annotated[bool, FLAG] = False
    """Print the report as JSON instead of Markdown."""
    quiet: Annotated[bool, FLAG] = False
    """Print no progress on stderr."""

    def __post_init__(self) -> None:
        if not 0 < self.minutes < float("inf"):
            raise InputError(f"minutes is {self.minutes:g}; a soak takes more than 0")


def bench(
    *bundles: Path,
    options: BenchOptions = BenchOptions(),
    plan: Annotated[Plan, Parameter(name="*", group="Plan")] = Plan(),  # noqa: B008  (frozen)
    engine: EngineChoice = EngineChoice(),  # noqa: B008
) -> None:
    """Measure latency, memory and accuracy next to this machine's peak, each bundle in a process of its own.

    Word error rates are computed after Whisper's English normalizer. `unmask compare` compares reports.

    Parameters
    ----------
    bundles
        Folders of bundles; the shipped caption bundle if neither a bundle nor a shape is given.
    """
    require("matplotlib", "onnx", "jiwer", "whisper_normalizer")
    from unmask.benchmarks.report.markdown import to_markdown
    from unmask.benchmarks.report.record import to_json
    from unmask.benchmarks.report.write import check_place, write_report
    from unmask.benchmarks.scenarios.random_weights import shape_bundle
    from unmask.benchmarks.scenarios.run import read_subject, run, subject_cases, with_distinct_names

    refuse_unread(changed(options), unread(options))
    if options.output:
        check_place(options.output)
    say = say_on_stderr(options.quiet)
    chosen = engine.options()
    folders = [*bundles, *(shape_bundle(shape, options.precision) for shape in options.shape)] or [SHIPPED]
    with tempfile.TemporaryDirectory() as folder:
        recordings = read_recordings(options.audio, Path(folder))
        subjects = with_distinct_names([read_subject(path, chosen, recordings, VOICE_DETECTOR) for path in folders])
        if not any(subject.captions for subject in subjects):
            refuse_unread(changed(options), {"audio": "none of these bundles captions; leave out"})
        settings = {"scenarios": list(options.scenario), "minutes": options.minutes}
        report = run(subject_cases(subjects, options.scenario, options.minutes), subjects, plan, settings, say)
    print(to_json(report) if options.json else to_markdown(report), end="", flush=True)  # first: it is all that is left if
    if options.output:  # the disk is full by now
        write_report(report, options.output)


def unread(options: BenchOptions) -> dict[str, str]:
    """Options that nothing reads in this run -> what reads them."""
    found = {} if options.shape else {"precision": "read only with --shape"}
    if "soak" not in options.scenario:
        found["minutes"] = "read only with --scenario soak"
    return found


def read_recordings(paths: tuple[Path, ...], folder: Path) -> list[Recording]:
    """Write recordings at 16 kHz into a folder, for the measured processes; the demo clips if no path is given.

    Raises AudioError, and InputError for two recordings of one name.
    """
    found = []
    for path in paths or demo_clips():
        samples = read_recording(path)
        stored = folder / f"{path.stem}.npy"
        if stored.exists():
            raise InputError(f"two recordings are called {path.stem}; rename one of them")
        np.save(stored, samples)
        found.append(Recording(path.stem, str(stored), len(samples) / SAMPLE_RATE_HZ, read_transcript(path)))
    return found
