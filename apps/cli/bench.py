"""`unmask bench`: what a bundle, or a model of some shape with random weights, takes on this machine."""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import App, Parameter

from unmask.apps.audio.files import read_recording
from unmask.apps.cli.material import CLIPS
from unmask.apps.cli.measuring import check_folder, require, say_on_stderr
from unmask.apps.cli.options import SHIPPED, EngineChoice
from unmask.apps.cli.peers import peers_app
from unmask.benchmarks.report.compare import Gates, read_side
from unmask.benchmarks.report.compare import compare as compare_sides
from unmask.benchmarks.scenarios.catalog import Recording
from unmask.benchmarks.scenarios.runner import Plan
from unmask.errors import InputError
from unmask.speech.log_mel import SAMPLE_RATE_HZ

GATE_MISSED = 1
Scenario = Literal["step", "fill", "caption", "load", "soak"]


@Parameter(name="*")
@dataclass(frozen=True)
class BenchOptions:
    """Options of `unmask bench`."""

    shape: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """Random weights of a shape, instead of or beside bundles: dream-small, dream-0.5b, dream-1.5b, dream-3b, dream-7b, or sizes
    as in d=896,layers=24,heads=14,kv=2,ff=4864,vocab=151936. Made once, in the cache. Needs the extra export."""
    precision: Literal["int8", "fp32"] = "int8"
    """Of shapes."""
    scenario: Annotated[tuple[Scenario, ...], Parameter(consume_multiple=True, negative="")] = ("step", "fill", "caption", "load")
    """step: one pass; fill: a whole canvas; caption: recordings offline and live; load: starting; soak: fills for minutes."""
    audio: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = ()
    """Recordings for a bundle that captions; the demo clips unless given. A .txt beside one says what is said in it."""
    minutes: float = 5.0
    """Of a soak."""
    output: Path | None = None
    """Folder for report.json, report.md, report.html and plots; made where it is missing."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print the JSON instead of Markdown."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """Say nothing on stderr while it runs."""

    def __post_init__(self) -> None:
        if not 0 < self.minutes < float("inf"):
            raise InputError(f"minutes is {self.minutes:g}; a soak takes more than none")
        check_folder(self.output)


def bench(
    *bundles: Path,
    options: BenchOptions = BenchOptions(),
    plan: Annotated[Plan, Parameter(name="*", group="Plan")] = Plan(),  # noqa: B008  (frozen)
    engine: EngineChoice = EngineChoice(),  # noqa: B008
) -> None:
    """Measure latency, memory and accuracy beside this machine's ceiling, each bundle in a process of its own.

    Parameters
    ----------
    bundles
        Folders of bundles; the shipped caption bundle where neither a bundle nor a shape is given.
    """
    require("matplotlib", "onnx")
    from unmask.benchmarks.report.markdown import to_markdown
    from unmask.benchmarks.report.write import to_json, write_report
    from unmask.benchmarks.scenarios.random_weights import shape_bundle
    from unmask.benchmarks.scenarios.run import read_subject, run, subject_cases, told_apart

    say = say_on_stderr(options.quiet)
    chosen = engine.options()
    folders = [*bundles, *(shape_bundle(shape, options.precision) for shape in options.shape)] or [SHIPPED]
    with tempfile.TemporaryDirectory() as folder:
        recordings = read_recordings(options.audio, Path(folder))
        subjects = told_apart([read_subject(path, chosen, recordings) for path in folders])
        settings = {"scenarios": list(options.scenario), "minutes": options.minutes}
        report = run(subject_cases(subjects, options.scenario, options.minutes), subjects, plan, settings, say)
    if options.output:
        write_report(report, options.output)
    print(to_json(report) if options.json else to_markdown(report), end="")


def read_recordings(paths: tuple[Path, ...], folder: Path) -> list[Recording]:
    """Recordings at 16 kHz in a folder, for the measured processes. Raises AudioError, and InputError for equal names."""
    found = []
    for path in paths or sorted(CLIPS.glob("*.flac")):
        samples, text = read_recording(path), path.with_suffix(".txt")
        stored = folder / f"{path.stem}.npy"
        if stored.exists():
            raise InputError(f"two recordings are called {path.stem}; give one of them another name")
        np.save(stored, samples)
        said = text.read_text(encoding="utf-8") if text.is_file() else None
        found.append(Recording(path.stem, str(stored), len(samples) / SAMPLE_RATE_HZ, said))
    return found


def compare(
    a: Path,
    b: Path,
    /,
    *,
    gates: Annotated[Gates, Parameter(name="*")] = Gates(),  # noqa: B008  (frozen)
    any_threads: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Say of every row how many times as long B took as A, and whether that is a difference. Exit code 1: a gate was missed.

    Parameters
    ----------
    a
        A report.json, or a folder of several runs' reports: the base.
    b
        Another one. With several runs the intervals know how much runs differ.
    any_threads
        Compare rows whatever their number of threads.
    """
    found = compare_sides(read_side(a), read_side(b), same_threads=not any_threads)
    print(found.to_markdown())
    failed = found.failures(gates)
    for line in failed:
        print(f"gate missed: {line}", file=sys.stderr)
    return GATE_MISSED if failed else 0


def bench_app() -> App:
    """`unmask bench` and its own commands."""
    app = App(name="bench", help=bench.__doc__)
    app.default(bench)
    app.command(compare)
    app.command(peers_app())
    return app
