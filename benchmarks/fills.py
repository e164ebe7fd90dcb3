"""What filling a canvas costs: milliseconds a step, rows per token, useful tokens a second, memory. First form of `unmask bench`.

Knows generators, captioners and clocks. Raw samples are kept; the first runs warm up and do not count.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from unmask.benchmarks.machine import describe_machine, peak_rss_mib
from unmask.sampler import Step

WARM_RUNS = 1


@dataclass(frozen=True)
class Fill:
    """One canvas that was filled."""

    seconds: float  # from the first pass to the last commit
    steps_s: tuple[float, ...]  # of each step
    rows: int
    tokens: int  # useful: nothing behind an end of text


@dataclass(frozen=True)
class Report:
    """Fills of one thing, and the machine they ran on."""

    name: str
    settings: dict[str, Any]
    machine: str
    load: tuple[float, ...]  # average of the last 1, 5 and 15 minutes when the runs began
    fills: tuple[Fill, ...]
    rss_mib: float  # most that the process held

    @property
    def steps_ms(self) -> np.ndarray:
        return 1000 * np.array([s for fill in self.fills for s in fill.steps_s])

    @property
    def figures(self) -> dict[str, float]:
        tokens, seconds = sum(f.tokens for f in self.fills), sum(f.seconds for f in self.fills)
        p50, p90 = np.percentile(self.steps_ms, [50, 90])
        return {
            "step_p50_ms": round(float(p50), 3),
            "step_p90_ms": round(float(p90), 3),
            "steps_per_fill": len(self.steps_ms) / len(self.fills),
            "rows_per_token": round(sum(f.rows for f in self.fills) / max(1, tokens), 3),
            "useful_tokens_per_s": round(tokens / seconds, 2),
            "fill_p50_ms": round(1000 * float(np.median([f.seconds for f in self.fills])), 2),
            "peak_rss_mib": round(self.rss_mib, 1),
        }

    def to_json(self) -> dict[str, Any]:
        return {"format": 1, **asdict(self), "figures": self.figures}

    def to_markdown(self) -> str:
        """A table to paste: one row, with its conditions below."""
        f = self.figures
        head = "| model | fills | steps a fill | step p50 / p90 ms | rows per token | useful tokens/s | peak RSS MiB |"
        row = (
            f"| {self.name} | {len(self.fills)} | {f['steps_per_fill']:.1f} | {f['step_p50_ms']:.2f} / {f['step_p90_ms']:.2f} "
            f"| {f['rows_per_token']:.2f} | {f['useful_tokens_per_s']:.1f} | {f['peak_rss_mib']:.0f} |"
        )
        chosen = ", ".join(f"{key} {value}" for key, value in self.settings.items() if value is not None)
        load = "/".join(f"{value:.1f}" for value in self.load)
        return f"{head}\n|{'---|' * 7}\n{row}\n\n{chosen}\n{self.machine}; load {load}"


def measure(
    name: str,
    settings: dict[str, Any],
    steps: Callable[[], Iterator[Step]],
    useful: Callable[[Step], int],
    runs: int,
    load: tuple[float, ...],
) -> Report:
    """Fill the same canvas `runs` times. steps: begins a fill; useful: tokens that count on its last canvas."""
    fills = []
    for i in range(WARM_RUNS + runs):
        began, taken, rows, last = time.perf_counter(), list[float](), 0, None
        for last in steps():
            taken.append(last.seconds)
            rows += last.rows
        seconds = time.perf_counter() - began
        if i >= WARM_RUNS and last is not None:
            fills.append(Fill(seconds, tuple(taken), rows, useful(last)))
    return Report(name, settings, describe_machine(), load, tuple(fills), peak_rss_mib())
