"""OmniVoice's passes in several number formats, in turns on the same rows.

    python -m benchmarks.lab.omnivoice.full .cache/omnivoice-full --only make
    python -m benchmarks.lab.omnivoice.full .cache/omnivoice-full --only make --to int4
    python -m benchmarks.lab.omnivoice.formats .cache/omnivoice-full/int8 .cache/omnivoice-full/int4

Least processor time of one thread; how much memory a format takes is told by the program `full`. Random weights say nothing about
what a format costs in quality. Writes Markdown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import thread_time
from typing import Annotated

import cyclopts

from benchmarks.lab.omnivoice.full import calls, canvas
from benchmarks.lab.program import run
from unmask.benchmarks.measure.harness import interleave, timed
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.report.tables import Table
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine_options import EngineOptions
from unmask.voice.generator import StreamGenerator


@dataclass(frozen=True)
class FormatOptions:
    seconds: tuple[float, ...] = (0.4, 1.0, 3.0, 10.0)
    """Of speech that a canvas holds."""
    rounds: int = 4


def main(*bundles: Path, options: Annotated[FormatOptions, cyclopts.Parameter(name="*")] = FormatOptions()) -> None:
    print(describe_machine(), end="\n\n")
    made = {folder.name: StreamGenerator(load_bundle(folder), EngineOptions(threads=1)).load() for folder in bundles}
    rows = []
    for seconds in options.seconds:
        for kind in ("whole", "frames"):
            ways = {name: call(generator, seconds, kind) for name, generator in made.items()}
            taken = interleave({name: timed(one, thread_time) for name, one in ways.items()}, options.rounds)
            least = {name: min(times) for name, times in taken.items()}
            first = next(iter(least.values()))
            shares = (f"{1000 * own:.0f} ({own / first:.2f})" for own in least.values())
            rows.append((f"{seconds:g} s, {'prompt and frames' if kind == 'whole' else 'frames after kept rows'}", *shares))
    print(Table(("a pass", *(f"{name}, ms (of the first)" for name in made)), tuple(rows)).to_markdown())


def call(generator: StreamGenerator, seconds: float, kind: str) -> Callable[[], object]:
    kinds = calls(generator, canvas(generator, seconds, None))
    kinds["whole"]()  # whose rows the others keep
    return kinds[kind]


if __name__ == "__main__":
    run(main)
