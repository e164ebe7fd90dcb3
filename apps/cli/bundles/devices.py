"""`unmask devices`: what this machine has, and which graphs of a bundle run on it. Opens ONNX graphs; runs none."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unmask.apps.cli.options import FLAG, changed, refuse_unread
from unmask.bundle.manifest import Bundle, load_bundle
from unmask.engines.devices import Machine, read_machine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.known_engines import ENGINES
from unmask.engines.onnx import placed
from unmask.engines.onnx_providers import CPU, PROVIDERS, available, read_provider
from unmask.errors import UnmaskError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.system import show_bytes


@Parameter(name="*")
@dataclass(frozen=True)
class DevicesOptions:
    """Options of `unmask devices`."""

    provider: str | None = None
    """ONNX Runtime provider to ask how many nodes of each graph it takes. Default: every provider found here."""
    json: Annotated[bool, FLAG] = False
    """Print one JSON object instead of tables."""


def devices(bundle: Path | None = None, /, *, options: DevicesOptions = DevicesOptions()) -> None:
    """Print this machine's processor, accelerators, engines and providers.

    Parameters
    ----------
    bundle
        Folder of a bundle: also print which of its graphs run here, on what, and the longest audio that its graphs of fixed
        sizes take.
    """
    if bundle is None:
        refuse_unread(changed(options), {"provider": "counts the nodes of a bundle's graphs; name a bundle"})
    machine = read_machine()
    found = bundle_support(load_bundle(bundle), machine, asked_for(machine, options.provider)) if bundle else None
    if options.json:
        print(json.dumps({"machine": asdict(machine), "bundle": asdict(found) if found else None}, indent=1, ensure_ascii=False))
        return
    console = Console()
    console.print(machine_table(machine))
    if found:
        console.print(bundle_table(found))


# ---- what of a bundle runs here


@dataclass(frozen=True)
class Share:
    """How many nodes of a graph a provider takes, after ONNX Runtime's first optimizations; the CPU runs the others."""

    provider: str
    taken: int = 0
    nodes: int = 0
    error: str = ""  # why the graph cannot be opened with it


@dataclass(frozen=True)
class GraphSupport:
    """Whether one graph runs here. sizes: its fixed sizes by name; empty if it takes any size."""

    engine: str
    role: str
    file: str
    precision: str
    sizes: dict[str, int]
    runs: bool
    reason: str  # why it does not run here
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True)
class BundleSupport:
    """longest_s: seconds of audio that graphs of fixed sizes take, by engine. canvas_s: seconds that a segment can have."""

    name: str
    graphs: tuple[GraphSupport, ...]
    canvas_s: float | None
    longest_s: dict[str, float]


def bundle_support(bundle: Bundle, machine: Machine, providers: Iterable[str]) -> BundleSupport:
    """providers: those of ONNX Runtime, by short name, whose shares are counted."""
    manifest, asked = bundle.manifest, tuple(providers)
    missing = {found.engine: found.brought_by for found in machine.engines if not found.version}

    def support(engine: str, role: str, file: str, precision: str, sizes: dict[str, int]) -> GraphSupport:
        reason = ""
        if engine not in ENGINES:
            reason = f"this version has no engine {engine}"
        elif engine in missing:
            reason = f"{engine} is not installed: {missing[engine]}"
        elif not machine.system.startswith(ENGINES[engine].system):
            reason = f"{engine} runs on {ENGINES[engine].system.replace('Darwin', 'macOS')} only"
        shares = tuple(share(bundle.path(file), name) for name in asked) if engine == "onnx" else ()
        return GraphSupport(engine, role, file, precision, sizes, not reason, reason, shares)

    graphs = [support("onnx", role, file, manifest.precision, {}) for role, file in manifest.graphs.items()]
    graphs += [support(b.engine, b.role, b.file, b.precision, b.sizes) for b in manifest.buckets]
    takes = manifest.transcript
    return BundleSupport(manifest.name, tuple(graphs), takes.longest_s if takes else None, longest_s(bundle))


def longest_s(bundle: Bundle) -> dict[str, float]:
    """For each engine, the seconds of the longest audio that its graphs of fixed sizes take."""
    heard = [bucket for bucket in bundle.manifest.buckets if "samples" in bucket.sizes]
    return {
        engine: max(bucket.sizes["samples"] for bucket in heard if bucket.engine == engine) / SAMPLE_RATE_HZ
        for engine in {bucket.engine for bucket in heard}
    }


def share(graph: Path, provider: str) -> Share:
    """Open a graph with a provider and count the nodes that it takes."""
    try:
        nodes = placed(graph, EngineOptions(provider=provider))
    except UnmaskError as error:
        return Share(provider, error=str(error))
    if nodes is None:
        return Share(provider, error="this version of ONNX Runtime cannot report it; a newer one can")
    name = available()[read_provider(provider).short]
    return Share(provider, sum(node.provider == name for node in nodes), len(nodes))


def asked_for(machine: Machine, given: str | None) -> list[str]:
    """The provider that is given, or all known providers of this machine except the CPU."""
    return [given] if given else [p.provider for p in machine.providers if p.provider in PROVIDERS and p.provider != CPU]


# ---- tables


def machine_table(machine: Machine) -> Table:
    table, cpu = Table(show_header=False, title="this machine"), machine.cpu
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    memory = f", {show_bytes(machine.memory_mib << 20)} of memory" if machine.memory_mib else ""
    table.add_row("system", f"{machine.system}, {cpu.architecture}, Python {machine.python}{memory}")
    table.add_row("CPU", f"{cpu.name}, {cpu.cores} cores")
    table.add_row("CPU flags", " ".join(cpu.flags) or "unknown")
    for accelerator in machine.accelerators:
        table.add_row(accelerator.kind, f"{accelerator.name}, reported by {accelerator.told_by}")
    if not machine.accelerators:
        table.add_row("GPU, NPU", "none reported by the system or ONNX Runtime")
    for engine in machine.engines:
        table.add_row(f"engine {engine.engine}", engine.version or escape(f"not installed: {engine.brought_by}"))
    for provider in machine.providers:
        on = f" on {', '.join(provider.devices)}" if provider.devices else ""
        table.add_row(f"provider {provider.provider}", f"{provider.name}{on}")
    for name, brought_by in machine.missing.items():
        table.add_row(f"provider {name}", f"not here: {brought_by}", style="dim")
    return table


def bundle_table(found: BundleSupport) -> Table:
    table = Table("graph", "engine", "sizes", "precision", "here", title=found.name)
    for graph in found.graphs:
        sizes = ", ".join(f"{name} {count}" for name, count in graph.sizes.items()) or "any"
        table.add_row(graph.role, graph.engine, sizes, graph.precision, here(graph))
    lines = [f"{engine}: at most {held:.1f} s of {found.canvas_s:g} s" for engine, held in found.longest_s.items()]
    table.caption = "Longest audio in graphs of fixed sizes: " + "; ".join(lines) if lines else None
    return table


def here(graph: GraphSupport) -> str:
    """Whether a graph runs, and how much of it on each provider."""
    shares = [f"{s.provider}: {last_part(s.error) or f'{s.taken} of {s.nodes} nodes'}" for s in graph.shares]
    return "\n".join([escape(graph.reason) or "runs", *map(escape, shares)])


def last_part(error: str) -> str:
    """ONNX Runtime's message without its codes and source lines; --json prints all of it."""
    return error.rsplit(" : ", 1)[-1].strip()
