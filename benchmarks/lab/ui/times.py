"""How long a spoken request takes, from the end of speech to the first paint and to the complete panel; passes, rows, memory.

    python -m benchmarks.lab.ui.times --cpu-time

Voices say requests written by hand to the captioner and the panels of `unmask ui`, block by block on a simulated clock: a block
arrives when it is due, and the time of computing is measured and added. `--cpu-time` counts CPU seconds as that time: on a
machine that others share, one thread then takes what it would take on a core of its own.

- first paint: the first message that shows something of the answer; below 0 it came while somebody still spoke.
- complete: the last message of the answer. The end of speech is the last sample that is louder than a hundredth of the loudest.

The second table is of the canvas alone, typed: as it ships beside token by token, one request after the other in turns, each the
fastest of so many runs.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cyclopts
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.lab.program import run
from benchmarks.lab.ui.score import TOKEN_BY_TOKEN, aloud
from benchmarks.lab.ui.written import Wanted, written
from unmask import Captioner, EngineOptions, LiveCaptioner, Schedule, load_bundle
from unmask.apps.audio.voice_activity import Silero
from unmask.apps.cli.tasks.ui import Screen, UiOptions
from unmask.apps.ui.board import Board, Reply
from unmask.apps.ui.catalog import basic
from unmask.apps.ui.components import compiled
from unmask.apps.ui.filler import Filler
from unmask.apps.ui.hearing import BLOCK_S
from unmask.apps.ui.words import words_of
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.scenarios.live_delays import play
from unmask.speech.events import Event
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.synthesize import open_voice

Audio = NDArray[np.float32]
QUIET = 0.01  # of the loudest sample
BEFORE_S, AFTER_S = 0.5, 1.5  # silence around a request


@cyclopts.Parameter(name="*")
@dataclass(frozen=True)
class TimesOptions:
    bundle: Path = Path("models/ui-tiny")
    captioner: Path = Path("models/moonshine-tiny-en")
    requests: int = 40
    """Requests, evenly from those written by hand."""
    voices: tuple[str, ...] = ("hibari", "flite:slt", "flite:rms")
    cpu_time: bool = False
    repeat: int = 3
    """Runs of each typed request, of which the fastest counts."""


def main(options: TimesOptions = TimesOptions()) -> None:
    one = EngineOptions(threads=1)
    filler, captioner = Filler(load_bundle(options.bundle), one).load(), Captioner(load_bundle(options.captioner), one).load()
    clock = time.process_time if options.cpu_time else time.perf_counter
    requests = written()
    chosen = requests[:: max(1, len(requests) // options.requests)][: options.requests]
    print(f"{describe_machine()}\n{len(chosen)} requests, one thread, {'CPU' if options.cpu_time else 'wall'} seconds\n")
    voices = [open_voice(name) for name in options.voices]
    spoken = [
        answered(filler, captioner, wanted, *say(voices[i % len(voices)], wanted), clock) for i, wanted in enumerate(chosen)
    ]
    print_spoken([each for each in spoken if each is not None])
    print_typed(filler, chosen, options.repeat, clock)
    mib = memory(options, say(voices[0], chosen[0])[0])
    print(f"\n{mib:.0f} MiB at the peak of a process with captioner, voice activity and panels, after one spoken request")


# ---- spoken


@dataclass(frozen=True)
class Answered:
    """Seconds after the end of speech."""

    first_s: float
    complete_s: float


class Watched(Screen):
    """A screen that keeps what it would print."""

    def __init__(self, board: Board) -> None:
        super().__init__(board, UiOptions(quiet=True))
        self.replies: list[Reply] = []

    def _print(self, reply: Reply) -> None:
        self.replies.append(reply)


class Listening:
    """A live captioner whose events go to a screen, as in `unmask ui`: each call takes as long as both."""

    def __init__(self, live: LiveCaptioner, screen: Watched) -> None:
        self._live, self._screen = live, screen
        self.painting: set[int] = set()  # number of events, from 0, that made the screen change
        self._events = 0

    def feed(self, samples: Audio) -> list[Event]:
        return self._published(self._live.feed(samples))

    def flush(self) -> list[Event]:
        return self._published(self._live.flush())

    def _published(self, events: list[Event]) -> list[Event]:
        for event in events:
            self._screen.replies.clear()
            self._screen.publish(event)
            if any(reply.messages for reply in self._screen.replies):
                self.painting.add(self._events)
            self._events += 1
        return events


def say(voice: Callable[[str, float], tuple[Audio, int]], wanted: Wanted) -> tuple[Audio, float]:
    """Samples at 16 kHz of a request between silence, and the second at which its speech ends."""
    samples, rate = voice(aloud(wanted.text), 1.0)
    samples = soxr.resample(samples, rate, SAMPLE_RATE_HZ).astype(np.float32)
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max())
    before, after = (np.zeros(int(s * SAMPLE_RATE_HZ), np.float32) for s in (BEFORE_S, AFTER_S))
    return np.concatenate([before, samples[: loud[-1] + 1], after]), BEFORE_S + (loud[-1] + 1) / SAMPLE_RATE_HZ


def answered(
    filler: Filler, captioner: Captioner, wanted: Wanted, samples: Audio, end_s: float, clock: Callable[[], float]
) -> Answered | None:
    """None for a request that changes nothing."""
    live = compiled(wanted.panel, basic()) if wanted.panel else None
    screen = Watched(Board(filler, panel=wanted.panel, live=live))
    screen.listen_with(captioner)
    listening = Listening(LiveCaptioner(captioner, Silero(), clock=clock), screen)
    emitted, _ = play(cast(LiveCaptioner, listening), samples, realtime=False, clock=clock, block_s=BLOCK_S)
    painted = [emitted[i].at_s - end_s for i in sorted(listening.painting)]
    return Answered(painted[0], painted[-1]) if painted else None


def print_spoken(spoken: Sequence[Answered]) -> None:
    print("| from the end of speech | n | p50 s | p90 s | most s |\n|---|---:|---:|---:|---:|")
    for name, values in (("first paint", [e.first_s for e in spoken]), ("complete", [e.complete_s for e in spoken])):
        print(f"| {name} | {len(values)} | {quantiles(values, 's')} | {max(values):.2f} |")


def quantiles(values: Sequence[float], unit: str) -> str:
    digits, scale = (2, 1) if unit == "s" else (0, 1000) if unit == "ms" else (0, 1)
    return " | ".join(f"{scale * np.quantile(values, q):.{digits}f}" for q in (0.5, 0.9))


# ---- typed


def print_typed(filler: Filler, chosen: Sequence[Wanted], repeat: int, clock: Callable[[], float]) -> None:
    ways: dict[str, Schedule | None] = {"as it ships": None, "token by token": TOKEN_BY_TOKEN}
    costs: dict[str, list[tuple[float, float, int, int]]] = {name: [] for name in ways}
    for wanted in chosen:
        runs: dict[str, list[tuple[float, float, int, int]]] = {name: [] for name in ways}
        for _ in range(repeat):
            for name, schedule in ways.items():  # in turns: what slows the one slows the other
                runs[name].append(cost(filler, wanted, schedule, clock))
        for name, own in runs.items():
            costs[name].append(min(own))
    print("\n| canvas | n | ms p50 | p90 | first pass ms p50 | p90 | passes p50 | p90 | rows p50 | p90 |\n|---|" + "---:|" * 9)
    for name, own in costs.items():
        seconds, first, passes, rows = (list(each) for each in zip(*own, strict=True))
        cells = [quantiles(seconds, "ms"), quantiles(first, "ms"), quantiles(passes, ""), quantiles(rows, "")]
        print(f"| {name} | {len(own)} | {' | '.join(cells)} |")
    ratio = [a[0] / b[0] for a, b in zip(*costs.values(), strict=True)]
    print(f"\nas it ships / token by token: {np.median(ratio):.2f} of the time at the median of the requests")


def cost(filler: Filler, wanted: Wanted, schedule: Schedule | None, clock: Callable[[], float]) -> tuple[float, float, int, int]:
    """Seconds in all, seconds until the first pass is over, passes, rows."""
    began, first, passes, rows = clock(), 0.0, 0, 0
    for _, step in filler.steps(words_of(wanted.text), wanted.panel, basic(), schedule):
        first, passes, rows = first or clock() - began, step.number, rows + step.rows
    return clock() - began, first, passes, rows


def memory(options: TimesOptions, samples: Audio) -> float:
    """Peak MiB of a process that is `unmask ui` and answers one spoken request."""
    program = (
        "import sys; from pathlib import Path; from unmask.apps.cli.tasks.ui import UiOptions, ui\n"
        "ui(Path(sys.argv[1]), options=UiOptions(bundle=Path(sys.argv[2]), captioner=Path(sys.argv[3]), quiet=True))\n"
        "from unmask.benchmarks.measure.machine import peak_rss_mib; print(peak_rss_mib())"
    )
    with tempfile.TemporaryDirectory() as folder:
        soundfile.write(f"{folder}/request.wav", samples, SAMPLE_RATE_HZ)
        command = [sys.executable, "-c", program, f"{folder}/request.wav", options.bundle, options.captioner]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(said.splitlines()[-1])


if __name__ == "__main__":
    run(main)
