"""OmniVoice at full size, random weights: what saying 3, 10 and 30 s takes, as published and trimmed, and in a given voice.

    python -m benchmarks.lab.omnivoice.full .cache/omnivoice-full

The checkpoint (2 GB) and the bundle are made in that folder if they are missing. Random weights take as long as trained ones,
since lengths and passes are rules. The default says whole texts, sound included. The published decoding takes minutes for them:
passes that have the same rows are measured a few times and multiplied, and the shortest text is said whole, to check that.
Seconds of a processor are those of all threads together. Figures are lines of JSON, each with the machine's load, on which
seconds that passed depend.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
import numpy as np

from benchmarks.lab.program import run
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.scenarios.speech.omnivoice import TEXT, write_omnivoice
from unmask.bundle.manifest import MANIFEST, load_bundle
from unmask.codecs import Codecs
from unmask.decoding.schedule import Schedule
from unmask.engines.engine_options import EngineOptions
from unmask.session import Session, open_model
from unmask.voice.generator import StreamGenerator, StreamRequest
from unmask.voice.saying import SayOptions
from unmask.voice.voice import Voice

UNMASK = [sys.executable, "-c", "from unmask.apps.cli.main import run; run()"]
VOICE_S, WAYS_S, PER_SECOND, STREAMS = 5.0, 10.0, 25, 8
CHARACTERS = 16.5  # of a second
WAYS: dict[str, dict[str, Any]] = {
    "trimmed, the default": {},
    "8 passes": {"passes": 8},
    "16 passes": {"passes": 16},
    "prompt computed in each pass": {"reuse": False, "window": "masked"},
    "prompt computed in each fourth pass": {"refresh": 4},
    "guided in each second pass": {"guided": "every-2"},
    "guided in all passes": {"guided": "all"},
}
PART = Literal["make", "sound", "say", "ways", "voice"]


@dataclass(frozen=True)
class FullOptions:
    to: Literal["int8", "int4"] = "int8"
    only: tuple[PART, ...] = ("make", "sound", "say", "ways", "voice")
    """make: the bundle. sound: the decoder. say: 3, 10 and 30 s, published and trimmed. ways: each saving by itself, for 10 s.
    voice: the encoder of a reference voice."""
    seconds: tuple[float, ...] = (3.0, 10.0, 30.0)
    threads: int = 2
    repeats: int = 2
    """Measured passes of each kind, of which the fastest counts."""
    small: bool = False
    """A tiny model in place of the full one: shows that all of it runs."""


def main(folder: Path, /, *, options: Annotated[FullOptions, cyclopts.Parameter(name="*")] = FullOptions()) -> None:
    say(machine=describe_machine(), threads=options.threads)
    bundle = folder / options.to
    if "make" in options.only and not (bundle / MANIFEST).is_file():
        make(folder / "model", bundle, options)
    session = open_model(bundle, EngineOptions(threads=options.threads))
    with timed("open the model"):
        session.load()
    if "sound" in options.only:
        for seconds in (1.0, *options.seconds):
            say(what="decode", of_s=seconds, **decoding(session.codecs, seconds, options.repeats).told(seconds))
    if "say" in options.only:
        said(session, options)
    if "ways" in options.only:
        for voiced in (False, True):
            ways(session, options, voiced)
    say(peak_mib=peak_mib(resource.RUSAGE_SELF), voices_read=0)
    if "voice" in options.only:
        for what in ("the encoder opens and reads a voice", "the encoder reads a voice"):
            with timed(what, of_s=VOICE_S):
                heard(session.codecs)
        say(peak_mib=peak_mib(resource.RUSAGE_SELF), voices_read=2)


def say(**figures: Any) -> None:
    print(json.dumps({**figures, "load": round(os.getloadavg()[0], 1)}), flush=True)


def peak_mib(whose: int) -> int:
    return resource.getrusage(whose).ru_maxrss // 1024


@contextmanager
def timed(what: str, **more: Any) -> Iterator[None]:
    began = now()
    yield
    taken = now() - began
    say(what=what, seconds=round(taken.seconds, 2), cpu_s=round(taken.cpu_s, 2), **more)


def make(checkpoint: Path, bundle: Path, options: FullOptions) -> None:
    if not checkpoint.is_dir():
        write_omnivoice(checkpoint, full=not options.small)
    with timed("make the bundle"):
        subprocess.run([*UNMASK, "quantize", str(checkpoint), "--to", options.to, "--out", str(bundle), "--quiet"], check=True)
    peak = peak_mib(resource.RUSAGE_CHILDREN)
    say(bundle=options.to, bytes=load_bundle(bundle).manifest.bytes, peak_mib_while_made=peak)


# ---- what a thing takes


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu_s: float

    def times(self, count: int) -> "Cost":
        return Cost(self.seconds * count, self.cpu_s * count)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.seconds + other.seconds, self.cpu_s + other.cpu_s)

    def __sub__(self, other: "Cost") -> "Cost":
        return self + other.times(-1)

    def told(self, seconds: float) -> dict[str, float]:
        """Beside the seconds of speech that are made."""
        own = {"seconds": self.seconds, "cpu_s": self.cpu_s}
        shares = {"of_real_time": self.seconds / seconds, "cpu_of_real_time": self.cpu_s / seconds}
        return {name: round(value, 2) for name, value in {**own, **shares}.items()}


def now() -> Cost:
    return Cost(time.perf_counter(), time.process_time())


def fastest(call: Any, repeats: int) -> Cost:
    call()
    found = []
    for _ in range(repeats):
        began = now()
        call()
        found.append(now() - began)
    return Cost(min(one.seconds for one in found), min(one.cpu_s for one in found))


def heard(codecs: Codecs) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(int(VOICE_S * codecs.heard_hz())).astype(np.float32)
    codecs.encode({"voice": "speech"}, {"voice": noise})


def decoding(codecs: Codecs, seconds: float, repeats: int) -> Cost:
    writer = codecs.sound_writer()
    codes = np.random.default_rng(0).integers(0, 1024, int(seconds * PER_SECOND) * STREAMS).tolist()
    return fastest(lambda: writer.decode(codes), repeats)


def calls(generator: StreamGenerator, request: StreamRequest) -> dict[str, Callable[[], object]]:
    """A pass of each kind: of all rows, of frames after rows that such a pass kept, and of frames alone."""
    denoiser = generator.denoiser(request)
    codes = np.random.default_rng(2).integers(0, request.canvas.mask + 1, request.canvas.codes.shape)
    every = np.arange(codes.shape[1])
    return {
        "whole": lambda: denoiser.numbers(denoiser.hidden(codes, None), False),
        "frames": lambda: denoiser.numbers(denoiser.hidden(codes, every), False),
        "alone": lambda: denoiser.away(codes),
    }


def passes(generator: StreamGenerator, request: StreamRequest, repeats: int) -> dict[str, Cost]:
    """What a pass of each kind takes."""
    return {name: fastest(call, repeats) for name, call in calls(generator, request).items()}


# ---- texts


def words(seconds: float) -> str:
    """A text that takes so long to say."""
    count = int(seconds * CHARACTERS)
    return (TEXT * (count // len(TEXT) + 1))[:count].strip()


def voice_of(generator: StreamGenerator) -> Voice:
    codes = np.random.default_rng(1).integers(0, generator.streams.codes, int(VOICE_S * PER_SECOND) * STREAMS)
    return Voice.of(codes.tolist(), words(VOICE_S), 0.1, generator.streams)


def canvas(generator: StreamGenerator, seconds: float, voice: Voice | None) -> StreamRequest:
    """A text as one canvas, as it is published for up to 30 s."""
    inputs: dict[str, Any] = {"text": words(seconds), "language": "en"}
    inputs |= {"transcript": voice.transcript, "voice": voice.codes} if voice else {}
    return generator.request("clone" if voice else "tts", inputs, int(seconds * PER_SECOND))


def said(session: Session, options: FullOptions) -> None:
    """The published decoding, computed of measured passes, and the default one, whole and with its sound."""
    generator = session.streams
    assert generator is not None
    whole(session, "the first text after opening", 1.0, SayOptions(language="en"))
    whole(session, "published, said whole", min(options.seconds), SayOptions(language="en", reference=True))
    for seconds in options.seconds:
        for voice in (None, voice_of(generator)):
            request = canvas(generator, seconds, voice)
            cost = passes(generator, request, options.repeats)
            steps = generator.bundle.published(request.task).steps
            slow = (cost["whole"] + cost["alone"]).times(steps) + decoding(session.codecs, seconds, options.repeats)
            own = {"voiced": voice is not None, "prompt": len(request.prompt), "passes": steps}
            say(way="published", of_s=seconds, **slow.told(seconds), **own, computed=True)
            whole(session, "trimmed, the default", seconds, SayOptions(voice, "en"))


def whole(session: Session, way: str, seconds: float, options: SayOptions) -> None:
    """Say a text with its sound. Its length is what the rule on its characters gives it."""
    began, times, parts = now(), list[Cost](), []
    for part in session.say(words(seconds), options):
        times.append(now() - began)
        parts.append(part)
    made_s = sum(len(part.codes) for part in parts) / STREAMS / PER_SECOND
    first = {"first_sound_s": round(times[0].seconds, 2), "first_sound_cpu_s": round(times[0].cpu_s, 2)}
    own = {"voiced": options.voice is not None, "parts": len(parts), "passes": sum(part.passes for part in parts)}
    say(way=way, of_s=made_s, **times[-1].told(made_s), **first, **own)


def ways(session: Session, options: FullOptions, voiced: bool) -> None:
    """Each saving by itself, for one canvas without its sound, computed of measured passes."""
    generator = session.streams
    assert generator is not None
    request = canvas(generator, WAYS_S, voice_of(generator) if voiced else None)
    cost = passes(generator, request, options.repeats)
    for name, changes in WAYS.items():
        schedule = replace(generator.bundle.schedule(request.task), **changes)
        total = sum((cost[kind] for kind in kinds_of(schedule)), Cost(0, 0))
        say(way=name, of_s=WAYS_S, **total.told(WAYS_S), voiced=voiced, passes=schedule.passes, computed=True)


def kinds_of(schedule: Schedule) -> Iterator[str]:
    """The kinds of pass that a schedule computes; the unconditional one of an empty canvas costs nothing."""
    for number in range(1, (schedule.passes or 1) + 1):
        fresh = not schedule.reuse or (number - 1) % (schedule.refresh or (schedule.passes or 1)) == 0
        yield "whole" if fresh else "frames"
        if schedule.guidance and schedule.leads_anew(number) and number > 1:
            yield "alone"


if __name__ == "__main__":
    run(main)
