"""`unmask compare`: two bundles against each other as Markdown tables, and against the bounds that are given."""

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unmask.apps.cli.material import MaterialOptions, read_material
from unmask.apps.cli.measuring import say_on_stderr
from unmask.apps.cli.options import EngineChoice
from unmask.benchmarks.compare.report import Gates, markdown, missed
from unmask.bundle.manifest import load_bundle
from unmask.engines.devices import read_cpu
from unmask.errors import InputError

GATE_MISSED = 1


@Parameter(name="*")
@dataclass(frozen=True)
class CompareOptions:
    """Options of `unmask compare`."""

    runs: int = 5
    """Times that loading and passes are measured, in turns; 0: not at all, and no memory either."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print one JSON object instead of tables."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """Say nothing on stderr while it runs; gates that are missed are still told."""


def compare(
    a: Path,
    b: Path,
    /,
    *,
    options: CompareOptions = CompareOptions(),
    material: MaterialOptions = MaterialOptions(),  # noqa: B008  (frozen)
    gates: Annotated[Gates, Parameter(name="*")] = Gates(),  # noqa: B008
    engine: EngineChoice = EngineChoice(),  # noqa: B008
) -> int:
    """Compare two bundles of one model: size, peak memory, time to load, time of a pass, agreement, drift, texts.

    A fills canvases; both answer them with some positions masked again. Agreement: the same best id, the same position surest,
    the same quarter of positions surest. Drift: KL of B's distribution to A's, in nats a row. Passes are timed with one thread
    and with two unless --threads says how many; memory is that of a process for each bundle. With gates, the exit code is 1 when
    one is missed.

    Parameters
    ----------
    a
        Folder of the bundle that is taken as right.
    b
        Folder of the other one.
    """
    chosen = engine.options()
    if options.runs < 0:
        raise InputError(f"runs is {options.runs}; at least 0 are needed")
    from unmask.benchmarks.compare.compare import compare_bundles
    from unmask.benchmarks.measure.footprint import can_tell_memory, peak_memory

    ours, theirs = load_bundle(a), load_bundle(b)
    asked, said = read_material(ours.manifest, material)
    threads = [engine.threads] if engine.threads else [count for count in (1, 2) if count <= read_cpu().cores]
    peak = (lambda bundle: peak_memory(bundle, asked, chosen)) if options.runs and can_tell_memory() else None
    found = compare_bundles(
        ours, theirs, asked, said, options.runs, chosen, threads=threads, peak=peak, say=say_on_stderr(options.quiet)
    )
    lines = missed(found, gates)
    if options.json:
        print(json.dumps({**dataclasses.asdict(found), "missed": lines}, ensure_ascii=False))
    else:
        print(markdown(found, f"{a.name} ({ours.manifest.precision})", f"{b.name} ({theirs.manifest.precision})"))
    for line in lines:
        print(f"gate missed: {line}", file=sys.stderr)
    return GATE_MISSED if lines else 0
