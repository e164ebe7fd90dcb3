"""`unmask bench`: how long filling a canvas takes on this machine."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unmask.apps.audio import read_recording
from unmask.apps.engines import EngineChoice
from unmask.apps.shipped import SHIPPED
from unmask.benchmarks.fills import Report, measure
from unmask.bundle import Bundle, load_bundle
from unmask.captioner import FAMILY, TASK, Captioner
from unmask.errors import InputError
from unmask.generate import Generator
from unmask.options import EngineOptions


@Parameter(name="*")
@dataclass(frozen=True)
class BenchOptions:
    """Options of `unmask bench`."""

    audio: Path | None = None
    """Recording for a caption bundle; its first window is filled."""
    prompt: str = "Why is the sky blue?"
    """Text for a bundle that generates."""
    task: str | None = None
    """Which task of it; the first unless given. One that takes a text."""
    length: int | None = None
    """Positions of the answer."""
    reference: Annotated[bool, Parameter(negative="")] = False
    """Measure the family's published decoding."""
    runs: int = 5
    """Fills that count; one more warms up."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print raw samples and figures as JSON instead of a Markdown table."""
    output: Path | None = None
    """Write the JSON there too."""


def bench(
    bundle: Path = SHIPPED,
    /,
    *,
    options: BenchOptions = BenchOptions(),
    engine: EngineChoice = EngineChoice(),  # noqa: B008  (frozen)
) -> None:
    """Fill one canvas again and again: milliseconds a step (p50, p90), rows per token, useful tokens a second, peak memory.

    Parameters
    ----------
    bundle
        Folder of the bundle; the shipped caption bundle unless given.
    """
    how = engine.options()
    if options.runs < 1:
        raise InputError(f"runs is {options.runs}; at least 1 is needed")
    if options.output and not options.output.resolve().parent.is_dir():
        raise InputError(f"{options.output.parent}: no such folder; make it first")
    loaded = load_bundle(bundle)
    report = bench_captions(loaded, options, how) if loaded.manifest.family == FAMILY else bench_answers(loaded, options, how)
    if options.output:
        options.output.write_text(json.dumps(report.to_json(), indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report.to_json()) if options.json else report.to_markdown())


def bench_captions(bundle: Bundle, options: BenchOptions, engine: EngineOptions) -> Report:
    """The passes over one window, the encoder aside; every slot of the speech counts as a token, blank or not."""
    if options.audio is None:
        raise InputError(f"{bundle.manifest.name} captions: give a recording with --audio")
    captioner = Captioner(bundle, engine).load()
    window = next(iter(captioner.windows(read_recording(options.audio))), None)
    if window is None:
        raise InputError(f"{options.audio}: nothing but silence; give a recording of speech")
    schedule = bundle.schedule(TASK)
    settings = {"slots": len(window.canvas.ids), **told(engine), **chosen(dataclasses.asdict(schedule))}
    return measure(
        bundle.manifest.name,
        settings,
        lambda: captioner.steps(window, schedule),
        lambda step: len(step.ids),
        options.runs,
        os.getloadavg(),
    )


def bench_answers(bundle: Bundle, options: BenchOptions, engine: EngineOptions) -> Report:
    generator = Generator(bundle, engine).load()
    task = options.task or next(iter(bundle.manifest.templates), "")
    kinds = generator.template(task).inputs
    if set(kinds) != {"text"}:
        raise InputError(f"{task} takes {', '.join(kinds)}; measure a task that takes a text alone, with --task")
    request = generator.request(task, {"text": options.prompt}, options.length, options.reference)
    schedule = None if options.reference else bundle.schedule(task)
    how = {"decoding": "published"} if schedule is None else chosen(dataclasses.asdict(schedule))
    masks = len(request.canvas.ids) - request.prompt
    settings = {"task": task, "prompt": request.prompt, "answer": masks, **told(engine), **how}
    return measure(
        bundle.manifest.name,
        settings,
        lambda: generator.steps(request, schedule),
        lambda step: generator.read(request, step.ids).tokens,
        options.runs,
        os.getloadavg(),
    )


def told(engine: EngineOptions) -> dict[str, object]:
    """Threads, and what differs from the defaults."""
    settings, usual = dataclasses.asdict(engine), dataclasses.asdict(EngineOptions())
    return {name: value for name, value in settings.items() if name == "threads" or value != usual[name]}


def chosen(settings: dict[str, object]) -> dict[str, object]:
    """What a schedule says, without what it leaves out."""
    return {key: value for key, value in settings.items() if value not in (None, 0, False)}
