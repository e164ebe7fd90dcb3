"""What each number format does to the time of a window pass, by the window's width.

    python -m benchmarks.lab.formats --bundles FP32 --bundles INT8 --bundles INT4

Backbone bundles of one model. A pass is the window graph over W rows that see 256 positions, and the whole head over them. All
are timed in turns, in random order, in one process, as ratios to the first bundle's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np

from unmask.benchmarks.measure.harness import seconds_of_each
from unmask.benchmarks.measure.machine import describe_machine
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.text.denoiser import BackboneDenoiser

SEEN = 256


@dataclass(frozen=True)
class Formats:
    bundles: tuple[Path, ...]
    widths: tuple[int, ...] = (4, 8, 16, 32, 64)
    threads: int = 1
    rounds: int = 7


def main(options: Annotated[Formats, cyclopts.Parameter(name="*")]) -> None:
    calls = {path.name: passes(path, options) for path in options.bundles}
    taken = seconds_of_each(calls, options.rounds)
    print(f"{describe_machine()}; {options.threads} threads, {options.rounds} rounds, {SEEN} positions seen\n")
    print(table(taken, options))


def passes(bundle: Path, options: Formats) -> list[Callable[[], object]]:
    """A call for each width."""
    engine = Engine(load_bundle(bundle), EngineOptions(threads=options.threads))
    denoiser = BackboneDenoiser(engine, SEEN)
    size = engine.bundle.manifest.vocabulary.size
    ids = np.random.default_rng(0).integers(0, 256, SEEN)

    def call(width: int) -> Callable[[], object]:
        at = np.arange(SEEN - width, SEEN)
        return lambda: denoiser.window(ids[at], at, np.arange(width), (((0, size),),))

    return [call(width) for width in options.widths]


def table(taken: dict[str, np.ndarray], options: Formats) -> str:
    """Milliseconds of the first bundle, ratios (quartiles) of the others."""
    lines = [
        f"| bundle | MiB | {' | '.join(f'W {width}' for width in options.widths)} |",
        f"|{'---|' * (len(options.widths) + 2)}",
    ]
    base = next(iter(taken.values()))
    for i, (name, seconds) in enumerate(taken.items()):
        size = sum(path.stat().st_size for path in options.bundles[i].iterdir()) / 2**20
        cells = [f"{1000 * value:.1f} ms" for value in np.median(seconds, 0)]
        if i:
            cells = [f"{q[1]:.2f} ({q[0]:.2f} to {q[2]:.2f})" for q in np.percentile(seconds / base, [25, 50, 75], axis=0).T]
        lines.append(f"| {name} | {size:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    cyclopts.run(main)
