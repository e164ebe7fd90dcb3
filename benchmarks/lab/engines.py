"""Engines against each other, graph by graph: LiteRT's fixed sizes and ONNX Runtime's graphs of any size, on the same calls.

    python -m benchmarks.lab.engines --bundles FP32 --bundles INT8 --bundles LITERT-FP32 --bundles LITERT-INT8

Every graph of fixed sizes is called at its full size, on random numbers; padding and cutting are part of the time. A bundle with
graphs of any size runs in ONNX Runtime, another one in the engine that its graphs are for. All bundles and thread counts take
turns in random order in one process. Writes a Markdown table for each thread count: the first bundle's milliseconds, and the
others' ratios to it, median and quartiles over rounds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import numpy as np
from numpy.typing import NDArray

from unmask import EngineOptions, load_bundle
from unmask.benchmarks.measure.bundles import engine_of
from unmask.benchmarks.measure.harness import seconds_of_each
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.measure.statistics import quartiles
from unmask.bundle.manifest import Bucket, Bundle
from unmask.engines.engine import Engine
from unmask.engines.padding import Padding
from unmask.errors import InputError


@dataclass(frozen=True)
class EnginesOptions:
    bundles: tuple[Path, ...]
    """The first is the base of the comparison; at least one has graphs of fixed sizes."""
    threads: tuple[int, ...] = (1, 2)
    roles: tuple[str, ...] = ()
    """Only graphs of these roles."""
    rounds: int = 30
    seed: int = 0


def main(options: Annotated[EnginesOptions, cyclopts.Parameter(name="*")]) -> None:
    print(describe_machine())
    bundles = [load_bundle(path) for path in options.bundles]
    buckets = buckets_of(bundles, options.roles)
    calls = {
        (bundle.folder.name, threads): calls_of(bundle, threads, buckets, options.seed)
        for bundle in bundles
        for threads in options.threads
    }
    taken = seconds_of_each(calls, options.rounds, options.seed, warmup=2)
    for threads in options.threads:
        some = {name: seconds for (name, count), seconds in taken.items() if count == threads}
        print(f"\n{threads} thread{'s' if threads > 1 else ''}, {options.rounds} rounds\n\n{table(buckets, some)}")


def buckets_of(bundles: list[Bundle], roles: tuple[str, ...]) -> list[Bucket]:
    """Graphs of the first bundle that has fixed sizes. Raises InputError when none has."""
    for bundle in bundles:
        found = [bucket for bucket in bundle.manifest.buckets if not roles or bucket.role in roles]
        if found:
            return found
    raise InputError("none of these bundles has graphs of fixed sizes; make one with: unmask quantize BUNDLE --target litert")


def calls_of(bundle: Bundle, threads: int, buckets: list[Bucket], seed: int) -> list[Callable[[], object]]:
    manifest = bundle.manifest
    engine = Engine(bundle, EngineOptions(engine=engine_of(manifest), threads=threads)).load()
    rng = np.random.default_rng(seed)
    padding = Padding(engine.kind)
    return [partial(engine.run, bucket.role, feeds_of(engine, padding, bucket, rng)) for bucket in buckets]


def feeds_of(engine: Engine, padding: Padding, bucket: Bucket, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Inputs of the graph's full size, with one slot left for padding in a window."""
    sizes = dict(bucket.sizes)
    if "rows" in sizes and sizes["slots"] == sizes["rows"] + 1:
        sizes["slots"] = sizes["rows"]
    size, shapes = padding.whole(sizes), engine.inputs(bucket.role)
    feeds: dict[str, NDArray[Any]] = {}
    for tensor in padding.graph(bucket.role).inputs:
        name, varying = tensor.name, tensor.varying
        shape = [size[varying[axis]] if axis in varying else count for axis, count in enumerate(shapes[name])]
        if name == "bias":
            shape[0] = 1
        if name in ("bias", "mask"):
            feeds[name] = np.zeros(shape, np.float32)
        elif name in ("positions", "wanted"):
            feeds[name] = np.arange(shape[0]) % sizes.get("rows", shape[0])
        elif tensor.dtype == "int64":
            feeds[name] = np.zeros(shape, np.int64)
        else:
            feeds[name] = np.ones(1, np.float32) if name == "scale" else rng.normal(0, 0.1, shape).astype(np.float32)
    return feeds


def table(buckets: list[Bucket], taken: dict[str, NDArray[np.float64]]) -> str:
    """taken: bundle -> (rounds, buckets) seconds."""
    base, *others = taken
    lines = [f"| graph | {base} ms | {' | '.join(others)} |", "|---|---|" + "---|" * len(others)]
    for i, bucket in enumerate(buckets):
        cells = [f"{1000 * np.median(taken[base][:, i]):.2f}"]
        cells += [str(quartiles(taken[other][:, i] / taken[base][:, i])) for other in others]
        lines.append(f"| {bucket.role} {', '.join(f'{name} {n}' for name, n in bucket.sizes.items())} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    cyclopts.run(main)
