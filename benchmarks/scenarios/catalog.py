"""Which cases a run has: the scenarios for each subject. Knows sizes to try. Opens nothing."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unmask.benchmarks.scenarios.runner import Case
from unmask.benchmarks.scenarios.startup import can_forget
from unmask.bundle.graph_spec import kind_of
from unmask.bundle.manifest import Manifest
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.speech.captioner import TASK

TARGET = "unmask.benchmarks.scenarios.worker_side:bundle"
START = "unmask.benchmarks.scenarios.startup:start"
SCENARIOS = ("step", "fill", "caption", "load", "soak")
ROWS = (1, 4, 8, 16, 32, 64)
SECONDS = (2.0, 5.0)  # of speech, as far as the recording goes
CONTEXTS = (0, 128, 512)
LENGTHS = (32, 64)  # of answers
SAID = (1.0, 3.0)  # seconds of speech that are made
LOOKAHEADS = (4, 8, 16, 32, None)  # tokens of a transcript's draft that a pass checks; None: all


@dataclass(frozen=True)
class Recording:
    """A recording at 16 kHz as .npy, for the processes that are measured."""

    name: str
    path: str
    seconds: float
    said: str | None = None  # where known


@dataclass(frozen=True)
class MeasuredBundle:
    """A bundle to be measured, with one setting of the engine."""

    name: str
    folder: Path
    manifest: Manifest
    engine: EngineOptions
    recordings: tuple[Recording, ...] = ()
    costs: dict[str, list[int]] = field(default_factory=dict)  # `unmask.benchmarks.scenarios.graph_cost.bundle_costs`
    voice_detector: str | None = None  # module:class, for live runs; None: no live runs

    @property
    def captions(self) -> bool:
        return kind_of(self.manifest).takes == "speech"

    def case(self, scenario: str, name: str, call: dict[str, Any], target: str = TARGET, **more: Any) -> Case:
        recordings = [recording.path for recording in self.recordings]
        engine = dataclasses.asdict(self.engine)
        arguments = {"folder": str(self.folder), "engine": engine, "recordings": recordings, "costs": self.costs}
        return Case(scenario, self.name, name, target, arguments, call, self.engine.threads, **more)


def cases(subject: MeasuredBundle, scenarios: Sequence[str], minutes: float) -> Iterator[Case]:
    """minutes: length of a soak. Raises InputError for an unknown scenario."""
    for scenario in scenarios:
        if scenario not in SCENARIOS:
            raise InputError(f"no scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
        if scenario == "soak":
            yield from soak(subject, minutes)
        else:
            yield from MAKERS[scenario](subject)


def step(subject: MeasuredBundle) -> Iterator[Case]:
    """A pass, by rows in the window and length of the context. A transcript's rows are tokens that are read after others."""
    if subject.captions:
        for seconds in _seconds(subject):
            most = _most_rows(subject.manifest, seconds)
            for rows in sorted({*(r for r in ROWS if r < most), most}):
                call = {"kind": "step", "rows": rows, "context": seconds}
                yield subject.case("step", f"{_count(rows)}, {seconds:g} s of speech", call)
        return
    most = subject.manifest.positions or 1 << 30
    for context in CONTEXTS:
        for rows in (rows for rows in ROWS if rows + context <= most):
            yield subject.case("step", f"{_count(rows)}, context {context}", {"kind": "step", "rows": rows, "context": context})


def fill(subject: MeasuredBundle) -> Iterator[Case]:
    """A whole canvas, by schedule and length."""
    streams = subject.manifest.streams
    for label, way in schedules(subject):
        if streams is not None:
            for seconds in SAID:
                call = {"kind": "fill", "length": round(seconds * streams.per_second), **way}
                yield subject.case("fill", f"{label}, {seconds:g} s of speech", call, audio_s=seconds)
            continue
        for length in _seconds(subject) if subject.captions else LENGTHS:
            unit = f"{length:g} s of speech" if subject.captions else f"{length} positions"
            reference = _said(subject, length) if subject.captions else None
            call = {"kind": "fill", "length": length, **way}
            yield subject.case("fill", f"{label}, {unit}", call, reference=reference)


