"""Omni-Diffusion at full size, random weights: making a bundle, opening it, two of its tasks, and what the others would take.

Takes hours and 40 GB of disk.

    python -m benchmarks.lab.omni.full .cache/full

The checkpoint and the bundles are made in that folder if they are missing. Seconds of a processor are those of all threads
together; on a machine that others use too, they say more than seconds that passed. Figures are lines of JSON.
"""

import dataclasses
import json
import os
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

import cyclopts
import numpy as np

from benchmarks.lab.omni.memory import watch
from benchmarks.lab.omni.rows import computed
from benchmarks.lab.omni.tasks import Pass, published, published_masks, published_pass, request_of, trimmed
from benchmarks.lab.program import run
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.measure.worker import Worker
from unmask.bundle.manifest import MANIFEST, Bundle, load_bundle
from unmask.codecs import Codecs
from unmask.decoding.schedule import Schedule
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.text.generator import Input

UNMASK = [sys.executable, "-c", "from unmask.apps.cli.main import run; run()"]
PART = Literal["make", "open", "t2i", "asr", "rows"]
SPEECH_S = 10
MASKS = (1.0, 0.5, 0.0)  # shares of the answer that are masked in the published passes that are measured
REUSED = Schedule(passes=16, rule="quota", order="negative_entropy", curve="cosine", reuse=True)
TASKS: dict[str, dict[str, tuple[Schedule | None, int | None]]] = {
    "t2i": {"trimmed": (None, None), "16 passes that reuse rows": (REUSED, None)},
    "asr": {"trimmed, 1 sure in a pass": (None, None), "trimmed, 4 sure in a pass": (None, 4)},
}
"""Task -> name of a way to fill it -> its schedule, by default the bundle's, and the positions that are sure in each pass."""


@dataclass(frozen=True)
class FullOptions:
    to: tuple[Literal["int8", "int4"], ...] = ("int8", "int4")
    """Number formats."""
    only: tuple[PART, ...] = ("make", "open", "t2i", "asr", "rows")
    """What to measure. rows: what the tasks that are not timed would take, computed from passes that are."""
    cost: dict[str, float] = field(default_factory=dict)
    """For rows: seconds of a processor of a pass over so many rows (--cost.290 11.2), if this run measures none."""
    threads: int = 2
    mapped: bool = False
    """Tasks with int8 weights that stay in their file."""
    small: bool = False
    """A tiny model in place of the full one: shows that all of it runs."""


def main(folder: Path, /, *, options: Annotated[FullOptions, cyclopts.Parameter(name="*")] = FullOptions()) -> None:
    say(machine=describe_machine(), threads=options.threads, load=os.getloadavg())
    for form in options.to:
        bundle = folder / form
        if "make" in options.only and not (bundle / MANIFEST).is_file():
            make(folder, bundle, form, options)
        if "open" in options.only:
            for mapped in (False, True) if form == "int8" else (False,):
                opened(bundle, EngineOptions(threads=options.threads, mapped=mapped))
        own = EngineOptions(threads=options.threads, mapped=options.mapped and form == "int8")
        passes = [one for task in TASKS if task in options.only for one in timed_task(load_bundle(bundle), task, own)]
        if "rows" in options.only:
            tell_computed(load_bundle(bundle), costs_of(options.cost, passes))


