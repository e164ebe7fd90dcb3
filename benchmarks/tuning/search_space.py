"""Which settings are tried, in which stages. Knows options and what a bundle's model supports; measures nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unmask.benchmarks.tuning.pareto import Setting
from unmask.benchmarks.tuning.search import Stage
from unmask.bundle.manifest import Manifest
from unmask.engines.engine_options import EngineOptions

ORDERS = ("probability", "margin", "negative_entropy")


def machine(bundles: Sequence[tuple[Path, EngineOptions]], counts: Sequence[int]) -> Stage:
    """bundles: each with the engine that runs it. counts: of threads."""

    def around(best: Setting) -> list[Setting]:
        return [replace(best, bundle=b, engine=replace(engine, threads=count)) for b, engine in bundles for count in counts]

    return Stage("precision and threads", around)


def caption_stages() -> list[Stage]:
    """A caption's text is the same however far the checks read; nothing else of its schedule matters."""
    return [Stage("lookahead", _lookaheads)]


def answer_stages(manifest: Manifest, length: int) -> list[Stage]:
    """length: positions of an answer."""

    def rules(best: Setting) -> list[Setting]:
        quotas = [max(1, length // commits) for commits in (1, 2, 4, 8)]
        found = [best.having(rule="quota", passes=passes) for passes in quotas]
        found += [best.having(rule="threshold", threshold=p, passes=None) for p in (0.95, 0.9, 0.8, 0.7)]
        return [*found, *(best.having(rule="entropy_bound", entropy_bound=nats, passes=None) for nats in (0.1, 0.3))]

    def blocks(best: Setting) -> list[Setting]:
        sizes = [size for size in (8, 16, 32, 64) if size < length]
        return [best.having(block=size) for size in (None, *sizes)]

    stages = [Stage("passes and rule", rules), Stage("order", _orders)]
    if manifest.attention != "block":  # its blocks are part of the model
        stages.append(Stage("block", blocks))
    return [*stages, Stage("rows", _reuse)]


def _orders(best: Setting) -> list[Setting]:
    """Only with a second pass; otherwise the order changes nothing."""
    return [] if best.schedule.passes == 1 else [best.having(order=order) for order in ORDERS]


def _reuse(best: Setting) -> list[Setting]:
    """How many rows a pass computes, and for how many passes the keys and values of the others are reused."""
    if best.schedule.passes == 1:
        return []
    windows = ("masked", "block", "suffix") if best.schedule.block else ("masked",)
    some = [(window, refresh) for window in windows for refresh in (None, 2, 4, 8)]
    return [best.having(reuse=False, refresh=None), *(best.having(reuse=True, window=w, refresh=r) for w, r in some)]


def _lookaheads(best: Setting) -> list[Setting]:
    return [best.having(verify_lookahead=tokens) for tokens in (None, 4, 8, 12, 16, 24, 32)]


def thread_counts(cores: int) -> list[int]:
    """1, 2, 4 and so on, and all."""
    return sorted({cores, *(1 << i for i in range(cores.bit_length()) if 1 << i <= cores)})
