"""One run of `unmask bench`: the machine and its ceiling, every case in turns, the conditions before and after.

Knows bundles' folders and recordings on disk. Knows no option of the command and no file of a report.
"""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import unmask
from unmask.benchmarks.measure.ceiling import measure_ceiling
from unmask.benchmarks.measure.conditions import EnergyMeter, read_conditions
from unmask.benchmarks.report.record import BundleRecord, MachineRecord, Report, Row
from unmask.benchmarks.scenarios.catalog import MeasuredBundle, Recording, cases
from unmask.benchmarks.scenarios.graph_cost import bundle_costs, overhead_s
from unmask.benchmarks.scenarios.rows import rows_of
from unmask.benchmarks.scenarios.runner import Case, Plan, Sample, Say, run_cases
from unmask.bundle.manifest import load_bundle
from unmask.engines.devices import read_machine
from unmask.engines.engine_options import EngineOptions
from unmask.engines.known_engines import ENGINES
from unmask.errors import InputError
from unmask.tuned_settings import bundle_key

Take = Callable[[Sequence[Case], Plan, Say], list[tuple[Case, list[Sample]]]]


def read_subject(
    folder: Path, engine: EngineOptions, recordings: Sequence[Recording] = (), voice_detector: str | None = None
) -> MeasuredBundle:
    """Verify the bundle and count what its graphs cost. Raises BundleError."""
    bundle = load_bundle(folder)
    name = bundle.manifest.name
    return MeasuredBundle(name, folder, bundle.manifest, engine, tuple(recordings), bundle_costs(bundle), voice_detector)


def with_distinct_names(subjects: Sequence[MeasuredBundle]) -> list[MeasuredBundle]:
    """Subjects that share a name get their precision as a suffix. Raises InputError where that is the same too."""
    names = [subject.name for subject in subjects]
    out = [dataclasses.replace(s, name=f"{s.name} {s.manifest.precision}") if names.count(s.name) > 1 else s for s in subjects]
    if len({subject.name for subject in out}) < len(out):
        raise InputError(f"two bundles are called {names[0]} in one precision; measure them in runs of their own")
    return out


def run(
    own: Sequence[Case],
    subjects: Sequence[MeasuredBundle],
    plan: Plan,
    settings: dict[str, Any],
    say: Say,
    take: Take = run_cases,
    rows: Callable[[Case, list[Sample]], list[Row]] = rows_of,
) -> Report:
    """Measure the cases. settings: what else the run was asked for, as JSON. Raises InputError when there is no case.

    take: how the cases take turns; rows: turns a case's samples into rows of the report.
    """
    if not own:
        raise InputError("nothing to measure: these scenarios have no case for these bundles")
    before, meter = read_conditions(), EnergyMeter()
    threads = sorted({case.threads for case in own})
    say(f"ceiling of this machine with {' and '.join(map(str, threads))} thread{'s' * (threads != [1])}")
    ceiling = tuple(measure_ceiling(count) for count in threads)
    taken = take(own, plan, say)
    energy = meter.read()
    return Report(
        version=unmask.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
        overhead_s=overhead_s(),
        before=before,
        after=read_conditions(),
        energy=energy,
        plan={**dataclasses.asdict(plan), **settings},
        subjects=tuple(described(subject) for subject in subjects),
        ceiling=ceiling,
        rows=tuple(row for case, samples in taken for row in rows(case, samples)),
    )


def subject_cases(subjects: Sequence[MeasuredBundle], scenarios: Sequence[str], minutes: float) -> list[Case]:
    return [case for subject in subjects for case in cases(subject, scenarios, minutes)]


def machine() -> MachineRecord:
    found = read_machine()
    return MachineRecord(
        cpu=found.cpu.name,
        cores=found.cpu.cores,
        flags=tuple(found.cpu.flags),
        architecture=found.cpu.architecture,
        memory_mib=found.memory_mib,
        system=found.system,
        python=found.python,
        engines={engine.engine: engine.version for engine in found.engines if engine.version},
        accelerators=tuple(accelerator.name for accelerator in found.accelerators),
    )


def described(subject: MeasuredBundle) -> BundleRecord:
    manifest = subject.manifest
    return BundleRecord(
        name=subject.name,
        family=manifest.family,
        precision=manifest.precision,
        bytes=manifest.bytes,
        sha256=bundle_key(subject.folder),
        engine=dataclasses.asdict(subject.engine),
        on_cpu=on_cpu(subject.engine),
        tasks={name: dataclasses.asdict(schedule) for name, schedule in manifest.tasks.items()},
    )


def on_cpu(engine: EngineOptions) -> bool:
    """Whether the CPU's ceiling bounds it."""
    device: str = getattr(engine, ENGINES[engine.engine].device_option)
    return device.strip().lower().partition(":")[0] == "cpu"
