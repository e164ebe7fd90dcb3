"""Where a pass of a backbone spends its time: rows against the machine's ceiling, and the kinds of nodes.

    python -m benchmarks.lab.passes.profile --bundles INT8 OTHER --rows 1 4 8 16 32 64 --threads 1

Bundles are of one kind: the first is the base of the comparison. All bundles and row counts take turns in random order in one
process; each figure is the least of its rounds, in processor time of the thread with one thread and in time of the clock with
more, so that other programs disturb it little. The roofline of a row count is the larger of two times: its multiplications with
weights at the measured peak, and the bytes of all weights at the measured rate of reads (`unmask.benchmarks.measure.ceiling`).
Nodes are timed by ONNX Runtime's own profiler, in a session of their own and by the clock. Inputs are random; times do not depend
on them. Writes Markdown.
"""

import bisect
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import cyclopts
import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.program import run
from unmask.benchmarks.measure.ceiling import Ceiling, measure_ceiling
from unmask.benchmarks.measure.harness import interleave, timed
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.scenarios.graph_cost import GraphCost, graph_cost
from unmask.bundle.graph_spec import BACKBONE, kind_of
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import open_session, session_options
from unmask.errors import InputError

ROLES = ("window", "head")
Feeds = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class PassesOptions:
    bundles: Annotated[tuple[Path, ...], cyclopts.Parameter(consume_multiple=True)]
    """Backbone bundles; the first is the base."""
    rows: Annotated[tuple[int, ...], cyclopts.Parameter(consume_multiple=True)] = (1, 4, 8, 16, 32, 64)
    """Rows of a pass; all of them are predicted."""
    context: int = 128
    """Positions before them, whose keys and values are kept."""
    threads: int = 1
    rounds: int = 8
    nodes: bool = True
    """Also the table of nodes."""


def main(options: Annotated[PassesOptions, cyclopts.Parameter(name="*")]) -> None:
    bundles = [load_bundle(path) for path in options.bundles]
    for bundle in bundles:
        if kind_of(bundle.manifest) is not BACKBONE:
            raise InputError(f"{bundle.folder}: not a backbone's bundle; give one that `unmask export` or --shape made")
    print(describe_machine())
    taken = passes(bundles, options)
    ceiling = measure_ceiling(options.threads)
    print(f"\n{options.threads} thread(s), {options.context} positions before, {ceiling.int8_macs_per_s / 1e9:.0f} G int8 and")
    print(f"{ceiling.fp32_macs_per_s / 1e9:.0f} G fp32 multiplications a second, {ceiling.bytes_per_s / 1e9:.1f} GB/s\n")
    for bundle in bundles:
        print(table(bundle, taken, ceiling, options.rows), flush=True)
    for bundle in bundles if options.nodes else ():
        for role in ROLES:
            print(f"\n{bundle.folder.name}, {role}, ms of the clock\n\n{nodes_table(bundle, role, options)}", flush=True)


# ---- whole graphs


def passes(bundles: list[Bundle], options: PassesOptions) -> dict[tuple[str, str, int], float]:
    """Least seconds of each bundle's name, role and rows."""
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    calls: dict[tuple[str, str, int], Callable[[], float]] = {}
    for bundle in bundles:
        engine = Engine(bundle, EngineOptions(threads=options.threads)).load()
        for role in ROLES:
            for rows in options.rows:
                call = partial(engine.run, role, feeds_of(engine.inputs(role), role, rows, options.context))
                calls[bundle.folder.name, role, rows] = timed(call, clock)
    return {key: min(seconds) for key, seconds in interleave(calls, options.rounds).items()}


def feeds_of(shapes: Mapping[str, tuple[Any, ...]], role: str, rows: int, context: int) -> Feeds:
    """Random inputs of a pass over `rows` rows that follow `context` others."""
    rng = np.random.default_rng(0)

    def floats(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape, np.float32)

    if role == "head":
        bias = np.zeros((1, shapes["bias"][1]), np.float32)
        return {"hidden": floats(rows, shapes["hidden"][1]), "bias": bias, "scale": np.ones(1, np.float32)}
    layers, heads, _, width = shapes["cache_k"]
    at = np.arange(context, context + rows)
    feeds: Feeds = {"rows": floats(rows, shapes["rows"][1]), "positions": at, "wanted": np.arange(rows)}
    feeds |= {name: floats(layers, heads, context + rows, width) for name in ("cache_k", "cache_v")}
    return feeds | ({"mask": np.zeros((rows, context + rows), np.float32)} if "mask" in shapes else {})


