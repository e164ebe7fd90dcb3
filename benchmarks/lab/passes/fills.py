"""Answers in blocks of several sizes, with as many commits a pass, against token by token on the same weights.

    python -m benchmarks.lab.passes.fills INT8 --length 96 --commits 4

A bundle of Dream's family. Commits are even, sure or not, since random weights are sure of nothing. Small blocks
do without a pass over all rows at their beginning (`across_blocks`), which is tried with and without. Ways take turns in random
order in one process; each figure is the least of its rounds, in processor time of the thread with one thread and in time of the
clock with more. Texts differ from way to way; what real weights write is not measured. Writes Markdown.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import cyclopts

from benchmarks.lab.peers.text_ways import TASK, fill
from benchmarks.lab.program import run
from benchmarks.lab.token_by_token import Written, causal, write_in_order
from unmask.benchmarks.measure.harness import interleave, timed
from unmask.benchmarks.measure.machine import describe_machine
from unmask.bundle.manifest import load_bundle
from unmask.decoding.schedule import Schedule
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.text.generator import Generator

SINGLE = "token by token"
BLOCKS = (32, 16, 8, 4)


@dataclass(frozen=True)
class FillsOptions:
    length: int = 96
    """Positions of the answer."""
    commits: int = 4
    """Positions that a pass commits."""
    prompt: str = "Why is the sky blue?"
    threads: int = 1
    rounds: int = 3


def main(bundle: Path, /, options: Annotated[FillsOptions, cyclopts.Parameter(name="*")] = FillsOptions()) -> None:
    print(describe_machine())
    loaded, engine = load_bundle(bundle), EngineOptions(threads=options.threads)
    if loaded.manifest.attention != "full" or TASK not in loaded.manifest.tasks:
        raise InputError(f"{bundle}: needs full attention and the task {TASK}; give a bundle of Dream's family")
    with TemporaryDirectory() as folder:
        own, ordered = (Generator(one, engine).load() for one in (loaded, causal(loaded, Path(folder))))
        done: dict[str, Written] = {}

        def kept(name: str, call: Callable[[], Written]) -> Callable[[], None]:
            return lambda: done.update({name: call()})

        asked = [one.request(TASK, {"text": options.prompt}, options.length) for one in (own, ordered)]
        calls = {SINGLE: kept(SINGLE, lambda: write_in_order(ordered, asked[1]))}
        for name, schedule in ways(loaded.schedule(TASK), options.commits).items():
            calls[name] = kept(name, lambda schedule=schedule: fill(own, asked[0], schedule))
        clock = time.thread_time if options.threads == 1 else time.perf_counter
        taken = interleave({name: timed(call, clock) for name, call in calls.items()}, options.rounds)
    print(f"\n{options.threads} thread(s), prompt of {asked[0].prompt}\n\n{table(taken, done, options.length)}")


def ways(base: Schedule, commits: int) -> dict[str, Schedule]:
    """Name -> schedule, for every size of a block that holds as much as a pass commits."""
    found = {}
    for size in (size for size in BLOCKS if size >= commits):
        even = replace(base, rule="quota", block=size, passes=max(1, size // commits), reuse=True, window="masked")
        found |= {f"blocks of {size}": even, f"blocks of {size}, across": replace(even, across_blocks=True)}
    return found


def table(taken: dict[str, list[float]], done: dict[str, Written], length: int) -> str:
    """Least times, and their shares of token by token's for as many positions: it may end before."""
    base = min(taken[SINGLE]) * length / done[SINGLE].passes
    lines = ["| way | ms | of token by token | passes | rows |", "|---" * 5 + "|"]
    for name, seconds in taken.items():
        own, least = done[name], base if name == SINGLE else min(seconds)
        lines.append(f"| {name} | {1000 * least:.0f} | {least / base:.2f} | {own.passes} | {own.rows} |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