def say(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


# ---- making and opening a bundle


def make(folder: Path, bundle: Path, form: str, options: FullOptions) -> None:
    checkpoint = folder / "model"
    if not checkpoint.is_dir():
        from unmask.benchmarks.scenarios.omni import write_omni

        write_omni(folder, full=not options.small)
    watched = watch([*UNMASK, "quantize", str(checkpoint), "--to", form, "--out", str(bundle), "--quiet"])
    size = load_bundle(bundle).manifest.bytes
    say(made=form, bytes=size, seconds=watched.seconds, cpu_s=watched.cpu_s, peak_mib=watched.peak)
    for second, now in watched.points(12):
        say(second=round(second), **{name: round(value) for name, value in dataclasses.asdict(now).items()})
    codecs = ["--magvit", folder / "magvit", "--sensevoice", folder / "sensevoice", "--projector", checkpoint, "--codecs", "int8"]
    watch([*UNMASK, "export", *map(str, [bundle, *codecs]), "--quiet"])


def opened(bundle: Path, engine: EngineOptions, rows: int = 64) -> None:
    arguments = {"folder": str(bundle), "engine": dataclasses.asdict(engine), "rows": rows}
    with Worker("benchmarks.lab.omni.memory:opening", arguments) as worker:
        for what, seconds, cpu_s, memory in worker():
            mib = {name: round(value) for name, value in memory.items()}
            say(bundle=bundle.name, mapped=engine.mapped, stage=what, seconds=seconds, cpu_s=cpu_s, **mib)


# ---- tasks


def timed_task(bundle: Bundle, task: str, options: EngineOptions) -> list[Pass]:
    """Returns the passes that were measured."""
    engine = Engine(bundle, options)
    codecs = Codecs(bundle, options)
    began, cpu = time.perf_counter(), time.process_time()
    given = inputs(task, bundle, codecs)
    heard = time.perf_counter() - began, time.process_time() - cpu
    request = request_of(bundle, task, given, published=True)
    masks = published_masks(bundle, request)
    engine.inputs("window")
    chosen = sorted({max(1, round(share * masks[0])) for share in MASKS})
    first = published_pass(engine, request, 1)  # also opens the head and reads the weights
    say(bundle=bundle.folder.name, task=task, rows=first.rows, published_passes=len(masks), input_s=heard, load=os.getloadavg())
    passes = [published_pass(engine, request, count) for count in chosen]
    for one in passes:
        say(published_pass=dataclasses.asdict(one))
    slow = published(passes, masks)
    say(published_s=slow[0], published_cpu_s=slow[1])
    for name, (schedule, sure) in TASKS[task].items():
        own = schedule or bundle.schedule(task)
        found, ids = trimmed(engine, request_of(bundle, task, given, published=False), own, sure, bundle)
        tell(bundle, task, name, found, slow)
        passes += found
    if task == "t2i":
        codes = ids[-259:-3] - bundle.manifest.vocabulary.ranges["image"][0]
        began, cpu = time.perf_counter(), time.process_time()
        codecs.decode({"image": tuple(map(int, codes))})
        say(picture_s=time.perf_counter() - began, picture_cpu_s=time.process_time() - cpu)
    return passes


def inputs(task: str, bundle: Bundle, codecs: Codecs) -> dict[str, Input]:
    if task == "t2i":
        return {"text": "a bike"}  # a token a letter
    sound = 0.1 * np.random.default_rng(0).standard_normal(SPEECH_S * SAMPLE_RATE_HZ).astype(np.float32)
    return dict(codecs.encode(bundle.manifest.templates[task].inputs, {"speech": sound}, None))


def tell(bundle: Bundle, task: str, name: str, passes: list[Pass], slow: tuple[float, float]) -> None:
    seconds, cpu_s = sum(one.seconds for one in passes), sum(one.cpu_s for one in passes)
    say(
        bundle=bundle.folder.name,
        task=task,
        way=name,
        passes=len(passes),
        rows=[one.rows for one in passes],
        seconds=seconds,
        cpu_s=cpu_s,
        times_faster=slow[0] / seconds,
        times_less_cpu=slow[1] / cpu_s,
        each_cpu_s=[round(one.cpu_s, 2) for one in passes],
        load=os.getloadavg(),
    )


# ---- the other tasks


def costs_of(given: dict[str, float], passes: list[Pass]) -> dict[int, float]:
    """Rows of a pass -> its seconds of a processor: the given ones, or the medians of the measured ones. Raises InputError."""
    if not all(rows.isdecimal() and int(rows) and seconds > 0 for rows, seconds in given.items()):
        raise InputError("--cost names a number of rows and the seconds of a pass over them, as in --cost.290 11.2")
    measured = defaultdict[int, list[float]](list)
    for one in passes:
        measured[one.rows].append(one.cpu_s)
    found = {int(rows): seconds for rows, seconds in given.items()} or {rows: median(all_s) for rows, all_s in measured.items()}
    if not found:
        raise InputError("rows needs seconds of passes: measure some (--only asr --only t2i) or give them (--cost.290 11.2)")
    return found


def tell_computed(bundle: Bundle, cost: dict[int, float]) -> None:
    for one in computed(bundle, cost):
        times = one.published_cpu_s / one.cpu_s
        say(computed=bundle.folder.name, **dataclasses.asdict(one), times_less_cpu=times)


if __name__ == "__main__":
    run(main)