def roofline_s(costs: Mapping[str, GraphCost], rows: int, ceiling: Ceiling, precision: str) -> float:
    """The least time of a pass whose rows are all predicted."""
    macs = rows * sum(cost.row + cost.wanted for cost in costs.values())
    return max(macs / ceiling.macs_per_s(precision), sum(cost.bytes for cost in costs.values()) / ceiling.bytes_per_s)


def table(bundle: Bundle, taken: Mapping[tuple[str, str, int], float], ceiling: Ceiling, rows: tuple[int, ...]) -> str:
    """A bundle's passes. taken: of `passes`."""
    name, manifest = bundle.folder.name, bundle.manifest
    costs = {role: graph_cost(bundle.path(manifest.graphs[role])) for role in ROLES}
    lines = [
        f"| {name}: rows | window ms | head ms | both | of the fewest rows | roofline ms | of the roofline |",
        "|---" * 7 + "|",
    ]
    least = sum(taken[name, role, rows[0]] for role in ROLES)
    for count in rows:
        window, head = (taken[name, role, count] for role in ROLES)
        bound = roofline_s(costs, count, ceiling, manifest.precision)
        figures = (1e3 * window, 1e3 * head, 1e3 * (window + head), (window + head) / least, 1e3 * bound, (window + head) / bound)
        lines.append(f"| {count} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |")
    return "\n".join(lines) + "\n"


# ---- nodes


def nodes_table(bundle: Bundle, role: str, options: PassesOptions) -> str:
    """Milliseconds of each kind of node for each number of rows, the slowest first; the least of the rounds."""
    taken, counts = node_times(bundle, role, options)
    kinds = sorted(counts, key=lambda kind: -max(row[kind] for row in taken))
    lines = [
        f"| node | how many | {' | '.join(f'{rows} rows' for rows in options.rows)} |",
        "|---" * (2 + len(options.rows)) + "|",
    ]
    lines += [f"| {kind} | {counts[kind]} | {' | '.join(f'{row[kind] / 1000:.2f}' for row in taken)} |" for kind in kinds]
    return "\n".join([*lines, f"| all | {counts.total()} | {' | '.join(f'{row.total() / 1000:.2f}' for row in taken)} |"])


def node_times(bundle: Bundle, role: str, options: PassesOptions) -> tuple[list[Counter[str]], Counter[str]]:
    """For each number of rows the microseconds of each kind of node, and how many of a kind there are."""
    engine = EngineOptions(threads=options.threads)
    with TemporaryDirectory() as folder:
        chosen = session_options(engine)
        chosen.enable_profiling, chosen.profile_file_prefix = True, str(Path(folder) / "nodes")
        session = open_session(bundle.path(bundle.manifest.graphs[role]), engine, chosen)
        shapes = {value.name: tuple(value.shape) for value in session.get_inputs()}
        for rows in options.rows:
            feeds = feeds_of(shapes, role, rows, options.context)
            for _ in range(options.rounds):
                session.run(None, feeds)
        events = json.loads(Path(session.end_profiling()).read_text())
    runs = sorted(event["ts"] + event["dur"] for event in events if event["name"] == "model_run")
    times, counts = [Counter[str]() for _ in runs], [Counter[str]() for _ in runs]
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            i = min(bisect.bisect_left(runs, event["ts"]), len(runs) - 1)
            times[i][event["args"]["op_name"]] += event["dur"]
            counts[i][event["args"]["op_name"]] += 1
    groups = (times[i : i + options.rounds] for i in range(0, len(times), options.rounds))
    return [Counter({kind: min(run[kind] for run in group) for kind in group[0]}) for group in groups], counts[-1]


if __name__ == "__main__":
    run(main)
