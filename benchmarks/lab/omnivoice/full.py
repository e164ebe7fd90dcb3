"""OmniVoice at full size, random weights: what saying 3, 10 and 30 s takes, as published and trimmed, and in a given voice.

    python -m benchmarks.lab.omnivoice.full .cache/omnivoice-full

The checkpoint (2 GB) and the bundle are made in that folder if they are missing. Random weights take as long as trained ones,
since lengths and passes are rules. Passes that have the same rows are measured a few times and multiplied. Seconds of a processor
are those of all threads together. Figures are lines of JSON, each with the machine's load, on which seconds that passed depend.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
import numpy as np

from benchmarks.lab.program import run
from unmask.benchmarks.measure.machine import describe_machine
from unmask.bundle.manifest import MANIFEST, load_bundle
from unmask.codecs import Codecs
from unmask.decoding.schedule import Schedule
from unmask.decoding.streams.sampler import fill_streams
from unmask.engines.engine_options import EngineOptions
from unmask.voice.generator import StreamGenerator, StreamRequest

UNMASK = [sys.executable, "-c", "from unmask.apps.cli.main import run; run()"]
TEXT = "The birch canoe slid on the smooth planks. " * 12
VOICE_S, PER_SECOND, CHARACTERS = 5, 25, 16.5  # characters of a second
LETTERS = 4  # of a token in the published vocabulary; in that of random weights each is one
WAYS: dict[str, dict[str, Any]] = {
    "trimmed, the default": {},
    "8 passes": {"passes": 8},
    "16 passes": {"passes": 16},
    "prompt computed in each pass": {"reuse": False, "window": "masked"},
    "prompt computed in each fourth pass": {"refresh": 4},
    "guided in each second pass": {"guided": "every-2"},
    "guided in all passes": {"guided": "all"},
}
PART = Literal["make", "say", "ways", "sound", "voice"]


@dataclass(frozen=True)
class FullOptions:
    to: Literal["int8", "int4"] = "int8"
    only: tuple[PART, ...] = ("make", "say", "ways", "sound", "voice")
    """make: the bundle. say: 3, 10 and 30 s, published and trimmed. ways: each saving by itself, for 10 s. sound: the decoder.
    voice: the encoder of a reference voice."""
    seconds: tuple[float, ...] = (3.0, 10.0, 30.0)
    threads: int = 2
    repeats: int = 2
    """Measured passes of each kind, of which the fastest counts."""
    small: bool = False
    """A tiny model in place of the full one: shows that all of it runs."""


def main(folder: Path, /, *, options: Annotated[FullOptions, cyclopts.Parameter(name="*")] = FullOptions()) -> None:
    say(machine=describe_machine(), threads=options.threads)
    bundle_folder = folder / options.to
    if "make" in options.only and not (bundle_folder / MANIFEST).is_file():
        make(folder / "model", bundle_folder, options)
    bundle = load_bundle(bundle_folder)
    generator = StreamGenerator(bundle, EngineOptions(threads=options.threads))
    with timed("open the model"):
        generator.load()
    timing = Timing(generator, options.repeats)
    if "say" in options.only:
        for seconds in options.seconds:
            for voiced in (False, True):
                timing.said(seconds, voiced)
    if "ways" in options.only:
        for voiced in (False, True):
            timing.ways(10.0, voiced)
    codecs = Codecs(bundle, EngineOptions(threads=options.threads))
    if "sound" in options.only:
        decoded(codecs, options)
    if "voice" in options.only:
        with timed("the encoder opens and reads a voice", of_s=VOICE_S):
            heard(codecs)
        with timed("the encoder reads a voice", of_s=VOICE_S):
            heard(codecs)
    say(peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def say(**figures: Any) -> None:
    print(json.dumps({**figures, "load": round(os.getloadavg()[0], 1)}), flush=True)


@contextmanager
def timed(what: str, **more: Any) -> Iterator[None]:
    began, cpu = time.perf_counter(), time.process_time()
    yield
    say(what=what, seconds=round(time.perf_counter() - began, 2), cpu_s=round(time.process_time() - cpu, 2), **more)


def make(checkpoint: Path, bundle: Path, options: FullOptions) -> None:
    if not checkpoint.is_dir():
        from unmask.benchmarks.scenarios.speech.omnivoice import write_omnivoice

        write_omnivoice(checkpoint, full=not options.small)
    with timed("make the bundle"):
        subprocess.run([*UNMASK, "quantize", str(checkpoint), "--to", options.to, "--out", str(bundle), "--quiet"], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    say(bundle=options.to, bytes=load_bundle(bundle).manifest.bytes, peak_mib_while_made=peak)


def heard(codecs: Codecs) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(VOICE_S * codecs.heard_hz()).astype(np.float32)
    codecs.encode({"voice": "speech"}, {"voice": noise})


def decoded(codecs: Codecs, options: FullOptions) -> None:
    writer, streams = codecs.sound_writer(), 8
    rng = np.random.default_rng(0)
    for seconds in (1.0, *options.seconds):
        codes = rng.integers(0, 1024, int(seconds * PER_SECOND) * streams).tolist()
        for _ in range(options.repeats):
            with timed("decode", of_s=seconds):
                writer.decode(codes)


# ---- passes


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu_s: float

    def times(self, count: int) -> "Cost":
        return Cost(self.seconds * count, self.cpu_s * count)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.seconds + other.seconds, self.cpu_s + other.cpu_s)


@dataclass
class Timing:
    generator: StreamGenerator
    repeats: int
    known: dict[tuple[str, int, int], Cost] = field(default_factory=dict)

    def request(self, seconds: float, voiced: bool) -> StreamRequest:
        frames, text = int(seconds * PER_SECOND), TEXT * 4
        inputs: dict[str, Any] = {"text": text[: int(seconds * CHARACTERS / LETTERS)], "language": "en"}
        if voiced:
            streams = self.generator.streams
            codes = np.random.default_rng(1).integers(0, streams.codes, VOICE_S * PER_SECOND * streams.count)
            inputs |= {"transcript": text[: int(VOICE_S * CHARACTERS / LETTERS)], "voice": tuple(codes.tolist())}
        return self.generator.request("clone" if voiced else "tts", inputs, frames)

    def passes(self, request: StreamRequest) -> dict[str, Cost]:
        """What a pass of each kind takes: of all rows, of frames after kept rows, of frames alone, and of an empty canvas."""
        prompt, frames = len(request.prompt), request.canvas.codes.shape[1]
        denoiser = self.generator.denoiser(request)
        codes = np.random.default_rng(2).integers(0, request.canvas.mask + 1, request.canvas.codes.shape)
        every = np.arange(frames)
        kinds: dict[str, Any] = {
            "whole": lambda: denoiser.numbers(denoiser.hidden(codes, None), False),
            "frames": lambda: denoiser.numbers(denoiser.hidden(codes, every), False),
            "alone": lambda: denoiser.away(codes),
        }
        for name, call in kinds.items():
            if (name, prompt, frames) not in self.known:
                self.known[name, prompt, frames] = fastest(call, self.repeats)
        return {name: self.known[name, prompt, frames] for name in kinds}

    def said(self, seconds: float, voiced: bool) -> None:
        """The published decoding, computed of measured passes, and the trimmed one, whole."""
        request = self.request(seconds, voiced)
        cost = self.passes(request)
        steps = self.generator.bundle.published(request.task).steps
        slow = (cost["whole"] + cost["alone"]).times(steps)
        own = {"of_s": seconds, "voiced": voiced, "prompt": len(request.prompt)}
        say(way="published", passes=steps, **own, **told(slow, seconds), computed=True)
        schedule = self.generator.bundle.schedule(request.task)
        began, cpu = time.perf_counter(), time.process_time()
        rows = [step.rows for step in fill_streams(request.canvas, self.generator.denoiser(request), schedule)]
        found = Cost(time.perf_counter() - began, time.process_time() - cpu)
        times = {"times_faster": round(slow.seconds / found.seconds, 1), "times_less_cpu": round(slow.cpu_s / found.cpu_s, 1)}
        say(way="trimmed, the default", passes=len(rows), rows=sum(rows), **own, **told(found, seconds), **times)

    def ways(self, seconds: float, voiced: bool) -> None:
        """Each saving by itself, computed of measured passes."""
        request = self.request(seconds, voiced)
        cost = self.passes(request)
        for name, changes in WAYS.items():
            schedule = replace(self.generator.bundle.schedule(request.task), **changes)
            total = sum((cost[kind] for kind in kinds_of(schedule)), Cost(0, 0))
            say(way=name, of_s=seconds, voiced=voiced, passes=schedule.passes, **told(total, seconds), computed=True)


def kinds_of(schedule: Schedule) -> Iterator[str]:
    """The kinds of pass that a schedule computes; the unconditional one of an empty canvas costs nothing."""
    for number in range(1, (schedule.passes or 1) + 1):
        fresh = not schedule.reuse or (number - 1) % (schedule.refresh or (schedule.passes or 1)) == 0
        yield "whole" if fresh else "frames"
        every = schedule.guided_every
        first, last = schedule.guided_passes if every is None else (1, None)
        guided = (number - 1) % every == 0 if every else first <= number and (last is None or number <= last)
        if schedule.guidance and guided and number > 1:
            yield "alone"


def fastest(call: Any, repeats: int) -> Cost:
    call()
    found = []
    for _ in range(repeats):
        began, cpu = time.perf_counter(), time.process_time()
        call()
        found.append(Cost(time.perf_counter() - began, time.process_time() - cpu))
    return Cost(min(one.seconds for one in found), min(one.cpu_s for one in found))


def told(cost: Cost, seconds: float) -> dict[str, float]:
    return {
        "seconds": round(cost.seconds, 2),
        "cpu_s": round(cost.cpu_s, 2),
        "of_real_time": round(cost.seconds / seconds, 2),
        "cpu_of_real_time": round(cost.cpu_s / seconds, 2),
    }


if __name__ == "__main__":
    run(main)