def schedules(subject: MeasuredBundle) -> list[tuple[str, dict[str, Any]]]:
    """Name -> changes of the task's own schedule, and of a caption whether it is drafted. The last one is the default."""
    if subject.captions:
        ahead = {f"{n or 'all'} ahead": n for n in LOOKAHEADS if n != subject.manifest.tasks[TASK].verify_lookahead}
        looking = [(label, {"schedule": {"verify_lookahead": n}}) for label, n in ahead.items()]
        return [("token by token", {"schedule": {}, "drafted": False}), *looking, ("default", {"schedule": {}})]
    if subject.manifest.streams is not None:
        unkept = {"guided": "all", "reuse": False, "refresh": None, "window": "masked"}
        ways: dict[str, dict[str, Any]] = {"all passes guided, no rows kept": unkept, "all passes guided": {"guided": "all"}}
        ways |= {f"{passes} passes": {"passes": passes} for passes in (16, 8)}
        return [(label, {"schedule": own}) for label, own in {**ways, "default": {}}.items()]
    block = subject.manifest.block or 32
    counts = [n for n in (1, 4, 8, 16) if n <= block]
    by_quota = {"rule": "quota", "block": block}
    return [(f"{n} pass{'es' * (n > 1)} a block of {block}", {"schedule": {**by_quota, "passes": n}}) for n in counts]


def caption(subject: MeasuredBundle) -> Iterator[Case]:
    """Recordings captioned as fast as possible, and played in real time. Nothing for a bundle that does not caption."""
    if not subject.captions:
        return
    ways: dict[str, dict[str, Any]] = {"offline": {"kind": "whole"}}
    if subject.voice_detector:
        ways["live"] = {"kind": "live", "detector": subject.voice_detector}
    for way, call in ways.items():
        for i, recording in enumerate(subject.recordings):
            own = {"reference": recording.said, "audio_s": recording.seconds, "once": way == "live"}
            yield subject.case("caption", f"{way} {recording.name}", {**call, "recording": i}, **own)


def load(subject: MeasuredBundle) -> Iterator[Case]:
    for cold in (False, True) if can_forget() else (False,):
        yield subject.case("load", "cold" if cold else "warm", {"cold": cold}, START, fresh=True)


def soak(subject: MeasuredBundle, minutes: float) -> Iterator[Case]:
    """The task's own fill for minutes."""
    length = _seconds(subject)[-1] if subject.captions else LENGTHS[-1]  # of streams: frames
    call = {"kind": "soak", "what": "fill", "seconds": 60 * minutes, "length": length, **schedules(subject)[-1][1]}
    yield subject.case("soak", f"{minutes:g} minutes of fills", call, once=True)


MAKERS: dict[str, Callable[[MeasuredBundle], Iterator[Case]]] = {"step": step, "fill": fill, "caption": caption, "load": load}


def _count(rows: int) -> str:
    return f"{rows} row{'s' * (rows > 1)}"


def _most_rows(manifest: Manifest, seconds: float) -> int:
    """Of a captioner's pass: all tokens of the longest text."""
    assert manifest.transcript is not None
    return int(manifest.transcript.tokens_per_second * seconds)


def _seconds(subject: MeasuredBundle) -> list[float]:
    """Lengths of the first recording to try: fixed ones that it reaches, and all of it up to ten seconds."""
    whole = min(round(subject.recordings[0].seconds, 1), 10.0)
    return [*(s for s in SECONDS if s < whole), whole]


def _said(subject: MeasuredBundle, seconds: float) -> str | None:
    recording = subject.recordings[0]
    return recording.said if seconds >= round(recording.seconds, 1) else None
