"""Trimmed mode against reference mode and eager PyTorch, on random weights of a real model's shape.

    python -m benchmarks.lab.backbone --shape dream-small --work .cache/shapes

Random weights have no meaningful confidences, so a trace replaces the graph's numbers: how many positions a threshold of 0.9
commits in each pass over a block of 32. It was recorded on an earlier captioner, which filled a clip from masks alone. Every pass
is computed; only the numbers that choose the commits are replaced.
Reference and PyTorch compute the same rows in every pass, so a few passes over a half-filled canvas are timed and counted as
often as the published schedule has passes: one position a pass.
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
from numpy.typing import NDArray

from unmask.benchmarks.measure.harness import interleave
from unmask.benchmarks.measure.machine import describe_machine, peak_rss_mib
from unmask.benchmarks.scenarios.checkpoints import SHAPES, SHARD_BYTES, write_checkpoint
from unmask.bundle.manifest import load_bundle
from unmask.decoding.canvas import Canvas, IdRange, Span
from unmask.decoding.denoiser import Denoiser, TopKScores
from unmask.decoding.reference import reference_fill
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Reference, Schedule
from unmask.engines.engine import Engine, GraphRun
from unmask.engines.engine_options import EngineOptions
from unmask.text.denoiser import BackboneDenoiser, attention_layout

BLOCK, PROMPT, ANSWER = 32, 64, 192
# Positions committed in each pass over a block. recorded: of apps/clips/lj-jail.flac, the sure ones at once, then singly.
# even: four a pass, about what is reported for threshold decoding of 8B models with blocks of 32 (Fast-dLLM, arXiv 2505.22618).
TRACES = {"recorded": (14, *[1] * 18), "even": (4,) * 8}
WINDOWS = ("masked", "block", "suffix")


@dataclass(frozen=True)
class BackboneOptions:
    shape: str = "dream-small"
    """A named shape of `unmask.benchmarks.scenarios.checkpoints`."""
    work: Path = Path(".cache/shapes")
    """Folder of the checkpoint and the bundle; they are made if missing."""
    rounds: int = 3
    threads: int = 1
    trace: str = "recorded"
    """recorded or even."""
    only: str | None = None
    """One variant, once, and its peak memory in MiB: trimmed, reference or torch."""


def main(options: Annotated[BackboneOptions, cyclopts.Parameter(name="*")] = BackboneOptions()) -> None:
    checkpoint, bundle = options.work / options.shape, options.work / f"{options.shape}.bundle"
    if not bundle.exists():
        make(options.shape, checkpoint, bundle)
    if options.only:
        variants(checkpoint, bundle, options, {options.only})[options.only]()
        print(round(peak_rss_mib()))
        return
    began = time.perf_counter()
    Engine(load_bundle(bundle), EngineOptions(threads=options.threads)).load()
    ready_s = time.perf_counter() - began
    calls = variants(checkpoint, bundle, options, {"trimmed", "reference", "torch", *WINDOWS})
    taken: dict[str, list[Taken]] = {name: [] for name in calls}

    def turn(name: str) -> float:
        taken[name].append(calls[name]())
        return taken[name][-1].seconds

    interleave({name: lambda name=name: turn(name) for name in calls}, options.rounds)
    taken = {name: runs[1:] for name, runs in taken.items()}  # without the warm-up
    print(f"{options.shape}, prompt {PROMPT}, answer {ANSWER}, trace {options.trace}: {TRACES[options.trace]}")
    print(f"{options.threads} threads, {options.rounds} rounds")
    print(f"{describe_machine()}; graphs open in {ready_s:.2f} s\n")
    print(table(taken, lambda name: memory(options, name)))


def make(shape: str, checkpoint: Path, bundle: Path) -> None:
    from unmask.export.onnx.backbone import write_backbone

    family, changes = SHAPES[shape]
    if not checkpoint.exists():
        write_checkpoint(checkpoint, family, shard_bytes=SHARD_BYTES, **changes)
    write_backbone(checkpoint, bundle)


@dataclass(frozen=True)
class Taken:
    """Cost of one run of a variant, in seconds of a whole answer."""

    seconds: float
    passes: int
    rows: int
    graph_s: float | None = None  # of them inside ONNX Runtime


class GraphClock:
    """Adds up the time of an engine's graphs, as its observer; seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, run: GraphRun) -> None:
        self.seconds += run.seconds


class Replayed:
    """A denoiser with a trace's confidences: in the n-th pass over a block, trace[n] of the first positions are confident."""

    def __init__(self, denoiser: Denoiser, trace: tuple[int, ...]) -> None:
        self._denoiser, self._trace = denoiser, trace
        self._passes: Counter[int] = Counter()

    def reset(self) -> None:
        self._denoiser.reset()
        self._passes.clear()

    def window(
        self,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        wanted: NDArray[np.int64],
        allowed: tuple[tuple[IdRange, ...], ...],
    ) -> TopKScores:
        numbers = self._denoiser.window(ids, positions, wanted, allowed)
        block = int(positions[wanted[0]] - PROMPT) // BLOCK
        sure = self._trace[min(self._passes[block], len(self._trace) - 1)]
        self._passes[block] += 1
        logits = np.full_like(numbers.logits, -20)
        logits[:, 0] = np.log(np.where(np.arange(len(wanted)) < sure, 0.95, 0.5))
        return TopKScores(numbers.ids, logits, np.zeros_like(numbers.logsumexp), numbers.entropy)


