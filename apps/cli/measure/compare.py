"""`unmask compare`: two bundles, or two sides of stored reports, as Markdown tables and against gates."""

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unmask.apps.cli.options import (
    FLAG,
    EngineChoice,
    MaterialOptions,
    changed,
    read_material,
    refuse_unread,
    require,
    say_on_stderr,
)
from unmask.benchmarks.compare.gates import Gates
from unmask.bundle.manifest import MANIFEST, load_bundle
from unmask.engines.devices import read_cpu
from unmask.errors import InputError

if TYPE_CHECKING:
    from unmask.benchmarks.compare.bundle_tables import BundleComparison
    from unmask.benchmarks.compare.reports import ReportComparison

GATE_MISSED = 1


@Parameter(name="*")
@dataclass(frozen=True)
class CompareOptions:
    """Options of `unmask compare`."""

    runs: int = 6
    """Of bundles: samples of the time to load and of a pass; 0 measures neither times nor memory."""
    any_threads: Annotated[bool, FLAG] = False
    """Of reports: compare rows regardless of their number of threads."""
    json: Annotated[bool, FLAG] = False
    """Print one JSON object instead of tables."""
    quiet: Annotated[bool, FLAG] = False
    """Print no progress on stderr; missed gates are still printed."""


def compare(
    a: Path,
    b: Path,
    /,
    *,
    options: CompareOptions = CompareOptions(),
    material: MaterialOptions = MaterialOptions(),  # noqa: B008  (frozen)
    gates: Annotated[Gates, Parameter(name="*", group="Gates")] = Gates(),  # noqa: B008
    engine: EngineChoice = EngineChoice(),  # noqa: B008
) -> int:
    """Compare two bundles of one model, or two reports of `unmask bench`.

    With gates, the exit code is 1 when one is missed.

    Bundles: size, peak memory, time to load, time of a pass, agreement, drift, texts. A fills canvases; both answer them with
    some positions masked again. Of captioners that draft their transcripts both fill the draft's slots, and say what follows
    each token of A's text. Agreement: the same best id, the same most confident position, the same most confident quarter
    of the positions. Drift: KL divergence of B's distribution from A's, nats per row. Passes are timed with one thread and with
    two unless --threads is given; memory is that of a separate process for each bundle.

    Reports: for every row, the ratio of B's time to A's with a 95 % interval. With several runs on a side the interval includes
    how much runs differ.

    Parameters
    ----------
    a
        The reference: folder of a bundle, a report.json, or a folder of several runs' reports.
    b
        What is compared with it, of the same kind.
    """
    if options.runs < 0:
        raise InputError(f"runs is {options.runs}; it is at least 0")
    found: BundleComparison | ReportComparison
    if any((folder / MANIFEST).is_file() for folder in (a, b)):
        found = _bundles(a, b, options, material, engine)
    else:
        given = [*changed(material), *engine.given(), *(name for name in changed(options) if name == "runs")]
        refuse_unread(given, dict.fromkeys(given, "only for bundles; reports are compared as they are"))
        from unmask.benchmarks.compare.reports import compare_reports, read_side

        found = compare_reports(read_side(a), read_side(b), same_threads=not options.any_threads)
    missed = found.failures(gates)
    if options.json:
        print(json.dumps({**dataclasses.asdict(found), "missed": missed}, ensure_ascii=False))
    else:
        print(found.to_markdown())
    for line in missed:
        print(f"gate missed: {line}", file=sys.stderr)
    return GATE_MISSED if missed else 0


def _bundles(a: Path, b: Path, options: CompareOptions, material: MaterialOptions, engine: EngineChoice) -> "BundleComparison":
    refuse_unread(changed(options), {"any_threads": "only for reports; leave out"})
    require("onnx", "jiwer", "whisper_normalizer")
    from unmask.benchmarks.compare.bundles import compare_bundles

    ours, theirs = load_bundle(a), load_bundle(b)
    examples, transcripts = read_material(ours.manifest, material)
    threads = [engine.threads] if engine.threads else [count for count in (1, 2) if count <= read_cpu().cores]
    say = say_on_stderr(options.quiet)
    return compare_bundles(ours, theirs, examples, transcripts, options.runs, engine.options(), threads=threads, say=say)
