"""Which settings are tried, in which stages. Knows options and what a bundle's model supports; measures nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unmask.benchmarks.tuning.curve import Curve, worthwhile_blocks
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


@dataclass(frozen=True)
class Device:
    """What is known of passes on this device while settings are searched."""

    curve: Callable[[Setting], Curve]
    """Of a setting's bundle and engine."""
    commits: Callable[[Setting], float]
    """Positions that a pass of a setting commits, in the mean."""


def answer_stages(manifest: Manifest, length: int, device: Device) -> list[Stage]:
    """length: positions of an answer."""

    def rules(best: Setting) -> list[Setting]:
        unit = min(best.schedule.block or manifest.block or length, length)  # passes are those of a block
        quotas = [max(1, unit // commits) for commits in (1, 2, 4, 8)]
        found = [best.having(rule="quota", passes=passes) for passes in quotas]
        found += [best.having(rule="threshold", threshold=p, passes=None) for p in (0.95, 0.9, 0.8, 0.7)]
        return [*found, *(best.having(rule="entropy_bound", entropy_bound=nats, passes=None) for nats in (0.1, 0.3))]

    def blocks(best: Setting) -> list[Setting]:
        sizes = worthwhile_blocks(device.curve(best), length, device.commits(best))
        found = [in_blocks(best, size, length) for size in (None, *sizes)]
        across = [setting.having(across_blocks=True) for setting in found[1:] if setting.schedule.reuse]
        return [*found, *across]

    stages = [Stage("passes and rule", rules), Stage("order", _orders)]
    if manifest.attention != "block":  # its blocks are part of the model
        stages.append(Stage("block", blocks))
    return [*stages, Stage("rows", _reuse)]


def in_blocks(setting: Setting, size: int | None, length: int) -> Setting:
    """The same setting in blocks of another size, with as many commits a pass. None: no blocks."""
    passes = setting.schedule.passes
    if passes is not None:
        passes = max(1, round(passes * min(size or length, length) / min(setting.schedule.block or length, length)))
    return setting.having(block=size, passes=passes, across_blocks=setting.schedule.across_blocks and size is not None)


def _orders(best: Setting) -> list[Setting]:
    """Only with a second pass; otherwise the order changes nothing."""
    return [] if best.schedule.passes == 1 else [best.having(order=order) for order in ORDERS]


def _reuse(best: Setting) -> list[Setting]:
    """How many rows a pass computes, and for how many passes the keys and values of the others are reused."""
    if best.schedule.passes == 1 and not best.schedule.across_blocks:
        return []
    windows = ("masked", "block", "suffix") if best.schedule.block else ("masked",)
    some = [(window, refresh) for window in windows for refresh in (None, 2, 4, 8)]
    plain = best.having(reuse=False, refresh=None, across_blocks=False)
    return [plain, *(best.having(reuse=True, window=w, refresh=r) for w, r in some)]


def _lookaheads(best: Setting) -> list[Setting]:
    return [best.having(verify_lookahead=tokens) for tokens in (None, 4, 8, 12, 16, 24, 32)]


def thread_counts(cores: int) -> list[int]:
    """1, 2, 4 and so on, and all."""
    return sorted({cores, *(1 << i for i in range(cores.bit_length()) if 1 << i <= cores)})
