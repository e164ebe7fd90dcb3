"""Which of a bundle's graphs run on this machine, with what, and how well graphs of fixed sizes fit its canvases.

Opens ONNX graphs with the providers that are here; runs none. Knows no printing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from unmask.bundle.manifest import Bundle
from unmask.engines.devices import Machine
from unmask.engines.engine import RUNNERS
from unmask.engines.engine_options import EngineOptions
from unmask.engines.onnx import placed
from unmask.engines.onnx_providers import CPU, PROVIDERS, available, read_provider
from unmask.errors import UnmaskError


@dataclass(frozen=True)
class Share:
    """Nodes of a graph that a provider takes, after ONNX Runtime's first optimizations; the CPU runs the others."""

    provider: str
    taken: int = 0
    nodes: int = 0
    error: str = ""  # why the graph cannot be opened with it


@dataclass(frozen=True)
class GraphFit:
    """A graph and where it runs. sizes: empty where any size fits."""

    engine: str
    role: str
    file: str
    precision: str
    sizes: dict[str, int]
    runs: bool
    reason: str  # why it does not run here
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True)
class BundleFit:
    """longest_s: audio that fits the largest graphs of fixed sizes, by engine; of `canvas_s` that a canvas may hold."""

    name: str
    graphs: tuple[GraphFit, ...]
    canvas_s: float | None
    longest_s: dict[str, float]


def fit(bundle: Bundle, machine: Machine, providers: Iterable[str]) -> BundleFit:
    """providers: ONNX Runtime's, by short name, whose shares are asked for."""
    manifest, wanted = bundle.manifest, tuple(providers)
    missing = {found.engine: found.brought_by for found in machine.engines if not found.version}

    def one(engine: str, role: str, file: str, precision: str, sizes: dict[str, int]) -> GraphFit:
        reason = ""
        if engine not in RUNNERS:
            reason = f"this version has no engine {engine}"
        elif engine in missing:
            reason = f"{engine} is not installed: {missing[engine]}"
        elif engine == "coreml" and not machine.system.startswith("Darwin"):
            reason = "CoreML runs on macOS"
        shares = tuple(share(bundle.path(file), name) for name in wanted) if engine == "onnx" else ()
        return GraphFit(engine, role, file, precision, sizes, not reason, reason, shares)

    graphs = [one("onnx", role, file, manifest.precision, {}) for role, file in manifest.graphs.items()]
    graphs += [one(b.engine, b.role, b.file, b.precision, b.sizes) for b in manifest.buckets]
    line = manifest.timeline
    longest = {engine: line.slot_s * count for engine, count in slots(bundle).items()} if line else {}
    return BundleFit(manifest.name, tuple(graphs), line.longest_s if line else None, longest)


def slots(bundle: Bundle) -> dict[str, int]:
    """Slots of the longest canvas that all of an engine's graphs of fixed sizes hold."""
    most: dict[str, dict[str, int]] = {}
    for bucket in bundle.manifest.buckets:
        if "slots" in bucket.sizes:
            roles = most.setdefault(bucket.engine, {})
            roles[bucket.role] = max(roles.get(bucket.role, 0), bucket.sizes["slots"])
    return {engine: min(roles.values()) for engine, roles in most.items()}


def share(graph: Path, provider: str) -> Share:
    try:
        nodes = placed(graph, EngineOptions(provider=provider))
    except UnmaskError as error:
        return Share(provider, error=str(error))
    if nodes is None:
        return Share(provider, error="this ONNX Runtime cannot tell; a newer one can")
    name = available()[read_provider(provider).short]
    return Share(provider, sum(node.provider == name for node in nodes), len(nodes))


def asked_for(machine: Machine, given: str | None) -> list[str]:
    """Providers whose shares are of interest: the one that is given, or all known ones that are here but the CPU."""
    return [given] if given else [p.provider for p in machine.providers if p.provider in PROVIDERS and p.provider != CPU]