def variants(checkpoint: Path, bundle: Path, options: BackboneOptions, names: set[str]) -> dict[str, Callable[[], Taken]]:
    calls: dict[str, Callable[[], Taken]] = {}
    if names & {"trimmed", "reference", *WINDOWS}:
        clock = GraphClock()
        engine = Engine(load_bundle(bundle), EngineOptions(threads=options.threads), observe=clock)
        canvas = blank(engine)
        if "reference" in names:
            calls["reference"] = lambda: reference_passes(engine, clock, canvas)
        for window in (w for w in WINDOWS if w in names or (w == "masked" and "trimmed" in names)):
            name = "trimmed" if "trimmed" in names and window == "masked" else f"trimmed, window {window}"
            calls[name] = lambda window=window: trimmed(engine, clock, canvas, window, TRACES[options.trace])
    if "torch" in names:
        calls["torch"] = torch_passes(checkpoint, options.threads)
    return calls


def blank(engine: Engine) -> Canvas:
    """Random ids for a prompt, and an answer of masks."""
    vocabulary = engine.bundle.manifest.vocabulary
    ids = np.full(PROMPT + ANSWER, vocabulary.mask_id, dtype=np.int64)
    ids[:PROMPT] = np.random.default_rng(0).integers(0, 256, PROMPT)
    allowed = ((0, vocabulary.mask_id), (vocabulary.mask_id + 1, vocabulary.size))
    return Canvas(ids, (Span(PROMPT, PROMPT + ANSWER, "text", allowed),), vocabulary.mask_id)


def trimmed(engine: Engine, clock: GraphClock, canvas: Canvas, window: str, trace: tuple[int, ...]) -> Taken:
    denoiser = Replayed(BackboneDenoiser(engine, len(canvas.ids), PROMPT), trace)
    schedule = Schedule(threshold=0.9, reuse=True, window=window, block=BLOCK)
    began, clock.seconds = time.perf_counter(), 0.0
    steps = list(fill(canvas, denoiser, schedule, layout=attention_layout(engine.bundle.manifest, PROMPT)))
    return Taken(time.perf_counter() - began, len(steps), sum(step.rows for step in steps), clock.seconds)


def reference_passes(engine: Engine, clock: GraphClock, canvas: Canvas, passes: int = 2) -> Taken:
    """Passes over a canvas of which every second position is filled: the mean of a whole decoding."""
    ids = canvas.ids.copy()
    ids[PROMPT::2] = 1
    half = Canvas(ids, canvas.spans, canvas.mask_id)
    denoiser = BackboneDenoiser(engine, len(ids), PROMPT)
    began, clock.seconds = time.perf_counter(), 0.0
    decoding = reference_fill(half, denoiser, Reference("dream", steps=ANSWER // 2, algorithm="entropy", at_least_one=True))
    for _ in range(passes):
        next(decoding)
    share = ANSWER / passes
    return Taken((time.perf_counter() - began) * share, ANSWER, ANSWER * len(ids), clock.seconds * share)


def torch_passes(checkpoint: Path, threads: int) -> Callable[[], Taken]:
    """The same module in eager PyTorch: all rows, logits of the masked ones, their softmax and maximum."""
    import torch

    from unmask.export.checkpoint.weights import open_checkpoint
    from unmask.export.families import FAMILIES, family_of
    from unmask.export.modules.backbone import BackboneModel

    torch.set_num_threads(threads)
    opened = open_checkpoint(checkpoint)
    adapter = FAMILIES[family_of(opened.config)]
    config = adapter.config(opened.config)
    with torch.device("meta"):
        model = BackboneModel(config)
    tensors = {ours: opened.tensor(theirs) for ours, theirs in adapter.names(config).items()}
    model.load_state_dict(tensors, assign=True)
    embedding, head = opened.tensor(adapter.EMBEDDING), opened.tensor(adapter.HEAD)
    ids = torch.randint(0, 256, (PROMPT + ANSWER,))

    @torch.inference_mode()
    def run(passes: int = 2) -> Taken:
        began = time.perf_counter()
        for _ in range(passes):
            hidden = model(embedding[ids])
            torch.softmax(hidden[PROMPT::2] @ head.T, -1).max(-1)
        return Taken((time.perf_counter() - began) * ANSWER / passes, ANSWER, ANSWER * len(ids))

    return run


def memory(options: BackboneOptions, name: str) -> str:
    """Peak memory of one variant in a process of its own."""
    if name.startswith("trimmed,"):
        return ""
    own = [
        sys.executable,
        "-m",
        "benchmarks.lab.backbone",
        "--shape",
        options.shape,
        "--work",
        str(options.work),
        "--only",
        name,
    ]
    return subprocess.run(own, capture_output=True, text=True, check=True).stdout.strip()


def table(taken: dict[str, list[Taken]], rss_mib: Callable[[str], str]) -> str:
    lines = [
        "| variant | passes | rows per token | s an answer | reference takes (spread) | outside the graphs | peak RSS MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    base = [run.seconds for run in taken["reference"]]
    for name, runs in taken.items():
        ratios = [slow / run.seconds for slow, run in zip(base, runs, strict=True)]
        seconds = float(np.median([run.seconds for run in runs]))
        shares = [1 - run.graph_s / run.seconds for run in runs if run.graph_s is not None]
        share = f"{100 * float(np.median(shares)):.1f} %" if shares else ""
        lines.append(
            f"| {name} | {runs[0].passes} | {runs[0].rows / ANSWER:.1f} | {seconds:.2f} "
            f"| {np.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f}) | {share} | {rss_mib(name)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    cyclopts.run(main)
