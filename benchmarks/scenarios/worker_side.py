"""The measured side: a bundle opened in a process of its own, which is asked by name for steps, fills, captions, live runs and
soaks."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from unmask.benchmarks.measure.conditions import temperature_c
from unmask.benchmarks.measure.machine import peak_rss_mib, rss_mib
from unmask.benchmarks.measure.worker import find
from unmask.benchmarks.scenarios.runner import Sample
from unmask.benchmarks.scenarios.workload import CaptionWorkload, Costs, Workload, opened
from unmask.errors import InputError

PREPARED = ("step", "fill", "whole")
Calls = Callable[..., dict[str, Any]]


def bundle(folder: str, engine: dict[str, Any], recordings: list[str], costs: Costs) -> Calls:
    """The first call of a kind prepares its work and warms up; later calls find it ready."""
    subject = opened(folder, engine, recordings, costs)
    prepared: dict[str, Callable[[], Sample]] = {}

    def ready(kind: str, arguments: dict[str, Any]) -> Callable[[], Sample]:
        key = json.dumps([kind, arguments], sort_keys=True)
        if key not in prepared:
            if kind not in PREPARED or not hasattr(subject, kind):
                raise InputError(f"{folder}: does not support {kind}")
            prepared[key] = getattr(subject, kind)(**arguments)
            subject.counter.take()  # the cost of preparing is no part of the first call
        return prepared[key]

    def call(kind: str, **arguments: Any) -> dict[str, Any]:
        if kind == "live":
            return live(subject, **arguments).to_json()
        if kind == "soak":
            seconds, what = arguments.pop("seconds"), arguments.pop("what")
            return soak(ready(what, arguments), seconds).to_json()
        return ready(kind, arguments)().to_json()

    return call


def live(subject: Workload, recording: int, detector: str, realtime: bool = True) -> Sample:
    """Play a recording in real time; a word's delays count from its end in the finished caption.

    detector: module:class of the voice activity detector.
    """
    from unmask.benchmarks.scenarios.live_delays import delays, play
    from unmask.speech.live import LiveCaptioner

    if not isinstance(subject, CaptionWorkload):
        raise InputError("only a bundle that captions can be played live")
    stream = LiveCaptioner(subject.captioner, find(detector)())
    began = time.perf_counter()
    emitted, feeding_s = play(stream, subject.samples(recording), realtime)
    seconds = time.perf_counter() - began
    events = [e.event for e in emitted]
    macs, size = subject.counter.take()
    tokens = sum(len(event.words) for event in events if event.event == "segment_ended")
    text = " ".join(event.text for event in events if event.event == "segment_ended")
    passes, rows = sum(e.passes for e in events), sum(e.rows for e in events)
    more = {**delays(emitted), "update": [e.compute_s for e in events if e.passes]}
    series = {"backlog_s": [(e.at_s, e.backlog_s) for e in emitted], "busy_s": [(seconds, feeding_s)]}
    return Sample(seconds, passes, rows, tokens, macs, size, peak_rss_mib(), text, more, series)


def soak(call: Callable[[], Sample], seconds: float) -> Sample:
    """Repeat a call until the time is over: latency, memory and temperature over time."""
    call()
    began = time.perf_counter()
    over: dict[str, list[tuple[float, float]]] = {"latency_s": [], "rss_mib": []}
    looked = 0.0
    while True:
        now, last = time.perf_counter() - began, call()
        over["latency_s"].append((now, last.seconds))
        if now >= looked:  # a hundred times at most: reading the system's files takes time too
            looked = now + seconds / 100
            over["rss_mib"].append((now, rss_mib()))
            if (degrees := temperature_c()) is not None:
                over.setdefault("temperature_c", []).append((now, degrees))
        if now >= seconds and len(over["latency_s"]) > 1:
            break
    more = {"call": [taken for _, taken in over["latency_s"]]}
    return replace(last, seconds=time.perf_counter() - began, more=more, series=over)
