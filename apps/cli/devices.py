"""`unmask devices`: what this machine has, and what of a bundle runs on it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unmask.apps.cli.bundle_support import BundleFit, GraphFit, asked_for, fit
from unmask.bundle.manifest import load_bundle
from unmask.engines.devices import Machine, read_machine


@Parameter(name="*")
@dataclass(frozen=True)
class DevicesOptions:
    """Options of `unmask devices`."""

    provider: str | None = None
    """Ask this provider of ONNX Runtime how much of the bundle's graphs it takes; all that are here unless given."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print one JSON object instead of tables."""


def devices(bundle: Path | None = None, /, *, options: DevicesOptions = DevicesOptions()) -> None:
    """Print the processor, the engines and ONNX Runtime's providers of this machine, and GPUs and NPUs as far as they tell.

    Parameters
    ----------
    bundle
        A bundle's folder: also print which of its graphs run here, with what, and which audio fits graphs of fixed sizes.
    """
    machine = read_machine()
    found = fit(load_bundle(bundle), machine, asked_for(machine, options.provider)) if bundle else None
    if options.json:
        print(json.dumps({"machine": asdict(machine), "bundle": asdict(found) if found else None}, indent=1, ensure_ascii=False))
        return
    console = Console()
    console.print(machine_table(machine))
    if found:
        console.print(bundle_table(found))


def machine_table(machine: Machine) -> Table:
    table, cpu = Table(show_header=False, title="this machine"), machine.cpu
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    memory = f", {machine.memory_mib / 1024:.1f} GiB of memory" if machine.memory_mib else ""
    table.add_row("system", f"{machine.system}, {cpu.architecture}, Python {machine.python}{memory}")
    table.add_row("CPU", f"{cpu.name}, {cpu.cores} cores")
    table.add_row("CPU flags", " ".join(cpu.flags) or "unknown")
    for accelerator in machine.accelerators:
        table.add_row(accelerator.kind, f"{accelerator.name}, told by {accelerator.told_by}")
    if not machine.accelerators:
        table.add_row("GPU, NPU", "none that the system or ONNX Runtime tells of")
    for engine in machine.engines:
        table.add_row(f"engine {engine.engine}", engine.version or escape(f"not installed: {engine.brought_by}"))
    for provider in machine.providers:
        on = f" on {', '.join(provider.devices)}" if provider.devices else ""
        table.add_row(f"provider {provider.provider}", f"{provider.name}{on}")
    for short, brought_by in machine.missing.items():
        table.add_row(f"provider {short}", f"not here: {brought_by}", style="dim")
    return table


def bundle_table(found: BundleFit) -> Table:
    table = Table("graph", "engine", "sizes", "precision", "here", title=found.name)
    for graph in found.graphs:
        sizes = ", ".join(f"{name} {count}" for name, count in graph.sizes.items()) or "any"
        table.add_row(graph.role, graph.engine, sizes, graph.precision, here(graph))
    lines = [f"{engine}: at most {held:.1f} s of {found.canvas_s:g} s" for engine, held in found.longest_s.items()]
    table.caption = "Longest audio in graphs of fixed sizes: " + "; ".join(lines) if lines else None
    return table


def here(graph: GraphFit) -> str:
    """Runs or not, and how much of it where."""
    told = [f"{s.provider}: {short(s.error) or f'{s.taken} of {s.nodes} nodes'}" for s in graph.shares]
    return "\n".join([escape(graph.reason) or "runs", *map(escape, told)])


def short(error: str) -> str:
    """What stands behind ONNX Runtime's codes and places; --json has it whole."""
    return error.rsplit(" : ", 1)[-1].strip()
