"""Peak memory of a bundle's task, in a process that does nothing else.

Knows bundles and processes. The process imports only the runtime, so it holds what a program of the user's would hold.
"""

import dataclasses
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unmask.benchmarks.measure.machine import peak_rss_mib
from unmask.benchmarks.measure.worker import Worker
from unmask.bundle.graph_spec import kind_of
from unmask.bundle.manifest import Bundle
from unmask.engines.engine_options import EngineOptions
from unmask.quant.calibration.calibration_data import Material
from unmask.session import RunOptions, open_model


def can_measure_memory() -> bool:
    """False on Windows."""
    return importlib.util.find_spec("resource") is not None


def peak_memory(bundle: Bundle, material: Material, options: EngineOptions | None = None) -> float:
    """Peak MiB of a new process that opens the bundle and captions all recordings, or answers all prompts.

    The bundle captions, or has a task whose only input is text. Recordings are passed as temporary files. Raises InputError for
    a bundle that cannot be run.
    """
    engine = dataclasses.asdict(options or EngineOptions())
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{i}.npy") for i in range(len(material.recordings))]
        for path, samples in zip(paths, material.recordings, strict=True):
            np.save(path, samples)
        asked = {"recordings": paths, "prompts": list(material.prompts), "length": material.length}
        with Worker(
            "unmask.benchmarks.measure.footprint:open_bundle", {"folder": str(bundle.folder), "engine": engine, **asked}
        ) as worker:
            found: float = worker()
    return found


def open_bundle(
    folder: str, engine: dict[str, Any], recordings: list[str], prompts: list[str], length: int | None
) -> Callable[[], float]:
    """The worker's side: a function that does the task and returns the peak."""
    session = open_model(folder, EngineOptions(**engine))
    takes = kind_of(session.bundle.manifest).takes
    task = next(task for task in session.tasks.values() if set(task.required.values()) == {takes})
    options = RunOptions(length=None if takes == "speech" else length)

    def do_task() -> float:
        session.load()
        for given in map(np.load, recordings) if takes == "speech" else prompts:
            session.run(task.name, dict.fromkeys(task.required, given), options)
        return peak_rss_mib()

    return do_task
